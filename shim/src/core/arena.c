// SPDX-License-Identifier: Apache-2.0
/* Lanes and chunks: where this process's threads write their records. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>

#include "core/arena.h"
#include "core/question.h"
#include "core/rebind.h"
#include "core/shim.h"
#include "core/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

__thread struct anaros_thread anaros_thread = {.epoch = UINT32_MAX};

static struct anaros_process not_attached;
static const struct anaros_control not_recording;

struct anaros_process *anaros_process = &not_attached;
const struct anaros_control *anaros_control = &not_recording;
struct anaros_shared *anaros_shared;

static struct {
	void *base; /* of all that was mapped */
	uint64_t bytes;
	struct anaros_lane *lanes;
	uint32_t *owners;
	struct anaros_chunk *chunks;
	uint32_t chunk_count;
	uint64_t pid_namespace;
	pthread_key_t key;
	bool has_key;
	/* A set bit: this process has the chunk's pages, they cannot fault. */
	uint64_t populated[ANAROS_CHUNKS_MAX / 64];
} arena;

static void thread_ended(void *unused)
{
	(void)unused;
	anaros_leave_thread();
}

void anaros_arena_attach(const struct anaros_control *control, void *base, uint64_t pid_namespace)
{
	char *bytes = base;

	arena.base = base;
	arena.bytes = control->arena_bytes;
	arena.chunk_count = control->chunk_count;
	arena.lanes = (struct anaros_lane *)(bytes + ANAROS_LANES_OFFSET);
	arena.owners = (uint32_t *)(bytes + ANAROS_OWNERS_OFFSET);
	arena.chunks = (struct anaros_chunk *)(bytes + anaros_chunks_offset(control->chunk_count));
	arena.pid_namespace = pid_namespace;
	arena.has_key = pthread_key_create(&arena.key, thread_ended) == 0;
	anaros_shared = (struct anaros_shared *)(bytes + ANAROS_SHARED_OFFSET);
	anaros_control = control;
}

void anaros_arena_in(uint64_t pid_namespace)
{
	arena.pid_namespace = pid_namespace;
}

void anaros_arena_empty(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
	void *control = (void *)(uintptr_t)anaros_control;

	if (arena.base == NULL)
		return;
	if (arena.has_key)
		pthread_key_delete(arena.key);
	arena.has_key = false;
	/* First the page that says whether to record: all of it is 0 now. */
	sys_mmap(control, ANAROS_PAGE, PROT_READ, flags, -1, 0);
	sys_mmap(arena.base, arena.bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
}

void anaros_arena_where(uint64_t *start, uint64_t *bytes)
{
	*start = (uintptr_t)arena.base;
	*bytes = arena.bytes;
}

void anaros_arena_gone(void)
{
	void *control = (void *)(uintptr_t)anaros_control;

	if (arena.base == NULL)
		return;
	anaros_control = &not_recording;
	anaros_process = &not_attached;
	anaros_shared = NULL;
	sys_munmap(control, ANAROS_PAGE);
	sys_munmap(arena.base, arena.bytes);
	arena.base = NULL;
}

/*
 * Lanes that carry our pid in our namespace were left by the program that
 * called exec: its threads are gone.
 */
void anaros_arena_end_lanes_of(uint32_t pid)
{
	uint32_t used = __atomic_load_n(&anaros_shared->lanes_used, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < used && i < ANAROS_LANES; i++) {
		struct anaros_lane *lane = &arena.lanes[i];

		if (__atomic_load_n(&lane->state, __ATOMIC_ACQUIRE) == ANAROS_LANE_LIVE &&
		    lane->pid == pid && lane->pid_namespace == arena.pid_namespace)
			__atomic_store_n(&lane->state, ANAROS_LANE_ENDED, __ATOMIC_RELEASE);
	}
}

static struct anaros_lane *take_lane(const struct anaros_thread *thread)
{
	for (uint32_t i = 0; i < ANAROS_LANES; i++) {
		struct anaros_lane *lane = &arena.lanes[i];
		uint32_t state = ANAROS_LANE_FREE;
		uint32_t used;

		if (__atomic_load_n(&lane->state, __ATOMIC_RELAXED) != ANAROS_LANE_FREE)
			continue;
		/* Acquire: the drain has read the last owner's counters. */
		if (!__atomic_compare_exchange_n(&lane->state, &state, ANAROS_LANE_CLAIMED, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		lane->pid = thread->pid;
		lane->tid = thread->tid;
		lane->pid_namespace = arena.pid_namespace;
		lane->drops = 0;
		__atomic_store_n(&lane->state, ANAROS_LANE_LIVE, __ATOMIC_RELEASE);
		used = __atomic_load_n(&anaros_shared->lanes_used, __ATOMIC_RELAXED);
		while (used < i + 1 &&
		       !__atomic_compare_exchange_n(&anaros_shared->lanes_used, &used, i + 1, true,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
		return lane;
	}
	return NULL;
}

static void give_chunk_away(struct anaros_thread *thread)
{
	if (thread->chunk != NULL)
		__atomic_store_n(&thread->chunk->sealed, 1, __ATOMIC_RELEASE);
	thread->chunk = NULL;
	thread->cursor = thread->limit = NULL;
}

void anaros_leave_thread(void)
{
	struct anaros_thread *thread = &anaros_thread;

	if (thread->epoch == anaros_process->epoch && anaros_control->recording != 0)
		anaros_questions_over();
	thread->guard |= ANAROS_GUARD_BUSY;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (thread->epoch == anaros_process->epoch) {
		give_chunk_away(thread);
		if (thread->lane != NULL)
			__atomic_store_n(&thread->lane->state, ANAROS_LANE_ENDED, __ATOMIC_RELEASE);
		thread->lane = NULL;
		/* A call in a later destructor attaches anew. */
		thread->epoch = UINT32_MAX;
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->guard &= ~(uint32_t)ANAROS_GUARD_BUSY;
}

/* First recorded call of a thread, or of a thread in a forked child. */
static void join_thread(struct anaros_thread *thread)
{
	/* What the forking thread held in the parent stays the parent's. */
	thread->chunk = NULL;
	thread->cursor = thread->limit = NULL;
	anaros_questions_forget();
	thread->pid = anaros_process->pid;
	thread->tid = (uint32_t)sys_gettid();
	thread->lane = take_lane(thread);
	if (thread->lane != NULL && arena.has_key)
		pthread_setspecific(arena.key, thread);
	thread->epoch = anaros_process->epoch;
}

/*
 * After vfork the child runs on the parent's memory, TLS included, and the
 * parent sleeps. Only the kernel can tell who runs.
 */
static bool is_vfork_child(struct anaros_thread *thread)
{
	if ((uint32_t)sys_gettid() == thread->tid) {
		thread->guard &= ~(uint32_t)ANAROS_GUARD_VFORK;
		return false;
	}
	__atomic_fetch_add(&anaros_shared->vfork_calls, 1, __ATOMIC_RELAXED);
	return true;
}

bool anaros_enter_slow(void)
{
	struct anaros_thread *thread = &anaros_thread;
	int saved = errno;
	bool may = false, fresh;

	if (thread->guard & ANAROS_GUARD_BUSY) {
		/* A handler came while we were in the shim; record_at counts it. */
		return anaros_control->recording != 0 && thread->epoch == anaros_process->epoch;
	}
	if (thread->guard & ANAROS_GUARD_RUNTIME)
		return false;
	if ((thread->guard & ANAROS_GUARD_VFORK) && is_vfork_child(thread))
		return false;
	if (thread->guard & ANAROS_GUARD_REBIND)
		anaros_rebind();
	thread->guard |= ANAROS_GUARD_BUSY;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	fresh = anaros_process->epoch == 0;
	if (fresh)
		anaros_init();
	if (anaros_process->epoch != 0) {
		if (thread->epoch != anaros_process->epoch)
			join_thread(thread);
		may = anaros_control->recording != 0;
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->guard &= ~(uint32_t)ANAROS_GUARD_BUSY;
	if (fresh && may)
		anaros_announce();
	errno = saved;
	return may;
}

/* Makes sure that writing to the chunk cannot raise SIGBUS in the workload. */
static bool populate(uint32_t index)
{
	uint64_t bit = 1ull << (index % 64);
	long result;

	if (__atomic_load_n(&arena.populated[index / 64], __ATOMIC_RELAXED) & bit)
		return true;
	result = sys_madvise(&arena.chunks[index], ANAROS_CHUNK_BYTES, MADV_POPULATE_WRITE);
	if (result == -EINTR || result == -EAGAIN)
		result = sys_madvise(&arena.chunks[index], ANAROS_CHUNK_BYTES, MADV_POPULATE_WRITE);
	/* EINVAL: a kernel before 5.14; the supervisor allocated it all. */
	if (result != 0 && result != -EINVAL)
		return false;
	__atomic_fetch_or(&arena.populated[index / 64], bit, __ATOMIC_RELAXED);
	return true;
}

static void wake_drain(void)
{
	uint32_t waiting = 1;

	if (!__atomic_load_n(&anaros_shared->waiting, __ATOMIC_RELAXED))
		return;
	/* One of the threads wakes it, the others go on. */
	if (__atomic_compare_exchange_n(&anaros_shared->waiting, &waiting, 0, false,
					__ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&anaros_shared->wake, 1, __ATOMIC_RELEASE);
		sys_futex_wake(&anaros_shared->wake, 1);
	}
}

static bool take_chunk(struct anaros_thread *thread)
{
	uint32_t mine = (uint32_t)(thread->lane - arena.lanes) + 1;
	uint32_t in_use;

	in_use = __atomic_fetch_add(&anaros_shared->chunks_in_use, 1, __ATOMIC_RELAXED) + 1;
	if (in_use >= anaros_control->wake_chunks)
		wake_drain();
	/* From the lowest: few pages are ever touched when the load is low. */
	for (uint32_t i = 0; in_use <= arena.chunk_count && i < arena.chunk_count; i++) {
		uint32_t owner = 0;

		if (__atomic_load_n(&arena.owners[i], __ATOMIC_RELAXED) != 0)
			continue;
		/* Acquire: the drain reset the header before it set the word to 0. */
		if (!__atomic_compare_exchange_n(&arena.owners[i], &owner, mine, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		if (!populate(i)) {
			__atomic_store_n(&arena.owners[i], 0, __ATOMIC_RELEASE);
			break;
		}
		thread->chunk = &arena.chunks[i].header;
		thread->chunk->lane = mine - 1;
		thread->chunk->pid = thread->pid;
		thread->cursor = arena.chunks[i].records;
		thread->limit = thread->cursor + ANAROS_CHUNK_RECORDS;
		return true;
	}
	__atomic_fetch_sub(&anaros_shared->chunks_in_use, 1, __ATOMIC_RELAXED);
	return false;
}

bool anaros_more_room(uint32_t records)
{
	struct anaros_thread *thread = &anaros_thread;

	if (thread->cursor != NULL && (size_t)(thread->limit - thread->cursor) >= records)
		return true;
	if (thread->lane == NULL) {
		__atomic_fetch_add(&anaros_shared->drops_no_lane, 1, __ATOMIC_RELAXED);
		return false;
	}
	give_chunk_away(thread);
	if (take_chunk(thread))
		return true;
	/* Atomic store: the drain reads it while we count. */
	__atomic_store_n(&thread->lane->drops, thread->lane->drops + 1, __ATOMIC_RELAXED);
	return false;
}

void anaros_count_drop(void)
{
	struct anaros_lane *lane = anaros_thread.lane;

	if (lane != NULL && anaros_thread.epoch == anaros_process->epoch)
		__atomic_fetch_add(&lane->drops, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&anaros_shared->drops_no_lane, 1, __ATOMIC_RELAXED);
}
