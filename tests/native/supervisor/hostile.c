// SPDX-License-Identifier: Apache-2.0
/*
 * Description: whatever a workload writes into the arena, the drain stays
 * within it: it ends, and no row or name lies beyond its segment.
 */
#define _GNU_SOURCE
#include "supervisor.h"

#define ROUNDS 300

static uint64_t state = 88172645463325252ull;

static uint64_t random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Often small, often at an edge, sometimes anything. */
static uint64_t nasty_word(void)
{
	static const uint64_t edges[] = {0,     1,     1022,       1023,      1024,
					 65535, 65536, UINT32_MAX, UINT64_MAX};
	uint64_t word = random_word();

	return word & 1 ? edges[(word >> 8) % (sizeof(edges) / sizeof(*edges))]
			: word >> (word & 63);
}

static void scribble(struct arena *arena)
{
	struct anaros_shared *shared = arena->shared;

	shared->lanes_used = (uint32_t)nasty_word();
	shared->chunks_in_use = (uint32_t)nasty_word();
	for (uint32_t lane = 0; lane < 8; lane++)
		arena->lanes[lane].state = (uint32_t)nasty_word();
	for (uint32_t i = 0; i < arena->chunk_count; i++) {
		struct anaros_chunk *chunk = &arena->chunks[i];

		arena->owners[i] = (uint32_t)nasty_word();
		chunk->header.committed = (uint32_t)nasty_word();
		chunk->header.drained = (uint32_t)nasty_word();
		chunk->header.sealed = (uint32_t)nasty_word() & 1;
		chunk->header.lane = (uint32_t)nasty_word();
		for (uint32_t at = 0; at < ANAROS_CHUNK_RECORDS; at++) {
			struct anaros_record *record = &chunk->records[at];

			record->kind =
			    random_word() & 3 ? ANAROS_KIND_FILE_READ : ANAROS_KIND_META_NAME;
			record->size_bytes = nasty_word();
			record->status = (int32_t)nasty_word();
		}
	}
}

int main(void)
{
	struct lane_totals totals;
	struct bench bench;

	set_up(&bench, 6, 3000);
	for (int round = 0; round < ROUNDS; round++) {
		struct segment_header *header = bench.segment->header;

		scribble(bench.arena);
		anaros_arena_drain(bench.arena, bench.segment);
		anaros_arena_totals(bench.arena, &totals);
		anaros_arena_end_all(bench.arena);
		CHECK(header->count <= header->capacity);
		CHECK(header->names_bytes <= header->names_capacity);
		anaros_segment_reset(bench.segment, (uint64_t)round);
	}
	tear_down(&bench);
	return 0;
}
