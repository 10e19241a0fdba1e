/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the supervisor's native side share. */
#ifndef ANAROS_TEST_SUPERVISOR_H
#define ANAROS_TEST_SUPERVISOR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "native.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

struct bench {
	char folder[64];
	char arena_path[96];
	char segment_path[96];
	struct arena *arena;
	struct segment *segment;
};

static inline void set_up(struct bench *bench, uint32_t chunks, uint32_t rows)
{
	int error = 0;

	strcpy(bench->folder, "/dev/shm/anaros-test-XXXXXX");
	CHECK(mkdtemp(bench->folder) != NULL);
	snprintf(bench->arena_path, sizeof(bench->arena_path), "%s/arena", bench->folder);
	snprintf(bench->segment_path, sizeof(bench->segment_path), "%s/segment", bench->folder);
	bench->arena = anaros_arena_create(bench->arena_path, chunks, &error);
	CHECK(bench->arena != NULL);
	bench->segment = anaros_segment_create(bench->segment_path, rows, 65536, &error);
	CHECK(bench->segment != NULL);
}

static inline void tear_down(struct bench *bench)
{
	anaros_segment_close(bench->segment);
	anaros_arena_close(bench->arena);
	CHECK(unlink(bench->arena_path) == 0);
	CHECK(unlink(bench->segment_path) == 0);
	CHECK(rmdir(bench->folder) == 0);
}

/* As the shim does it: a lane, a chunk, `count` records that start at `from`. */
static inline void fill_chunk(struct arena *arena, uint32_t index, uint32_t lane, uint32_t count,
			      uint64_t from)
{
	struct anaros_chunk *chunk = &arena->chunks[index];

	arena->lanes[lane].state = ANAROS_LANE_LIVE;
	if (arena->shared->lanes_used < lane + 1)
		arena->shared->lanes_used = lane + 1;
	arena->owners[index] = lane + 1;
	arena->shared->chunks_in_use++;
	chunk->header.lane = lane;
	for (uint32_t i = 0; i < count; i++)
		chunk->records[i] = (struct anaros_record){
		    .start_ns = from + i,
		    .duration_ns = 5,
		    .pid = 100,
		    .tid = 100 + lane,
		    .kind = ANAROS_KIND_FILE_READ,
		    .status = -2,
		    .object = 7,
		    .size_bytes = 4096,
		    .address = 0xfeed,
		    .context = from + i,
		};
	__atomic_store_n(&chunk->header.committed, count, __ATOMIC_RELEASE);
}

#endif
