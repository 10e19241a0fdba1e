// SPDX-License-Identifier: Apache-2.0
/*
 * Processes: the tree of the target, followed through fork, exec and exit.
 * Membership is the task storage of common.bpf.h.
 */
#include "bare.bpf.h"
#include "usage.bpf.h"

#include <anaros/number.h>

#define ANCESTORS_MAX      32
#define PID_NAMESPACES_MAX 32 /* one in another; so has the kernel */

static __always_inline long anaros_program(anaros_event ctx, char *text, u32 size)
{
	const struct linux_binprm *program = (void *)ctx[2];

	return bpf_probe_read_kernel_str(text, size, program->filename);
}

static __always_inline void anaros_tell_at(struct task_struct *task, u64 now, s32 when)
{
	anaros_tell_io(task, now, when);
	anaros_tell_cpu(task, now, when);
}

static __always_inline bool anaros_is_last(const struct task_struct *task)
{
	const struct signal_struct *process = anaros_look(task)->signal;

	return process->live.counter <= 0;
}

/* What wait() will say, by the rule of wait_task_zombie(). */
static __always_inline s32 anaros_wait_status(const struct task_struct *task)
{
	const struct signal_struct *process = anaros_look(task)->signal;

	if (process->flags & SIGNAL_GROUP_EXIT)
		return process->group_exit_code;
	return anaros_look(task)->group_leader->exit_code;
}

#include "handlers/process.h"

/*
 * Threads in other pid namespaces: the shim knows only the numbers that they
 * have there. Nobody takes an entry out; the oldest give way.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct anaros_number);
	__type(value, struct anaros_numbered);
} numbers SEC(".maps");

static __always_inline void anaros_note_number(const struct task_struct *task, u64 since_ns)
{
	const struct pid *pid = anaros_look(task)->thread_pid;
	struct anaros_numbered numbered = {};
	struct anaros_number number = {};
	const struct pid_namespace *space;
	const struct upid *innermost;
	u32 level;

	if (!pid)
		return;
	level = pid->level;
	barrier_var(level);
	if (level == 0 || level > PID_NAMESPACES_MAX)
		return;
	innermost = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
		    level * bpf_core_type_size(struct upid);
	space = BPF_CORE_READ(innermost, ns);
	number.pid_namespace = BPF_CORE_READ(space, ns.inum);
	number.tid = BPF_CORE_READ(innermost, nr);
	numbered.pid = anaros_pid(task);
	numbered.tid = anaros_tid(task);
	numbered.since_ns = since_ns;
	bpf_map_update_elem(&numbers, &number, &numbered, BPF_ANY);
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
		add_task(task); /* the loader's mark has no place yet */
		add_process(task->tgid);
		anaros_note_number(task, 0);
		return 0;
	}
	ancestor = anaros_look(task);
	for (i = 0; i < ANCESTORS_MAX; i++) {
		pid = ancestor->tgid;
		if (bpf_map_lookup_elem(&tree, &pid)) {
			if (add_task(task)) {
				add_process(task->tgid);
				anaros_note_number(task, 0);
			}
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
	struct task_struct *child = (void *)ctx[1];

	anaros_on_fork((void *)ctx[0], child);
	if (anaros_task(child))
		anaros_note_number(child, bpf_ktime_get_ns());
	anaros_inherit_bare((void *)ctx[0], child);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int process_exec(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	u32 tid = task->pid, old_tid = ctx[1];

	if (!anaros_task(task))
		return 0;
	if (old_tid != tid) { /* it took its leader's */
		anaros_unfollow(old_tid);
		anaros_follow(task);
	}
	anaros_on_exec(ctx, task);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int process_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	if (!anaros_task(task))
		return 0;
	anaros_on_exit(task);
	anaros_unfollow(task->pid);
	return 0;
}
