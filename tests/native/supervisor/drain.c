// SPDX-License-Identifier: Apache-2.0
/* Description: the drain moves every published record once, and frees what is sealed. */
#define _GNU_SOURCE
#include <errno.h>

#include "supervisor.h"

static void moves_each_record_once(void)
{
	struct bench bench;
	const uint64_t *start_ns;

	set_up(&bench, 4, 10000);
	fill_chunk(bench.arena, 0, 0, 10, 1000);
	CHECK(anaros_arena_drain(bench.arena, bench.segment) == 10);
	CHECK(anaros_arena_drain(bench.arena, bench.segment) == 0);
	fill_chunk(bench.arena, 0, 0, 15, 1000);
	CHECK(anaros_arena_drain(bench.arena, bench.segment) == 5);
	CHECK(bench.segment->header->count == 15);
	start_ns = (const uint64_t *)bench.segment->columns[0];
	for (uint64_t i = 0; i < 15; i++)
		CHECK(start_ns[i] == 1000 + i);
	CHECK(((const int32_t *)bench.segment->columns[6])[14] == -2);
	CHECK(((const uint64_t *)bench.segment->columns[10])[14] == 1014);
	tear_down(&bench);
}

static void frees_what_is_sealed_and_keeps_the_rest(void)
{
	struct bench bench;

	set_up(&bench, 4, 10000);
	fill_chunk(bench.arena, 1, 0, ANAROS_CHUNK_RECORDS, 1);
	bench.arena->chunks[1].header.sealed = 1;
	fill_chunk(bench.arena, 2, 0, 3, 5000);
	CHECK(anaros_arena_drain(bench.arena, bench.segment) == ANAROS_CHUNK_RECORDS + 3);
	CHECK(bench.arena->owners[1] == 0 && bench.arena->owners[2] == 1);
	CHECK(bench.arena->shared->chunks_in_use == 1);
	tear_down(&bench);
}

static void a_full_segment_loses_nothing(void)
{
	struct bench bench;
	uint64_t total = 0;

	set_up(&bench, 4, ANAROS_CHUNK_RECORDS);
	fill_chunk(bench.arena, 0, 0, ANAROS_CHUNK_RECORDS, 1);
	fill_chunk(bench.arena, 1, 1, 100, 5000);
	CHECK(anaros_arena_drain(bench.arena, bench.segment) == -ENOSPC);
	total += bench.segment->header->count;
	anaros_segment_reset(bench.segment, 1);
	CHECK(anaros_arena_drain(bench.arena, bench.segment) >= 0);
	total += bench.segment->header->count;
	CHECK(total == ANAROS_CHUNK_RECORDS + 100);
	tear_down(&bench);
}

static void names_travel_beside_the_records(void)
{
	static const char path[] = "/data/tile";
	struct anaros_record *records;
	struct bench bench;

	set_up(&bench, 4, 10000);
	fill_chunk(bench.arena, 0, 0, 4, 1);
	records = bench.arena->chunks[0].records;
	records[1].kind = ANAROS_KIND_META_NAME;
	records[1].status = ANAROS_NAME_FILE;
	records[1].size_bytes = sizeof(path) - 1;
	memcpy(&records[2], path, sizeof(path));
	CHECK(anaros_arena_drain(bench.arena, bench.segment) == 2);
	CHECK(bench.segment->header->names_bytes > sizeof(path));
	CHECK(memmem(bench.segment->names, bench.segment->header->names_bytes, path,
		     sizeof(path) - 1) != NULL);
	tear_down(&bench);
}

int main(void)
{
	moves_each_record_once();
	frees_what_is_sealed_and_keeps_the_rest();
	a_full_segment_loses_nothing();
	names_travel_beside_the_records();
	return 0;
}
