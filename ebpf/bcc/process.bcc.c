// SPDX-License-Identifier: Apache-2.0
/* Processes. */

/* A word between the loader and sched_process_wait. */
struct anaros_asked {
	u32 asker;   /* thread of the loader, by its own number */
	u32 process; /* to follow it as one of its threads; 0: only the number is asked for */
	u32 number;  /* the answer: its first number */
	u32 answers;
};

BPF_TABLE("array", u32, struct anaros_asked, asked, 1);

#ifdef ANAROS_HAS_GROUP_DEAD
static __always_inline void begin_thread(anaros_thread thread)
{
}

static __always_inline bool anaros_is_last(anaros_thread thread)
{
	return thread.last;
}
#else
BPF_TABLE("hash", u32, u64, threads, 16384); /* of a process, by its pid */

static __always_inline void begin_thread(anaros_thread thread)
{
	u32 pid = thread.pid;
	u64 *count = threads.lookup(&pid), one = 1;

	if (count && thread.tid != pid)
		__sync_fetch_and_add(count, 1);
	else
		threads.update(&pid, &one);
}

/* Of two that end at once both may see that none is left; the tree tells the first. */
static __always_inline bool anaros_is_last(anaros_thread thread)
{
	u32 pid = thread.pid;
	u64 *count = threads.lookup(&pid);

	if (!count)
		return true;
	__sync_fetch_and_add(count, -1);
	if ((s64)ANAROS_READ_ONCE(*count) > 0)
		return false;
	threads.delete(&pid);
	return true;
}
#endif

static __always_inline struct anaros_task *anaros_follow(anaros_thread thread)
{
	struct anaros_followed fresh = {.pid = thread.pid};
	u32 tid = thread.tid;

	if (put_tasks(&tid, &fresh))
		return NULL;
	begin_thread(thread);
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
	u32 tid = child.tid;

	if (!anaros_task(parent)) {
		drop_tasks(&tid); /* nobody saw the last switch of an earlier thread with its id */
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
	struct anaros_followed *followed = find_tasks(&tid);

	if (!followed)
		return 0;
	followed->ended = 1;
#ifdef ANAROS_HAS_GROUP_DEAD
	thread.last = args->group_dead;
#endif
	anaros_on_exit(thread);
	return 0;
}

/*
 * All other events have the numbers of the first pid namespace, which the loader
 * may not see. A wait for a thread tells its first number, also where it was no
 * child: the loader waits, without waiting, for each thread that is to be followed.
 */
TRACEPOINT_PROBE(sched, sched_process_wait)
{
	struct {
		u32 tid;
		u32 pid;
	} mine = {};
	anaros_thread thread = {.tid = args->pid};
	u32 zero = 0;
	struct anaros_asked *word = asked.lookup(&zero);

	if (!word || !word->asker ||
	    bpf_get_ns_current_pid_tgid(ANAROS_PIDS_DEVICE, ANAROS_PIDS_INODE, (void *)&mine,
					sizeof(mine)) ||
	    mine.tid != word->asker)
		return 0;
	thread.pid = word->process;
	if (thread.pid && thread.tid && !anaros_task(thread) && add_task(thread))
		add_process(thread.pid);
	word->number = thread.tid;
	word->answers++;
	return 0;
}
