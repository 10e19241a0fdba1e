// SPDX-License-Identifier: Apache-2.0
/*
 * Scheduler: why a thread of the target did not run.
 *
 * sched_waking, not sched_wakeup, tells the waker: the latter often runs on the
 * CPU of the woken thread, where `current` is a bystander. It may fire before
 * the switch that takes the thread off its CPU is traced; but the last one
 * before the thread comes in again is always the one that made it ready, so
 * nothing needs to be cleared when it leaves.
 */
#include "common.bpf.h"

static __always_inline void leave(struct task_struct *prev, struct task_struct *next, u32 state,
				  u64 now)
{
	struct anaros_task *task = anaros_task(prev);

	if (!task)
		return;
	task->off_ns = now;
	task->state = state;
	task->iowait = BPF_CORE_READ_BITFIELD(prev, in_iowait);
	if (!state) {
		task->over_pid = next->tgid;
		task->over_tid = next->pid;
		task->over_foreign = !anaros_task(next);
	}
}

static __always_inline void ship_offcpu(struct task_struct *next, struct anaros_task *task, u64 now)
{
	struct anaros_record *record = anaros_reserve(ANAROS_PROBE_SCHED, ANAROS_KIND_SCHED_OFFCPU);

	if (!record)
		return;
	record->start_ns = task->off_ns;
	record->duration_ns = now - task->off_ns;
	record->pid = next->tgid;
	record->tid = next->pid;
	record->status = task->state;
	record->size_bytes = task->iowait;
	if (task->state && task->waking_ns) {
		record->object = task->waker_tid;
		if (task->waker & ANAROS_WAKER_SOFTIRQ)
			record->flags |= ANAROS_FLAG_ASYNC;
	}
	anaros_submit(record);
}

/*
 * Who ran instead: the thread that held the CPU until now. Where the CPU was
 * idle, the thread that preempted this one on another CPU; else nobody did.
 */
static __always_inline void ship_runqueue(struct task_struct *prev, struct task_struct *next,
					  struct anaros_task *task, u64 ready, u64 now)
{
	struct anaros_record *record;
	u32 foreign = 0;

	if (now - ready < config.runqueue_min_ns) {
		anaros_count(ANAROS_PROBE_SCHED, ANAROS_COUNTER_BELOW_MINIMUM);
		return;
	}
	if (prev->pid) {
		foreign = !anaros_task(prev);
		if (foreign)
			anaros_name_process(ANAROS_PROBE_SCHED, prev, now);
	}
	record = anaros_reserve(ANAROS_PROBE_SCHED, ANAROS_KIND_SCHED_RUNQUEUE);
	if (!record)
		return;
	record->start_ns = ready;
	record->duration_ns = now - ready;
	record->pid = next->tgid;
	record->tid = next->pid;
	record->address = bpf_get_smp_processor_id();
	if (prev->pid) {
		record->object = prev->pid;
		record->size_bytes = prev->tgid;
	} else if (task->off_ns && !task->state) {
		record->object = task->over_tid;
		record->size_bytes = task->over_pid;
		foreign = task->over_foreign;
	}
	if (foreign)
		record->flags |= ANAROS_FLAG_OTHER_TENANT;
	anaros_submit_quietly(record);
}

static __always_inline void ship_wakeup(struct task_struct *next, struct anaros_task *task)
{
	struct anaros_record *record = anaros_reserve(ANAROS_PROBE_SCHED, ANAROS_KIND_SCHED_WAKEUP);

	if (!record)
		return;
	record->start_ns = task->waking_ns;
	record->pid = task->waker_pid;
	record->tid = task->waker_tid;
	record->object = next->pid;
	record->address = bpf_get_smp_processor_id();
	if (task->waker & ANAROS_WAKER_SOFTIRQ)
		record->flags |= ANAROS_FLAG_ASYNC;
	anaros_submit_quietly(record);
}

static __always_inline void enter(struct task_struct *prev, struct task_struct *next, u64 now)
{
	struct anaros_task *task = anaros_task(next);
	u64 ready = 0;

	if (!task)
		return;
	if (task->off_ns && !task->state)
		ready = task->off_ns;
	else if (task->waking_ns)
		ready = task->waking_ns > task->off_ns ? task->waking_ns : task->off_ns;
	if (task->off_ns)
		ship_offcpu(next, task, now);
	if (ready)
		ship_runqueue(prev, next, task, ready, now);
	if (task->waking_ns && (task->state || !task->off_ns) && task->waker & ANAROS_WAKER_TARGET)
		ship_wakeup(next, task);
	task->off_ns = 0;
	task->waking_ns = 0;
}

SEC("tp_btf/sched_switch")
int sched_switch(u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1];
	struct task_struct *next = (void *)ctx[2];
	bool leaves = anaros_marked(prev);
	bool enters = anaros_marked(next);
	u32 state = 0;
	u64 now;

	if (!leaves && !enters)
		return 0;
	now = bpf_ktime_get_ns();
	if (leaves) {
		/* Preempted on its way to sleep, it still is ready. */
		if (!(ctx[0] & 1))
			state = anaros_switch_state(ctx, prev);
		leave(prev, next, state & 0xff, now);
	}
	if (enters)
		enter(prev, next, now);
	return 0;
}

SEC("tp_btf/sched_waking")
int sched_waking(u64 *ctx)
{
	struct task_struct *woken = (void *)ctx[0];
	struct task_struct *waker;
	struct anaros_task *task;
	enum anaros_context context;

	task = anaros_task(woken);
	if (!task)
		return 0;
	task->waking_ns = bpf_ktime_get_ns();
	task->waker = 0;
	task->waker_pid = 0;
	task->waker_tid = 0;
	context = anaros_context(ctx);
	if (context == ANAROS_CONTEXT_INTERRUPT)
		return 0; /* whoever was interrupted has nothing to do with it */
	waker = bpf_get_current_task_btf();
	if (anaros_task(waker))
		task->waker = ANAROS_WAKER_TARGET;
	else if (context == ANAROS_CONTEXT_SOFTIRQ)
		return 0;
	if (context == ANAROS_CONTEXT_SOFTIRQ)
		task->waker |= ANAROS_WAKER_SOFTIRQ;
	task->waker_pid = waker->tgid;
	task->waker_tid = waker->pid;
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int sched_migrate(u64 *ctx)
{
	struct task_struct *moved = (void *)ctx[0];
	struct anaros_record *record;

	if (!anaros_task(moved))
		return 0;
	record = anaros_reserve(ANAROS_PROBE_SCHED, ANAROS_KIND_SCHED_MIGRATE);
	if (!record)
		return 0;
	record->start_ns = bpf_ktime_get_ns();
	record->pid = moved->tgid;
	record->tid = moved->pid;
	record->object = anaros_task_cpu(moved);
	record->address = (u32)ctx[1];
	anaros_submit(record);
	return 0;
}
