/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes: the tree of the target, followed through fork, exec and exit.
 *
 * Whether a thread is the target's is told by the front. The hash of tgids
 * beside it makes the end of a process exact: whichever thread removes the entry
 * reports it.
 *
 * The front has, beside what shared.h asks for: anaros_follow(thread), which
 * begins to keep something of it; anaros_program(event, text, size), the path
 * that is executed; anaros_tell_at(thread, now, when), what the thread moved and
 * ran; and of a thread that ends anaros_is_last() and anaros_wait_status().
 */
#ifndef ANAROS_EBPF_HANDLERS_PROCESS_H
#define ANAROS_EBPF_HANDLERS_PROCESS_H

#include "shared.h"

static __always_inline void add_process(u32 pid)
{
	u8 member = ANAROS_MEMBER;

	if (anaros_put(tree, &pid, &member))
		anaros_count(ANAROS_PROBE_PROCESS, ANAROS_COUNTER_UNTRACKED);
}

static __always_inline struct anaros_task *add_task(anaros_thread thread)
{
	struct anaros_task *state = anaros_follow(thread);

	if (!state)
		anaros_count(ANAROS_PROBE_PROCESS, ANAROS_COUNTER_UNTRACKED);
	return state;
}

static __always_inline void anaros_on_fork(anaros_thread parent, anaros_thread child)
{
	struct anaros_record *record;
	struct anaros_task *task;
	u64 now;

	if (!anaros_task(parent))
		return;
	now = bpf_ktime_get_ns();
	task = add_task(child);
	if (task) {
		/* No wake-up event follows for a thread that is new. */
		task->waking_ns = now;
		task->waker = ANAROS_WAKER_TARGET | ANAROS_WAKER_FRESH;
		task->waker_pid = anaros_pid(parent);
		task->waker_tid = anaros_tid(parent);
	}
	if (anaros_pid(child) == anaros_pid(parent))
		return;
	add_process(anaros_pid(child));
	record = anaros_reserve(ANAROS_PROBE_PROCESS, ANAROS_KIND_PROC_FORK);
	if (!record)
		return;
	record->start_ns = now;
	record->pid = anaros_pid(parent);
	record->tid = anaros_tid(parent);
	record->object = anaros_pid(child);
	anaros_submit(record);
}

/* Of a thread of the target. */
static __always_inline void anaros_on_exec(anaros_event event, anaros_thread thread)
{
	struct anaros_record *record;
	struct anaros_text *name;
	long length;
	u64 now;

	now = bpf_ktime_get_ns();
	name = anaros_name(ANAROS_PROBE_PROCESS);
	if (name) {
		length = anaros_program(event, name->text, ANAROS_TEXT_MAX);
		if (length > 1)
			anaros_ship_name(ANAROS_PROBE_PROCESS, name, now, anaros_pid(thread),
					 ANAROS_NAME_PROGRAM, anaros_pid(thread), length - 1);
	}
	anaros_tell_at(thread, now, ANAROS_USAGE_AT_EXEC);
	record = anaros_reserve(ANAROS_PROBE_PROCESS, ANAROS_KIND_PROC_EXEC);
	if (!record)
		return;
	record->start_ns = now;
	record->pid = anaros_pid(thread);
	record->tid = anaros_tid(thread);
	record->address = anaros_pid(thread);
	anaros_submit(record);
}

/* Of a thread of the target. */
static __always_inline void anaros_on_exit(anaros_thread thread)
{
	struct anaros_record *record;
	u32 pid = anaros_pid(thread);
	u64 now;

	now = bpf_ktime_get_ns();
	anaros_tell_at(thread, now, ANAROS_USAGE_AT_END);
	if (!anaros_is_last(thread))
		return;
	if (anaros_drop(tree, &pid))
		return; /* its last two threads end at once, and the other was first */
	record = anaros_reserve(ANAROS_PROBE_PROCESS, ANAROS_KIND_PROC_EXIT);
	if (!record)
		return;
	record->start_ns = now;
	record->pid = pid;
	record->tid = anaros_tid(thread);
	record->status = anaros_wait_status(thread);
	anaros_submit(record);
}

#endif
