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
#include <anaros/switch.h>
#include "common.bpf.h"

/* The rings of anaros/switch.h: slots of all CPUs, one ring behind the other. */
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

/* Wakes the consumer without telling it anything. */
static __always_inline void wake_consumer(void)
{
	void *nothing = bpf_ringbuf_reserve(&ring, 8, 0);

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

	*ends = bpf_map_lookup_elem(&switch_ends, &cpu);
	head = *ends ? (*ends)->head : 0;
	index = cpu * config.switch_slots + ((u32)head & (config.switch_slots - 1));
	slot = bpf_map_lookup_elem(&switches, &index);
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
static __always_inline void make_up(struct task_struct *prev, const struct anaros_task *task)
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
	slot->pid = prev->tgid;
	slot->tid = prev->pid;
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

static __always_inline void leave(struct task_struct *prev, struct anaros_task *task,
				  struct task_struct *next, bool next_is_ours, u32 state, u64 now)
{
	if (task->off_ns || task->waker & ANAROS_WAKER_FRESH) {
		make_up(prev, task);
		task->waker = 0;
		task->waking_ns = 0;
	}
	task->off_ns = now;
	task->state = state;
	task->iowait = BPF_CORE_READ_BITFIELD(prev, in_iowait);
	task->throttled = false;
	if (state) {
		task->cause = anaros_cause(prev, &task->argument);
		return;
	}
	task->throttled = anaros_throttled(anaros_look(prev));
	task->over_pid = next->tgid;
	task->over_tid = next->pid;
	task->over_foreign = !next_is_ours;
}

/*
 * Who ran instead: the thread that held the CPU until now. Where the CPU was
 * idle, the thread that preempted this one on another CPU; else nobody did.
 */
static __always_inline u16 blame(struct anaros_switch *slot, struct task_struct *prev,
				 bool prev_is_ours, const struct anaros_task *task)
{
	if (prev->pid) {
		slot->over_tid = prev->pid;
		slot->over_pid = prev->tgid;
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
static __always_inline void tell_move(struct task_struct *next, struct anaros_task *task,
				      bool waited)
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
	record->pid = next->tgid;
	record->tid = next->pid;
	record->object = task->moved_from;
	record->address = task->moved_to;
	anaros_submit(record);
}

static __always_inline void enter(struct task_struct *prev, bool prev_is_ours,
				  struct task_struct *next, struct anaros_task *task, u64 now)
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
	if (ready && !task->throttled && prev->pid && !prev_is_ours)
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
	slot->pid = next->tgid;
	slot->tid = next->pid;
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

SEC("tp_btf/sched_switch")
int sched_switch(u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1];
	struct task_struct *next = (void *)ctx[2];
	struct anaros_task *left = NULL, *came = NULL;
	bool leaves = anaros_marked(prev);
	bool enters = anaros_marked(next);
	u32 state = 0;
	u64 now;

	if (!leaves && !enters)
		return 0;
	now = bpf_ktime_get_ns();
	if (leaves)
		left = bpf_task_storage_get(&tasks, prev, NULL, 0);
	if (enters)
		came = bpf_task_storage_get(&tasks, next, NULL, 0);
	if (left) {
		/* Preempted on its way to sleep, it still is ready. */
		if (!(ctx[0] & 1))
			state = anaros_switch_state(ctx, prev);
		leave(prev, left, next, came, state & 0xff, now);
	}
	if (came) {
		enter(prev, left, next, came, now);
		came->off_ns = 0;
		came->waking_ns = 0;
		came->waker = 0;
	}
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

/* What was moved more than once before it ran came from the first CPU. */
SEC("tp_btf/sched_migrate_task")
int sched_migrate(u64 *ctx)
{
	struct task_struct *moved = (void *)ctx[0];
	struct anaros_task *task = anaros_task(moved);

	if (!task)
		return 0;
	if (task->moved_ns)
		anaros_count(ANAROS_PROBE_SCHED, ANAROS_COUNTER_BELOW_MINIMUM);
	else
		task->moved_from = anaros_task_cpu(moved);
	task->moved_ns = bpf_ktime_get_ns();
	task->moved_to = (u32)ctx[1];
	return 0;
}
