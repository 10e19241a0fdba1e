// SPDX-License-Identifier: Apache-2.0
/*
 * Processes: the tree of the target, followed through fork, exec and exit.
 *
 * Membership is the task storage of common.bpf.h. The hash of tgids beside it
 * makes the end of a process exact: whichever thread removes the entry reports it.
 */
#include "usage.bpf.h"

#define ANCESTORS_MAX 32

static __always_inline void add_process(u32 pid)
{
	u8 one = 1;

	if (bpf_map_update_elem(&tree, &pid, &one, BPF_ANY))
		anaros_count(ANAROS_PROBE_PROCESS, ANAROS_COUNTER_UNTRACKED);
}

static __always_inline struct anaros_task *add_task(struct task_struct *task)
{
	struct anaros_task *state =
	    bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!state)
		anaros_count(ANAROS_PROBE_PROCESS, ANAROS_COUNTER_UNTRACKED);
	return state;
}

/*
 * Run twice at the start. The loader has marked the target's leader through its
 * pidfd, which names it in whatever pid namespace the loader lives. The first
 * run enters that process in the tree, the second finds all who descend from it
 * (an older process may have the higher pid).
 */
SEC("iter/task")
int seed_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	const struct task_struct *ancestor;
	u32 pid;
	int i;

	if (!task)
		return 0;
	if (anaros_task(task)) {
		add_process(task->tgid);
		return 0;
	}
	ancestor = anaros_look(task);
	for (i = 0; i < ANCESTORS_MAX; i++) {
		pid = ancestor->tgid;
		if (bpf_map_lookup_elem(&tree, &pid)) {
			if (add_task(task))
				add_process(task->tgid);
			return 0;
		}
		if (pid <= 1)
			return 0;
		ancestor = ancestor->group_leader->real_parent;
	}
	return 0;
}

SEC("tp_btf/sched_process_fork")
int process_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0];
	struct task_struct *child = (void *)ctx[1];
	struct anaros_record *record;
	struct anaros_task *task;
	u64 now;

	if (!anaros_task(parent))
		return 0;
	now = bpf_ktime_get_ns();
	task = add_task(child);
	if (task) {
		/* No wake-up event follows for a thread that is new. */
		task->waking_ns = now;
		task->waker = ANAROS_WAKER_TARGET | ANAROS_WAKER_FRESH;
		task->waker_pid = parent->tgid;
		task->waker_tid = parent->pid;
	}
	if (child->tgid == parent->tgid)
		return 0;
	add_process(child->tgid);
	record = anaros_reserve(ANAROS_PROBE_PROCESS, ANAROS_KIND_PROC_FORK);
	if (!record)
		return 0;
	record->start_ns = now;
	record->pid = parent->tgid;
	record->tid = parent->pid;
	record->object = child->tgid;
	anaros_submit(record);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int process_exec(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	const struct linux_binprm *program = (void *)ctx[2];
	struct anaros_record *record;
	struct anaros_text *name;
	long length;
	u64 now;

	if (!anaros_task(task))
		return 0;
	now = bpf_ktime_get_ns();
	name = anaros_name(ANAROS_PROBE_PROCESS);
	if (name) {
		length = bpf_probe_read_kernel_str(name->text, ANAROS_TEXT_MAX, program->filename);
		if (length > 1)
			anaros_ship_name(ANAROS_PROBE_PROCESS, name, now, task->tgid,
					 ANAROS_NAME_PROGRAM, task->tgid, length - 1);
	}
	anaros_tell_io(task, now, ANAROS_USAGE_AT_EXEC);
	anaros_tell_cpu(task, now, ANAROS_USAGE_AT_EXEC);
	record = anaros_reserve(ANAROS_PROBE_PROCESS, ANAROS_KIND_PROC_EXEC);
	if (!record)
		return 0;
	record->start_ns = now;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->address = task->tgid;
	anaros_submit(record);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int process_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	const struct signal_struct *process = anaros_look(task)->signal;
	struct anaros_record *record;
	u32 pid = task->tgid;
	u64 now;

	if (!anaros_task(task))
		return 0;
	now = bpf_ktime_get_ns();
	anaros_tell_io(task, now, ANAROS_USAGE_AT_END);
	anaros_tell_cpu(task, now, ANAROS_USAGE_AT_END);
	if (process->live.counter > 0)
		return 0;
	if (bpf_map_delete_elem(&tree, &pid))
		return 0; /* its last two threads end at once, and the other was first */
	record = anaros_reserve(ANAROS_PROBE_PROCESS, ANAROS_KIND_PROC_EXIT);
	if (!record)
		return 0;
	record->start_ns = now;
	record->pid = pid;
	record->tid = task->pid;
	/* What wait() will say, by the rule of wait_task_zombie(). */
	if (process->flags & SIGNAL_GROUP_EXIT)
		record->status = process->group_exit_code;
	else
		record->status = anaros_look(task)->group_leader->exit_code;
	anaros_submit(record);
	return 0;
}
