/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that sleep when the probes come to a process that runs already: no
 * switch tells that they left their CPU, so the sleep is told from then on.
 */
#ifndef ANAROS_EBPF_ASLEEP_H
#define ANAROS_EBPF_ASLEEP_H

#include "common.bpf.h"

/* The state with which it left; 0 = it runs, or is ready to. */
static __always_inline u32 anaros_asleep(const struct task_struct *task)
{
	const struct task_struct *looked = anaros_look(task);

	if (bpf_core_field_exists(looked->on_cpu) && ANAROS_READ_ONCE(looked->on_cpu))
		return 0;
	if (bpf_core_field_exists(looked->__state))
		return ANAROS_READ_ONCE(looked->__state) & 0xff;
	return ANAROS_READ_ONCE(looked->state) & 0xff;
}

/* From an iterator; the thread may wake meanwhile, and then is as if nobody had looked. */
static __always_inline void anaros_begin_sleep(struct task_struct *task)
{
	u64 now = bpf_ktime_get_ns();
	struct anaros_task *kept;
	u32 state;

	if (!task)
		return;
	kept = anaros_task(task);
	state = anaros_asleep(task);
	if (!kept || !state || kept->off_ns || kept->waking_ns || kept->waker)
		return;
	kept->state = state;
	kept->iowait = BPF_CORE_READ_BITFIELD(task, in_iowait);
	kept->throttled = false;
	kept->cause = anaros_cause(task, &kept->argument);
	__sync_val_compare_and_swap(&kept->off_ns, 0, now);
	if (!anaros_asleep(task))
		__sync_val_compare_and_swap(&kept->off_ns, now, 0);
}

#endif
