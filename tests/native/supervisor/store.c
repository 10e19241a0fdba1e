// SPDX-License-Identifier: Apache-2.0
/* Description: the store's passes stay in their arrays, and sort, place and count every record. */
#define _GNU_SOURCE
#include "supervisor.h"

#include "store.h"

#define COUNT 70001

static uint64_t word = 42;

static uint64_t any(uint64_t span)
{
	word = word * 6364136223846793005ull + 1442695040888963407ull;
	return span ? (word >> 11) % span : 0;
}

/* Exact sizes from the heap, so that a sanitizer sees a step beyond. */
static void sorts(uint32_t count, uint64_t base, uint64_t span)
{
	uint64_t *starts = calloc(count + 1, 8), *sorted = calloc(count + 1, 8);
	uint64_t *scratch = malloc(count ? count * 16ull : 1);
	uint32_t *order = calloc(count + 1, 4);

	for (uint32_t i = 0; i < count; i++)
		starts[i] = base + any(span);
	if (count > 1 && span == UINT64_MAX)
		starts[count / 2] = UINT64_MAX; /* too wide to share a word */
	CHECK(anaros_store_sort(starts, count, 7, sorted, order, scratch) == 0);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(order[i] >= 7 && order[i] - 7 < count);
		CHECK(sorted[i] == starts[order[i] - 7]);
		if (i > 0)
			CHECK(sorted[i - 1] < sorted[i] ||
			      (sorted[i - 1] == sorted[i] && order[i - 1] < order[i]));
	}
	free(starts);
	free(sorted);
	free(scratch);
	free(order);
}

static void scatters(void)
{
	const uint32_t place[] = {2, 0, 1};
	const uint64_t wide[] = {10, 11, 12};
	const uint32_t middle[] = {20, 21, 22};
	const uint16_t narrow[] = {30, 31, 32};
	const uint8_t least[] = {40, 41, 42};
	uint64_t to_wide[3];
	uint32_t to_middle[3];
	uint16_t to_narrow[3];
	uint8_t to_least[3];
	const void *from[] = {wide, middle, narrow, least};
	void *to[] = {to_wide, to_middle, to_narrow, to_least};
	const uint8_t widths[] = {8, 4, 2, 1};

	anaros_store_scatter(from, to, widths, 4, place, 3);
	for (int i = 0; i < 3; i++) {
		CHECK(to_wide[place[i]] == wide[i] && to_middle[place[i]] == middle[i]);
		CHECK(to_narrow[place[i]] == narrow[i] && to_least[place[i]] == least[i]);
	}
}

static void counts(void)
{
	const uint64_t start_ns[] = {5, 3, 9}, duration_ns[] = {1, 20, 2}, size[] = {7, 8, 9};
	const uint16_t kind[] = {65535, 1, 65535}, flags[] = {4, 5, 6};
	struct store_call *calls = calloc(65536, sizeof(*calls));
	uint64_t *next = calloc(65536, sizeof(*next)), by_kind[3];

	anaros_store_count(start_ns, duration_ns, kind, flags, size, 3, calls);
	CHECK(calls[1].count == 1 && calls[1].first_ns == 3 && calls[1].end_ns == 23);
	CHECK(calls[65535].count == 2 && calls[65535].total_ns == 3);
	CHECK(calls[65535].size_bytes == 16 && calls[65535].flags == 4);
	CHECK(calls[65535].first_ns == 5 && calls[65535].end_ns == 11);
	next[65535] = 1;
	anaros_store_by_kind(kind, duration_ns, 3, next, by_kind);
	CHECK(by_kind[0] == 20 && by_kind[1] == 1 && by_kind[2] == 2);
	CHECK(next[1] == 1 && next[65535] == 3);
	free(calls);
	free(next);
}

int main(void)
{
	static const uint64_t spans[] = {0, 2, 2048, 2049, 1ull << 33, 1ull << 48, UINT64_MAX};
	static const uint32_t sizes[] = {0, 1, 2, 1000, COUNT};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			sorts(sizes[j], i & 1 ? 123456789012ull : 0, spans[i]);
	scatters();
	counts();
	return 0;
}
