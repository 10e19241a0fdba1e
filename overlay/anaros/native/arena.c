// SPDX-License-Identifier: Apache-2.0
/* The supervisor's side of the arena: make it, drain it, reap the dead. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "native.h"
#include "segment.h"

/*
 * The drain is woken long before the arena is half full: chunks that come
 * back soon are still in the caches, and their pages are there. Fresh pages
 * cost a busy thread more than the record itself (in a virtual machine, some
 * microseconds each). What lies beyond is room for a supervisor that is late.
 */
#define WAKE_CHUNKS 32u

static struct arena *map_arena(int fd, uint64_t bytes, int *error)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena == NULL) {
		*error = ENOMEM;
		return NULL;
	}
	arena->bytes = bytes;
	arena->numbers_fd = -1;
	arena->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (arena->base == MAP_FAILED) {
		*error = errno;
		free(arena);
		return NULL;
	}
	arena->control = (struct anaros_control *)arena->base;
	arena->shared = (struct anaros_shared *)(arena->base + ANAROS_SHARED_OFFSET);
	arena->lanes = (struct anaros_lane *)(arena->base + ANAROS_LANES_OFFSET);
	arena->owners = (uint32_t *)(arena->base + ANAROS_OWNERS_OFFSET);
	return arena;
}

static void place_chunks(struct arena *arena, uint32_t chunk_count)
{
	arena->chunk_count = chunk_count;
	arena->chunks = (struct anaros_chunk *)(arena->base + anaros_chunks_offset(chunk_count));
}

struct arena *anaros_arena_create(const char *path, uint32_t chunk_count, int *error)
{
	uint64_t bytes = anaros_arena_bytes(chunk_count);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct arena *arena = NULL;

	if (fd < 0) {
		*error = errno;
		return NULL;
	}
	/* All but the chunks is there from the start: it must never fault. */
	*error = posix_fallocate(fd, 0, (off_t)anaros_chunks_offset(chunk_count));
	if (*error == 0 && ftruncate(fd, (off_t)bytes) != 0)
		*error = errno;
	if (*error == 0)
		arena = map_arena(fd, bytes, error);
	close(fd);
	if (arena == NULL) {
		unlink(path);
		return NULL;
	}
	place_chunks(arena, chunk_count);
	arena->control->version = ANAROS_ARENA_VERSION;
	arena->control->chunk_count = chunk_count;
	arena->control->arena_bytes = bytes;
	arena->control->wake_chunks = chunk_count / 2 < WAKE_CHUNKS ? chunk_count / 2 : WAKE_CHUNKS;
	arena->control->supervisor_pid = (uint32_t)getpid();
	arena->control->device_time = ANAROS_DEVICE_TIME_QUEUE;
	arena->control->magic = ANAROS_MAGIC;
	return arena;
}

/* An arena that a supervisor left behind. */
struct arena *anaros_arena_open(const char *path, int *error)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct arena *arena;
	struct stat status;
	uint32_t chunk_count;

	if (fd < 0) {
		*error = errno;
		return NULL;
	}
	if (fstat(fd, &status) != 0 || (uint64_t)status.st_size < anaros_arena_bytes(1)) {
		*error = EINVAL;
		close(fd);
		return NULL;
	}
	arena = map_arena(fd, (uint64_t)status.st_size, error);
	close(fd);
	if (arena == NULL)
		return NULL;
	chunk_count = arena->control->chunk_count;
	if (arena->control->magic != ANAROS_MAGIC ||
	    arena->control->version != ANAROS_ARENA_VERSION || chunk_count == 0 ||
	    chunk_count > ANAROS_CHUNKS_MAX || arena->bytes != anaros_arena_bytes(chunk_count)) {
		*error = EINVAL;
		anaros_arena_close(arena);
		return NULL;
	}
	place_chunks(arena, chunk_count);
	return arena;
}

void anaros_arena_close(struct arena *arena)
{
	anaros_clock_stop(arena);
	munmap(arena->base, arena->bytes);
	free(arena->numbered);
	free(arena);
}

uint32_t anaros_arena_wakes(const struct arena *arena)
{
	return __atomic_load_n(&arena->shared->wake, __ATOMIC_ACQUIRE);
}

/*
 * Sleeps until enough chunks are in use, somebody wakes, or the time is over.
 * What woke since anaros_arena_wakes() said `word` counts.
 */
int anaros_arena_wait(struct arena *arena, uint32_t word, int timeout_ms)
{
	struct timespec timeout = {.tv_sec = timeout_ms / 1000,
				   .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
	int result = 0;

	__atomic_store_n(&arena->shared->waiting, 1, __ATOMIC_SEQ_CST);
	/* What came before `waiting` was seen woke nobody: look once more. */
	if (__atomic_load_n(&arena->shared->chunks_in_use, __ATOMIC_SEQ_CST) <
	    arena->control->wake_chunks)
		result = (int)syscall(SYS_futex, &arena->shared->wake, FUTEX_WAIT, word, &timeout,
				      NULL, 0);
	__atomic_store_n(&arena->shared->waiting, 0, __ATOMIC_RELAXED);
	return result;
}

void anaros_arena_wake(struct arena *arena)
{
	__atomic_fetch_add(&arena->shared->wake, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &arena->shared->wake, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/*
 * Moves records [drained, committed) of a chunk. Returns false when the
 * segment is full. All that was copied becomes visible in one step that a
 * recovery can finish: intent first, then both counters.
 */
static bool drain_chunk(struct arena *arena, struct segment *segment, uint32_t index,
			uint32_t committed)
{
	struct anaros_chunk *chunk = &arena->chunks[index];
	struct segment_header *header = segment->header;
	uint32_t at = chunk->header.drained;
	uint64_t count = header->count, names = header->names_bytes;
	uint32_t lane = arena->owners[index] - 1;
	bool foreign = anaros_numbers_lie(arena, lane), room = true;

	if (at > committed)
		at = committed; /* the workload wrote nonsense */
	while (at < committed && room) {
		const struct anaros_record *record = &chunk->records[at];
		uint32_t run = 0;

		while (at + run < committed && record[run].kind != ANAROS_KIND_META_NAME)
			run++;
		if (run > 0) {
			if (!anaros_segment_room(segment,
						 (uint32_t)(count - header->count) + run)) {
				room = false;
				break;
			}
			segment_put_rows(segment, count, record, run);
			if (foreign)
				anaros_numbers_rows(arena, lane, segment, count, run);
			count += run;
			at += run;
			continue;
		}
		uint64_t size = record->size_bytes;
		uint64_t slots = 1 + (size + sizeof(*record) - 1) / sizeof(*record);

		if (size > 65535 || slots > committed - at) {
			header->malformed++;
			at++;
			continue;
		}
		struct anaros_record name = *record;

		if (foreign)
			anaros_numbers_name(arena, lane, &name);
		room = segment_put_name(segment, &names, &name, (const char *)(record + 1),
					(uint32_t)size);
		if (room)
			at += (uint32_t)slots;
	}
	if (at != chunk->header.drained) {
		uint64_t rows = count - header->count;

		if (header->opened_ns == 0)
			header->opened_ns = anaros_monotonic_ns();
		header->intent_drained = at;
		header->intent_count = count;
		header->intent_names = names;
		__atomic_store_n(&header->intent_chunk, index + 1, __ATOMIC_RELEASE);
		__atomic_store_n(&chunk->header.drained, at, __ATOMIC_RELEASE);
		__atomic_store_n(&header->names_bytes, names, __ATOMIC_RELEASE);
		__atomic_store_n(&header->count, count, __ATOMIC_RELEASE);
		__atomic_store_n(&header->intent_chunk, 0, __ATOMIC_RELEASE);
		arena->shared->records_drained += rows;
	}
	return room;
}

static void free_chunk(struct arena *arena, uint32_t index)
{
	struct anaros_chunk_header *header = &arena->chunks[index].header;

	header->sealed = 0;
	header->drained = 0;
	header->committed = 0;
	/* Release: whoever takes it finds an empty header. */
	__atomic_store_n(&arena->owners[index], 0, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&arena->shared->chunks_in_use, 1, __ATOMIC_RELAXED);
}

static uint32_t lanes_used(const struct arena *arena)
{
	uint32_t used = __atomic_load_n(&arena->shared->lanes_used, __ATOMIC_ACQUIRE);

	return used < ANAROS_LANES ? used : ANAROS_LANES;
}

static uint32_t lane_state(const struct arena *arena, uint32_t lane)
{
	return __atomic_load_n(&arena->lanes[lane].state, __ATOMIC_ACQUIRE);
}

/*
 * One pass over all chunks. Returns the records moved, or -ENOSPC when the
 * segment is full (what remains stays where it is).
 */
int64_t anaros_arena_drain(struct arena *arena, struct segment *segment)
{
	uint8_t ended[ANAROS_LANES]; /* 1: was ended before the pass; 2: has a chunk */
	uint64_t before = arena->shared->records_drained;
	uint32_t used = lanes_used(arena);
	bool room = true;

	for (uint32_t lane = 0; lane < used; lane++)
		ended[lane] = lane_state(arena, lane) == ANAROS_LANE_ENDED;
	for (uint32_t i = 0; i < arena->chunk_count && room; i++) {
		struct anaros_chunk_header *header = &arena->chunks[i].header;
		uint32_t owner = __atomic_load_n(&arena->owners[i], __ATOMIC_ACQUIRE);
		uint32_t sealed, committed;
		bool over;

		if (owner == 0)
			continue;
		/* Sealed is read before committed: sealed means that it is final. */
		sealed = __atomic_load_n(&header->sealed, __ATOMIC_ACQUIRE);
		over = sealed || (owner - 1 < used && ended[owner - 1]);
		committed = __atomic_load_n(&header->committed, __ATOMIC_ACQUIRE);
		if (committed > ANAROS_CHUNK_RECORDS)
			committed = ANAROS_CHUNK_RECORDS;
		if (header->drained != committed)
			room = drain_chunk(arena, segment, i, committed);
		if (over && header->drained >= committed)
			free_chunk(arena, i);
		else if (owner - 1 < used)
			ended[owner - 1] = 0;
	}
	for (uint32_t lane = 0; room && lane < used; lane++) {
		if (!ended[lane])
			continue;
		arena->shared->drops_retired += arena->lanes[lane].drops;
		arena->lanes[lane].drops = 0;
		anaros_numbers_forget(arena, lane);
		__atomic_store_n(&arena->lanes[lane].state, ANAROS_LANE_FREE, __ATOMIC_RELEASE);
	}
	if (!room)
		return -ENOSPC;
	return (int64_t)(arena->shared->records_drained - before);
}

/*
 * Ends the lanes of threads that died without a word. Only in our own pid
 * namespace: elsewhere the numbers mean other threads. Returns live lanes.
 */
uint32_t anaros_arena_reap(struct arena *arena, uint64_t pid_namespace)
{
	uint32_t used = lanes_used(arena), live = 0;

	for (uint32_t i = 0; i < used; i++) {
		struct anaros_lane *lane = &arena->lanes[i];

		if (lane_state(arena, i) != ANAROS_LANE_LIVE)
			continue;
		if (lane->pid_namespace == pid_namespace &&
		    syscall(SYS_tgkill, lane->pid, lane->tid, 0) != 0 && errno == ESRCH)
			__atomic_store_n(&lane->state, ANAROS_LANE_ENDED, __ATOMIC_RELEASE);
		else
			live++;
	}
	return live;
}

/* The workload is over, or nobody watches it: nothing more will come. */
void anaros_arena_end_all(struct arena *arena)
{
	uint32_t used = lanes_used(arena);

	for (uint32_t i = 0; i < used; i++)
		if (lane_state(arena, i) == ANAROS_LANE_LIVE)
			__atomic_store_n(&arena->lanes[i].state, ANAROS_LANE_ENDED,
					 __ATOMIC_RELEASE);
}

void anaros_arena_totals(struct arena *arena, struct lane_totals *totals)
{
	uint32_t used = lanes_used(arena);

	memset(totals, 0, sizeof(*totals));
	totals->drops = arena->shared->drops_retired + arena->shared->drops_no_lane;
	for (uint32_t i = 0; i < used; i++) {
		uint32_t state = lane_state(arena, i);

		if (state == ANAROS_LANE_FREE)
			continue;
		totals->drops += __atomic_load_n(&arena->lanes[i].drops, __ATOMIC_RELAXED);
		totals->live += state == ANAROS_LANE_LIVE;
		totals->ended += state == ANAROS_LANE_ENDED;
	}
}

/* Finishes the step that a killed drain had announced. */
void anaros_arena_recover(struct arena *arena, struct segment *segment)
{
	struct segment_header *header = segment->header;
	uint64_t chunk = header->intent_chunk;

	if (chunk == 0 || chunk > arena->chunk_count || header->intent_count > header->capacity ||
	    header->intent_names > header->names_capacity ||
	    header->intent_drained > ANAROS_CHUNK_RECORDS)
		return;
	arena->chunks[chunk - 1].header.drained = (uint32_t)header->intent_drained;
	header->count = header->intent_count;
	header->names_bytes = header->intent_names;
	header->intent_chunk = 0;
}
