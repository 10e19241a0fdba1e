// SPDX-License-Identifier: Apache-2.0
/* Processes. */

BPF_TABLE("hash", u32, u64, threads, 16384); /* of a process, by its pid */

static __always_inline u64 *find_threads(u32 *key)
{
	return threads.lookup(key);
}

static __always_inline int put_threads(u32 *key, u64 *value)
{
	return threads.update(key, value);
}

static __always_inline int drop_threads(u32 *key)
{
	return threads.delete(key);
}

static __always_inline struct anaros_task *anaros_follow(anaros_thread thread)
{
	struct anaros_followed fresh = {.pid = thread.pid};
	u32 tid = thread.tid, pid = thread.pid;
	u64 *count, one = 1;

	if (put_tasks(&tid, &fresh))
		return NULL;
	count = find_threads(&pid);
	if (count && tid != pid)
		__sync_fetch_and_add(count, 1);
	else
		put_threads(&pid, &one);
	return (struct anaros_task *)find_tasks(&tid);
}

/* Where it lies in the event: the low half of the word says. */
static __always_inline long anaros_program(anaros_event path, char *text, u32 size)
{
	return bpf_probe_read_kernel_str(text, size, (void *)path);
}

static __always_inline void anaros_tell_at(anaros_thread thread, u64 now, s32 when)
{
}

/* Of two that end at once both may see that none is left; the tree tells the first. */
static __always_inline bool anaros_is_last(anaros_thread thread)
{
	u32 pid = thread.pid;
	u64 *count = find_threads(&pid);

	if (!count)
		return true;
	__sync_fetch_and_add(count, -1);
	if ((s64)ANAROS_READ_ONCE(*count) > 0)
		return false;
	drop_threads(&pid);
	return true;
}

static __always_inline s32 anaros_wait_status(anaros_thread thread)
{
	return ANAROS_STATUS_UNKNOWN;
}

#include "handlers/process.h"

/* Not sched_process_fork: that does not tell a thread from a process. */
TRACEPOINT_PROBE(task, task_newtask)
{
	anaros_thread parent = anaros_current();
	anaros_thread child = {.tid = args->pid, .pid = args->pid};

	if (parent.pid == ANAROS_KTHREADD) {
		u32 tid = child.tid;
		u8 one = 1;

		put_kernels(&tid, &one);
		return 0;
	}
	if (args->clone_flags & ANAROS_CLONE_THREAD)
		child.pid = parent.pid;
	anaros_on_fork(parent, child);
	return 0;
}

/* Whichever thread executes a program takes the id of its leader, which is gone. */
TRACEPOINT_PROBE(sched, sched_process_exec)
{
	anaros_thread thread = anaros_current();
	u32 old = args->old_pid, tid = args->pid;
	struct anaros_followed *followed = find_tasks(&old);

	if (followed && old != tid) {
		struct anaros_followed same = *followed;

		put_tasks(&tid, &same);
		drop_tasks(&old);
	}
	if (anaros_task(thread))
		anaros_on_exec((u64)args + (args->data_loc_filename & 0xffff), thread);
	return 0;
}

TRACEPOINT_PROBE(sched, sched_process_exit)
{
	anaros_thread thread = anaros_current();
	u32 tid = thread.tid;

	if (anaros_task(thread))
		anaros_on_exit(thread);
	else
		drop_kernels(&tid);
	return 0;
}
