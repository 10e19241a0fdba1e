// SPDX-License-Identifier: Apache-2.0
/* Description: the sort of a segment is a sort, is stable, and gathers each column. */
#define _GNU_SOURCE
#include "supervisor.h"

#define COUNT 50000

static void sorts(uint64_t base, uint64_t span)
{
	static uint64_t keys[COUNT];
	static uint32_t order[COUNT], scratch[COUNT];
	static uint8_t seen[COUNT];
	uint64_t word = 42;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < COUNT; i++) {
		word = word * 6364136223846793005ull + 1442695040888963407ull;
		keys[i] = base + (span ? (word >> 16) % span : 0);
	}
	CHECK(anaros_argsort(keys, COUNT, order, scratch) == 0);
	for (int i = 0; i < COUNT; i++) {
		CHECK(order[i] < COUNT && !seen[order[i]]);
		seen[order[i]] = 1;
		if (i > 0) {
			CHECK(keys[order[i - 1]] <= keys[order[i]]);
			CHECK(keys[order[i - 1]] < keys[order[i]] || order[i - 1] < order[i]);
		}
	}
}

static void gathers(void)
{
	static const uint32_t order[] = {2, 0, 1};
	uint64_t wide[SEGMENT_COLUMNS][3] = {0};
	void *out[SEGMENT_COLUMNS];
	struct bench bench;

	set_up(&bench, 1, 100);
	fill_chunk(bench.arena, 0, 0, 3, 10);
	CHECK(anaros_arena_drain(bench.arena, bench.segment) == 3);
	for (int i = 0; i < SEGMENT_COLUMNS; i++)
		out[i] = wide[i];
	anaros_segment_gather(bench.segment, order, 3, out);
	CHECK(wide[0][0] == 12 && wide[0][1] == 10 && wide[0][2] == 11);
	CHECK(((const uint32_t *)out[2])[2] == 100);
	CHECK(((const uint16_t *)out[4])[0] == ANAROS_KIND_FILE_READ);
	CHECK(((const int32_t *)out[6])[1] == -2);
	tear_down(&bench);
}

int main(void)
{
	sorts(0, 0);
	sorts(1, 3);
	sorts(123456789012ull, 1000000000ull);
	sorts(5, UINT64_MAX >> 17);
	gathers();
	return 0;
}
