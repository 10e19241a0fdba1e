// SPDX-License-Identifier: Apache-2.0
/*
 * The numbers of threads in other pid namespaces, made those of the root one:
 * the kernel plane's records have these, and so have those of the other
 * programs of the run. Without a kernel plane they stay as the shim gave them.
 */
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "anaros/number.h"
#include "segment.h"

/* The inode of the root pid namespace, the same on every Linux. */
#define ROOT_NAMESPACE 0xeffffffcu

/* What was found out about the thread of a lane; root_tid 0: nothing yet. */
struct numbered_lane {
	uint32_t tid;
	uint32_t root_pid;
	uint32_t root_tid;
};

static bool look_up(const struct arena *arena, uint32_t lane, uint32_t tid, uint64_t at_ns,
		    struct anaros_numbered *found)
{
	struct anaros_number key = {(uint32_t)arena->lanes[lane].pid_namespace, tid};
	union bpf_attr call;

	memset(&call, 0, sizeof(call));
	call.map_fd = (uint32_t)arena->numbers_fd;
	call.key = (uintptr_t)&key;
	call.value = (uintptr_t)found;
	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &call, sizeof(call)) == 0 &&
	       found->since_ns <= at_ns;
}

/* The thread of a lane is asked for once: its entry may give way to others. */
static bool find(struct arena *arena, uint32_t lane, uint32_t tid, uint64_t at_ns,
		 struct anaros_numbered *found)
{
	struct numbered_lane *known = arena->numbered != NULL ? &arena->numbered[lane] : NULL;

	if (known != NULL && known->root_tid != 0 && known->tid == tid) {
		found->pid = known->root_pid;
		found->tid = known->root_tid;
		return true;
	}
	if (!look_up(arena, lane, tid, at_ns, found))
		return false;
	if (known != NULL && tid == arena->lanes[lane].tid)
		*known = (struct numbered_lane){tid, found->pid, found->tid};
	return true;
}

/* Whether what a lane's thread records has numbers of another namespace. */
bool anaros_numbers_lie(const struct arena *arena, uint32_t lane)
{
	uint64_t space;

	if (arena->numbers_fd < 0 || lane >= ANAROS_LANES)
		return false;
	space = arena->lanes[lane].pid_namespace;
	return space != 0 && space != ROOT_NAMESPACE;
}

/* Rows that are not published yet. */
void anaros_numbers_rows(struct arena *arena, uint32_t lane, const struct segment *segment,
			 uint64_t at, uint32_t count)
{
	const uint64_t *start_ns = (const uint64_t *)segment->columns[0] + at;
	uint32_t *pid = (uint32_t *)segment->columns[2] + at;
	uint32_t *tid = (uint32_t *)segment->columns[3] + at;
	struct anaros_numbered found = {0};
	uint32_t last = 0;

	if (arena->numbered == NULL)
		arena->numbered = calloc(ANAROS_LANES, sizeof(*arena->numbered));
	for (uint32_t i = 0; i < count; i++) {
		if (tid[i] != last) {
			last = find(arena, lane, tid[i], start_ns[i], &found) ? tid[i] : 0;
			if (last == 0)
				continue;
		}
		pid[i] = found.pid;
		tid[i] = found.tid;
	}
}

void anaros_numbers_name(struct arena *arena, uint32_t lane, struct anaros_record *record)
{
	struct anaros_numbered found;

	if (!find(arena, lane, record->tid, record->start_ns, &found))
		return;
	if (record->status == ANAROS_NAME_PROGRAM)
		record->object = found.pid;
	record->pid = found.pid;
	record->tid = found.tid;
}

/* The lane goes to another thread. */
void anaros_numbers_forget(struct arena *arena, uint32_t lane)
{
	if (arena->numbered != NULL)
		arena->numbered[lane].root_tid = 0;
}
