// SPDX-License-Identifier: Apache-2.0
/*
 * Scheduler: why a thread of the target did not run.
 */
#include "common.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the loader sets the size */
	__type(key, u32);
	__type(value, struct anaros_switch);
} switches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct anaros_switch_ends);
} switch_ends SEC(".maps");

static __always_inline void *anaros_ring_nothing(void)
{
	return bpf_ringbuf_reserve(&ring, 8, 0);
}

static __always_inline u32 anaros_iowait(const struct task_struct *task)
{
	return BPF_CORE_READ_BITFIELD(task, in_iowait);
}

/* Preempted on its way to sleep, it still is ready. */
static __always_inline u32 anaros_left_with(anaros_event ctx, const struct task_struct *prev)
{
	u32 state = 0;

	if (!(ctx[0] & 1))
		state = anaros_switch_state(ctx, prev);
	return state & 0xff;
}

#include "handlers/sched.h"

SEC("tp_btf/sched_switch")
int sched_switch(u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1];
	struct task_struct *next = (void *)ctx[2];
	struct anaros_task *left = NULL, *came = NULL;
	bool leaves = anaros_marked(prev);
	bool enters = anaros_marked(next);
	u64 now;

	if (!leaves && !enters)
		return 0;
	now = bpf_ktime_get_ns();
	if (leaves)
		left = anaros_kept(prev);
	if (enters)
		came = anaros_kept(next);
	anaros_on_switch(ctx, prev, left, next, came, now);
	return 0;
}

SEC("tp_btf/sched_waking")
int sched_waking(u64 *ctx)
{
	struct anaros_task *task = anaros_task((void *)ctx[0]);

	if (task)
		anaros_on_waking(ctx, task);
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int sched_migrate(u64 *ctx)
{
	struct task_struct *moved = (void *)ctx[0];
	struct anaros_task *task = anaros_task(moved);

	if (task)
		anaros_on_migrate(task, anaros_task_cpu(moved), ctx[1]);
	return 0;
}
