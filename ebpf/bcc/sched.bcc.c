// SPDX-License-Identifier: Apache-2.0
/* Scheduler. */

BPF_F_TABLE("array", u32, struct anaros_switch, switches, ANAROS_CPUS *ANAROS_SWITCH_SLOTS,
	    BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, struct anaros_switch_ends, switch_ends, ANAROS_CPUS, BPF_F_MMAPABLE);

static __always_inline struct anaros_switch *find_switches(u32 *key)
{
	return switches.lookup(key);
}

static __always_inline struct anaros_switch_ends *find_switch_ends(u32 *key)
{
	return switch_ends.lookup(key);
}

static __always_inline void *anaros_ring_nothing(void)
{
	return ring.ringbuf_reserve(sizeof(u64));
}

/* The tracepoint has bits of its own for a thread that was preempted. */
static __always_inline u32 anaros_left_with(anaros_event state, anaros_thread prev)
{
	return state & ANAROS_STATE_IDLE ? ANAROS_UNINTERRUPTIBLE : state & 0x7f;
}

static __always_inline u32 anaros_iowait(anaros_thread thread)
{
	return 0;
}

static __always_inline u32 anaros_throttled(anaros_thread thread)
{
	return 0;
}

static __always_inline u32 anaros_cause(anaros_thread thread, u64 *argument)
{
	*argument = 0;
	return ANAROS_CAUSE_UNKNOWN;
}

#include "handlers/sched.h"

/* Of a thread that somebody else's took the CPU from: whose, that is known when he leaves it. */
static __always_inline void tell_who(struct anaros_cpu *cpu, anaros_thread prev)
{
	anaros_thread victim = {.tid = cpu->victim_tid};
	struct anaros_task *task;

	if (!victim.tid)
		return;
	task = anaros_task(victim);
	if (cpu->over_tid == prev.tid && task && task->over_tid == prev.tid)
		task->over_pid = prev.pid;
	cpu->victim_tid = 0;
}

TRACEPOINT_PROBE(sched, sched_switch)
{
	anaros_thread prev = {.tid = args->prev_pid};
	anaros_thread next = {.tid = args->next_pid};
	struct anaros_task *left = anaros_task(prev);
	struct anaros_task *came = anaros_task(next);
	struct anaros_cpu *cpu = this_cpu();
	u32 tid = args->prev_pid;
	long state = args->prev_state;
	bool leaves = left;

	barrier_var(leaves);                   /* the verifier forbids to merge two pointers */
	if (cpu && (cpu->hard || cpu->soft)) { /* an end that nobody saw: no interrupt switches */
		cpu->hard = 0;
		cpu->soft = 0;
	}
	if (!cpu || (!leaves && !came && !cpu->victim_tid))
		return 0;
	prev.pid = anaros_current().pid;
	if (came)
		next.pid = ((struct anaros_followed *)came)->pid;
	tell_who(cpu, prev);
	anaros_on_switch(state, prev, left, next, came, bpf_ktime_get_ns());
	if (left && state & ANAROS_STATE_ENDED) {
		drop_tasks(&tid);
	} else if (left && !came && !anaros_left_with(state, prev)) {
		cpu->victim_tid = prev.tid;
		cpu->over_tid = next.tid;
	}
	return 0;
}

TRACEPOINT_PROBE(sched, sched_waking)
{
	anaros_thread woken = {.tid = args->pid};
	struct anaros_task *task = anaros_task(woken);

	if (task)
		anaros_on_waking(0, task);
	return 0;
}

TRACEPOINT_PROBE(sched, sched_migrate_task)
{
	anaros_thread moved = {.tid = args->pid};
	struct anaros_task *task = anaros_task(moved);

	if (task)
		anaros_on_migrate(task, args->orig_cpu, args->dest_cpu);
	return 0;
}
