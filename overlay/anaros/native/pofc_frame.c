// SPDX-License-Identifier: Apache-2.0
/* The calls thread by thread: two passes over all records. */
#define _GNU_SOURCE
#include <stdbool.h>

#include "pofc.h"
#include "pofc_map.h"
#include "pofc_time.h"

struct thread {
	uint32_t pid;
	uint32_t tid;
	uint32_t calls;
	uint32_t early; /* those in the first half of the records */
	bool asked;     /* of a process that was asked for */
	int32_t place;  /* among those that were asked for */
	int32_t first;  /* where its calls begin */
};

struct pofc_scan {
	struct map map;
	struct thread *threads; /* as the map numbers them */
	uint32_t *order;        /* those that were asked for, by tid, then pid */
	int32_t *next[2];       /* where the next call of each goes, in either half */
	uint32_t room;
	uint32_t kept;
	uint64_t calls;
};

static bool contains(const uint32_t *sorted, uint64_t count, uint32_t value)
{
	uint64_t low = 0, high = count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (sorted[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && sorted[low] == value;
}

static int64_t thread_number(struct pofc_scan *scan, uint32_t pid, uint32_t tid)
{
	uint32_t before = scan->map.used;
	int64_t number = map_number(&scan->map, (uint64_t)pid << 32 | tid);

	if (number < 0 || scan->map.used == before)
		return number;
	if (scan->map.used > scan->room) {
		uint32_t room = scan->room * 2;
		struct thread *larger = realloc(scan->threads, room * sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		scan->threads = larger;
		scan->room = room;
	}
	scan->threads[number] = (struct thread){.pid = pid, .tid = tid};
	return number;
}

static int number_threads(struct pofc_scan *scan, const struct pofc_columns *columns,
			  const uint8_t *roles, int32_t *call)
{
	for (uint64_t i = 0; i < columns->count; i++) {
		uint32_t pid = columns->pid[i], tid = columns->tid[i];
		int64_t number = -1;

		if (i == columns->count / 2)
			for (uint32_t each = 0; each < scan->map.used; each++)
				scan->threads[each].early = scan->threads[each].calls;
		if (roles[i] >= POFC_ROLE_OFFCPU) {
			number = map_find(&scan->map, (uint64_t)pid << 32 | tid);
		} else if (roles[i] != POFC_ROLE_NONE) {
			number = thread_number(scan, pid, tid);
			if (number < 0)
				return -ENOMEM;
			scan->threads[number].calls++;
		}
		call[i] = (int32_t)number;
	}
	return 0;
}

struct pofc_scan *anaros_pofc_scan(const struct pofc_columns *columns, const uint8_t *roles,
				   int32_t *call)
{
	struct pofc_scan *scan = calloc(1, sizeof(*scan));

	if (scan == NULL)
		return NULL;
	scan->room = 64;
	scan->threads = malloc(scan->room * sizeof(*scan->threads));
	if (columns->count > INT32_MAX || scan->threads == NULL || map_init(&scan->map) < 0 ||
	    number_threads(scan, columns, roles, call) < 0) {
		anaros_pofc_scan_free(scan);
		return NULL;
	}
	return scan;
}

void anaros_pofc_scan_free(struct pofc_scan *scan)
{
	if (scan == NULL)
		return;
	map_free(&scan->map);
	free(scan->threads);
	free(scan->order);
	free(scan->next[0]);
	free(scan->next[1]);
	free(scan);
}

static int by_thread(const void *one, const void *other, void *context)
{
	const struct thread *threads = context;
	const struct thread *a = &threads[*(const uint32_t *)one];
	const struct thread *b = &threads[*(const uint32_t *)other];

	if (a->tid != b->tid)
		return a->tid < b->tid ? -1 : 1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

int64_t anaros_pofc_choose(struct pofc_scan *scan, const uint32_t *pids, uint64_t count,
			   uint64_t *threads)
{
	uint64_t room = scan->map.used + 1ull;

	scan->order = malloc(room * sizeof(*scan->order));
	scan->next[0] = malloc(room * sizeof(*scan->next[0]));
	scan->next[1] = malloc(room * sizeof(*scan->next[1]));
	if (scan->order == NULL || scan->next[0] == NULL || scan->next[1] == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < scan->map.used; i++) {
		scan->threads[i].asked = contains(pids, count, scan->threads[i].pid);
		if (scan->threads[i].asked)
			scan->order[scan->kept++] = i;
	}
	qsort_r(scan->order, scan->kept, sizeof(*scan->order), by_thread, scan->threads);
	for (uint32_t i = 0; i < scan->kept; i++) {
		struct thread *thread = &scan->threads[scan->order[i]];

		thread->place = (int32_t)i;
		thread->first = (int32_t)scan->calls;
		scan->next[0][scan->order[i]] = thread->first;
		scan->next[1][scan->order[i]] = thread->first + (int32_t)thread->early;
		scan->calls += thread->calls;
	}
	*threads = scan->kept;
	return (int64_t)scan->calls;
}

/* Where each thread begins, and its name. */
static void name_threads(const struct pofc_scan *scan, struct pofc_calls *calls)
{
	for (uint32_t i = 0; i < scan->kept; i++) {
		const struct thread *thread = &scan->threads[scan->order[i]];

		calls->first[i] = thread->first;
		calls->pid[i] = thread->pid;
		calls->tid[i] = thread->tid;
	}
	calls->first[scan->kept] = (int64_t)scan->calls;
}

void anaros_pofc_fill(struct pofc_scan *scan, int half, const struct pofc_columns *columns,
		      const uint8_t *roles, int32_t *call, struct pofc_calls *calls)
{
	uint64_t middle = columns->count / 2;
	uint64_t end = half ? columns->count : middle;
	int32_t *next = scan->next[half];

	if (half == 0)
		name_threads(scan, calls);
	for (uint64_t i = half ? middle : 0; i < end; i++) {
		const struct thread *thread;
		int32_t number = call[i], at;

		if (number < 0)
			continue;
		thread = &scan->threads[number];
		if (!thread->asked) {
			call[i] = -1;
			continue;
		}
		if (roles[i] >= POFC_ROLE_OFFCPU) {
			/* Its thread has a number, so it has made a call before. */
			call[i] = next[number] - 1;
			continue;
		}
		at = next[number]++;
		call[i] = at;
		calls->position[at] = (int32_t)i;
		calls->role[at] = roles[i];
		calls->kind[at] = columns->kind[i];
		calls->thread[at] = thread->place;
		calls->start_ns[at] = pofc_time(columns->start_ns[i]);
		calls->end_ns[at] = calls->start_ns[at] + pofc_time(columns->duration_ns[i]);
	}
}
