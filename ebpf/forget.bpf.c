// SPDX-License-Identifier: Apache-2.0
/*
 * What a probe that is given up for a while leaves with each thread: what was
 * under way then is not any more when it comes back, and a duration over that
 * time would be wrong. Run over all tasks when the scheduler's probe has gone,
 * and again before it comes back; nobody writes there meanwhile but
 * process_fork. The other probes that keep something with threads do the same.
 */
#include "common.bpf.h"

SEC("iter/task")
int forget_sched(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct anaros_task *state;

	if (!task)
		return 0;
	state = anaros_task(task);
	if (!state)
		return 0;
	state->off_ns = 0;
	state->waking_ns = 0;
	state->moved_ns = 0;
	state->waker = 0;
	state->throttled = 0;
	return 0;
}
