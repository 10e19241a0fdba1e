/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduler: why a thread of the target did not run.
 *
 * sched_waking, not sched_wakeup, tells the waker: the latter often runs on the
 * CPU of the woken thread, where `current` is a bystander. It may fire before
 * the switch that takes the thread off its CPU is traced; but the last one
 * before the thread comes in again is always the one that made it ready, so
 * nothing needs to be cleared when it leaves.
 *
 * The front has, beside what shared.h asks for: the maps switches and
 * switch_ends, the rings of anaros/switch.h of all CPUs, one behind the other;
 * anaros_ring_nothing(); and of a thread that leaves its CPU anaros_left_with()
 * (its state, 0 = preempted), anaros_iowait(), anaros_throttled(), and
 * anaros_cause() with its argument.
 */
#ifndef ANAROS_EBPF_HANDLERS_SCHED_H
#define ANAROS_EBPF_HANDLERS_SCHED_H

#include "shared.h"

/* Wakes the consumer without telling it anything. */
static __always_inline void wake_consumer(void)
{
	void *nothing = anaros_ring_nothing();

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/* The next free slot of this CPU's ring, and whose turn it is then; NULL, counted: none is. */
static __always_inline struct anaros_switch *next_slot(u32 cpu, struct anaros_switch_ends **ends,
						       u64 records)
{
	struct anaros_switch *slot;
	u64 head;
	u32 index;

	*ends = anaros_find(switch_ends, &cpu);
	head = *ends ? (*ends)->head : 0;
	index = cpu * config.switch_slots + ((u32)head & (config.switch_slots - 1));
	slot = anaros_find(switches, &index);
	if (*ends && slot && head - ANAROS_READ_ONCE((*ends)->tail) < config.switch_slots)
		return slot;
	anaros_count_many(ANAROS_PROBE_SCHED, ANAROS_COUNTER_DROPPED, records);
	return NULL;
}

static __always_inline void publish_slot(struct anaros_switch_ends *ends)
{
	u64 head = ends->head + 1;

	anaros_publish(&ends->head, head);
	if (head - ends->tail == config.switch_slots / 4)
		wake_consumer();
}

/*
 * The kernel does not show every switch: now and then a thread leaves a CPU and
 * nobody was told that it had come. When it came is lost then; who woke it and
 * how long it slept at least is not, and goes out late instead of never.
 */
static __always_inline void make_up(anaros_thread prev, const struct anaros_task *task)
{
	bool fresh = task->waker & ANAROS_WAKER_FRESH;
	bool slept = task->off_ns && task->state && task->waking_ns > task->off_ns;
	bool edge = (fresh || slept) && task->waker & ANAROS_WAKER_TARGET;
	u32 cpu = bpf_get_smp_processor_id();
	struct anaros_switch_ends *ends;
	struct anaros_switch *slot;

	if (!fresh && !task->off_ns)
		return;
	if (!edge && !slept) {
		anaros_count_many(ANAROS_PROBE_SCHED, ANAROS_COUNTER_DROPPED, !!task->off_ns);
		return;
	}
	slot = next_slot(cpu, &ends, slept + edge);
	if (!slot)
		return;
	__builtin_memset(slot, 0, sizeof(*slot));
	slot->in_ns = task->waking_ns;
	slot->off_ns = slept ? task->off_ns : 0;
	slot->waking_ns = task->waking_ns;
	slot->pid = anaros_pid(prev);
	slot->tid = anaros_tid(prev);
	slot->waker_pid = task->waker_pid;
	slot->waker_tid = task->waker_tid;
	slot->cpu = cpu;
	slot->state = slept ? task->state : 0;
	slot->cause = task->cause;
	slot->argument = task->argument;
	slot->flags = (slept && task->iowait ? ANAROS_SWITCH_IOWAIT : 0) |
		      (edge ? ANAROS_SWITCH_WAKEUP : 0) |
		      (task->waker & ANAROS_WAKER_SOFTIRQ ? ANAROS_SWITCH_ASYNC : 0);
	publish_slot(ends);
}

static __always_inline void leave(anaros_thread prev, struct anaros_task *task, anaros_thread next,
				  bool next_is_ours, u32 state, u64 now)
{
	if (task->off_ns || task->waker & ANAROS_WAKER_FRESH) {
		make_up(prev, task);
		task->waker = 0;
		task->waking_ns = 0;
	}
	task->off_ns = now;
	task->state = state;
	task->iowait = anaros_iowait(prev);
	task->throttled = false;
	if (state) {
		task->cause = anaros_cause(prev, &task->argument);
		return;
	}
	task->throttled = anaros_throttled(prev);
	task->over_pid = anaros_pid(next);
	task->over_tid = anaros_tid(next);
	task->over_foreign = !next_is_ours;
}

/*
 * Who ran instead: the thread that held the CPU until now. Where the CPU was
 * idle, the thread that preempted this one on another CPU; else nobody did.
 */
static __always_inline u16 blame(struct anaros_switch *slot, anaros_thread prev, bool prev_is_ours,
				 const struct anaros_task *task)
{
	if (anaros_tid(prev)) {
		slot->over_tid = anaros_tid(prev);
		slot->over_pid = anaros_pid(prev);
		return prev_is_ours ? 0 : ANAROS_SWITCH_OTHER;
	}
	if (task->off_ns && !task->state) {
		slot->over_tid = task->over_tid;
		slot->over_pid = task->over_pid;
		return task->over_foreign ? ANAROS_SWITCH_OTHER : 0;
	}
	slot->over_tid = 0;
	slot->over_pid = 0;
	return 0;
}

/* A thread was moved before it came in: worth a record if it had to wait then. */
static __always_inline void tell_move(anaros_thread next, struct anaros_task *task, bool waited)
{
	u64 moved_ns = task->moved_ns;
	struct anaros_record *record;

	if (!moved_ns)
		return;
	task->moved_ns = 0;
	if (!waited) {
		anaros_count(ANAROS_PROBE_SCHED, ANAROS_COUNTER_BELOW_MINIMUM);
		return;
	}
	record = anaros_reserve(ANAROS_PROBE_SCHED, ANAROS_KIND_SCHED_MIGRATE);
	if (!record)
		return;
	record->start_ns = moved_ns;
	record->pid = anaros_pid(next);
	record->tid = anaros_tid(next);
	record->object = task->moved_from;
	record->address = task->moved_to;
	anaros_submit(record);
}

static __always_inline void enter(anaros_thread prev, bool prev_is_ours, anaros_thread next,
				  struct anaros_task *task, u64 now)
{
	bool woken = task->waking_ns && (task->state || !task->off_ns);
	bool edge = woken && task->waker & ANAROS_WAKER_TARGET;
	u32 cpu = bpf_get_smp_processor_id();
	struct anaros_switch_ends *ends;
	struct anaros_switch *slot;
	u64 ready = 0;
	u16 flags = 0;

	if (task->off_ns && !task->state)
		ready = task->off_ns;
	else if (task->waking_ns)
		ready = task->waking_ns > task->off_ns ? task->waking_ns : task->off_ns;
	if (ready && now - ready < config.runqueue_min_ns) {
		anaros_count(ANAROS_PROBE_SCHED, ANAROS_COUNTER_BELOW_MINIMUM);
		ready = 0;
	}
	tell_move(next, task, ready);
	if (ready && !task->throttled && anaros_tid(prev) && !prev_is_ours)
		anaros_name_process(ANAROS_PROBE_SCHED, prev, now);
	if (!task->off_ns && !ready && !edge)
		return;
	slot = next_slot(cpu, &ends, !!task->off_ns + !!ready + edge);
	if (!slot)
		return;
	slot->in_ns = now;
	slot->off_ns = task->off_ns;
	slot->waking_ns = task->waking_ns;
	slot->argument = task->argument;
	slot->pid = anaros_pid(next);
	slot->tid = anaros_tid(next);
	slot->waker_pid = task->waker_pid;
	slot->waker_tid = task->waker_tid;
	slot->cpu = cpu;
	slot->cause = task->cause;
	slot->state = task->state;
	flags = blame(slot, prev, prev_is_ours, task);
	if (ready)
		flags |= ANAROS_SWITCH_READY;
	if (task->off_ns && !task->state && task->throttled)
		flags |= ANAROS_SWITCH_THROTTLED;
	if (task->iowait)
		flags |= ANAROS_SWITCH_IOWAIT;
	if (edge)
		flags |= ANAROS_SWITCH_WAKEUP;
	if (task->waker & ANAROS_WAKER_SOFTIRQ)
		flags |= ANAROS_SWITCH_ASYNC;
	slot->flags = flags;
	publish_slot(ends);
}

/* What is kept of either thread is NULL where it is not of the target. */
static __always_inline void anaros_on_switch(anaros_event event, anaros_thread prev,
					     struct anaros_task *left, anaros_thread next,
					     struct anaros_task *came, u64 now)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct anaros_switch_ends *ends = anaros_find(switch_ends, &cpu);

	if (ends)
		ends->running_tid = came ? anaros_tid(next) : 0;
	if (left)
		leave(prev, left, next, came, anaros_left_with(event, prev), now);
	if (came) {
		enter(prev, left, next, came, now);
		came->off_ns = 0;
		came->waking_ns = 0;
		came->waker = 0;
	}
}

/* Of the target? The last switch on this CPU has mostly told, which spares two cache lines. */
static __always_inline bool is_ours(anaros_thread current)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct anaros_switch_ends *ends = anaros_find(switch_ends, &cpu);
	u32 tid = anaros_tid(current);

	if (tid && ends && ends->running_tid == tid)
		return true;
	return anaros_task(current);
}

static __always_inline void anaros_on_waking(anaros_event event, struct anaros_task *task)
{
	enum anaros_context context;
	anaros_thread waker;

	task->waking_ns = bpf_ktime_get_ns();
	task->waker = 0;
	task->waker_pid = 0;
	task->waker_tid = 0;
	context = anaros_context(event);
	if (context == ANAROS_CONTEXT_INTERRUPT)
		return; /* whoever was interrupted has nothing to do with it */
	waker = anaros_current();
	if (is_ours(waker))
		task->waker = ANAROS_WAKER_TARGET;
	else if (context == ANAROS_CONTEXT_SOFTIRQ)
		return;
	if (context == ANAROS_CONTEXT_SOFTIRQ)
		task->waker |= ANAROS_WAKER_SOFTIRQ;
	task->waker_pid = anaros_pid(waker);
	task->waker_tid = anaros_tid(waker);
}

/* What was moved more than once before it ran came from the first CPU. */
static __always_inline void anaros_on_migrate(struct anaros_task *task, u32 from, u32 to)
{
	if (task->moved_ns)
		anaros_count(ANAROS_PROBE_SCHED, ANAROS_COUNTER_BELOW_MINIMUM);
	else
		task->moved_from = from;
	task->moved_ns = bpf_ktime_get_ns();
	task->moved_to = to;
}

#endif
