// SPDX-License-Identifier: Apache-2.0
/*
 * The front of the handlers for BCC, which compiles it when a run starts: for
 * kernels without BTF. It knows an event by the fields that its tracepoint's
 * format file names, and the thread at work by helpers; no structure of the
 * kernel is read. A thread of the target is told by a hash of thread ids, where
 * the other front has a pointer in the task itself.
 *
 * The loader makes one text of this file and those of the probes behind it. BCC
 * rewrites calls of maps in that text only, not in what it includes and not within
 * macros, so each map has plain functions and the handlers call those.
 */
#include <linux/types.h>

#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif
#ifndef barrier_var
#define barrier_var(var) asm volatile("" : "+r"(var))
#endif

#include "handlers/types.h"

#define BPF_RB_NO_WAKEUP    (1ULL << 0)
#define BPF_RB_FORCE_WAKEUP (1ULL << 1)
#define BPF_F_MMAPABLE      (1U << 10)

#define ANAROS_CLONE_THREAD 0x00010000
#define ANAROS_STATE_ENDED  0x30 /* of prev_state: dead, or a zombie */
#define ANAROS_STATE_IDLE   0x80 /* sleeps, and does not count as load */
#define ANAROS_THREADS_MAX  65536

#define ANAROS_UNINTERRUPTIBLE 2
#define ANAROS_STATUS_UNKNOWN  -1
#define ANAROS_USER_STACK      (1ULL << 8)

/* The loader defines the values. */
static const struct anaros_config config = {
    .ring_wake_bytes = ANAROS_RING_WAKE_BYTES,
    .runqueue_min_ns = ANAROS_RUNQUEUE_MIN_NS,
    .queue_min_ns = ANAROS_QUEUE_MIN_NS,
    .block_recent_ns = ANAROS_BLOCK_RECENT_NS,
    .net_recent_ns = ANAROS_NET_RECENT_NS,
    .switch_slots = ANAROS_SWITCH_SLOTS,
    .backlog_min = ANAROS_BACKLOG_MIN,
};

/* What is kept of a thread of the target, and its process. */
struct anaros_followed {
	struct anaros_task task;
	u32 pid;
	u32 ended; /* only its last switch is to come */
};

/* What this CPU is in. */
struct anaros_cpu {
	u64 unread_bytes;
	u32 hard;
	u32 soft;
	u32 over_tid; /* of somebody else: took the CPU from ... */
	u32 victim_tid;
};

BPF_RINGBUF_OUTPUT(ring, ANAROS_RING_PAGES);
BPF_TABLE("percpu_array", u32, u64, counters, ANAROS_PROBE_COUNT *ANAROS_COUNTER_COUNT);
BPF_TABLE("percpu_array", u32, struct anaros_text, scratch, ANAROS_PROBE_COUNT);
BPF_TABLE("percpu_array", u32, struct anaros_cpu, cpus, 1);
BPF_TABLE("lru_hash", struct anaros_named, u8, named, 1024);
BPF_TABLE("hash", u32, struct anaros_followed, tasks, ANAROS_THREADS_MAX);
BPF_TABLE("hash", u32, u8, tree, 16384);

static __always_inline u64 *find_counters(u32 *key)
{
	return counters.lookup(key);
}

static __always_inline struct anaros_text *find_scratch(u32 *key)
{
	return scratch.lookup(key);
}

static __always_inline u8 *find_named(struct anaros_named *key)
{
	return named.lookup(key);
}

static __always_inline int put_named(struct anaros_named *key, u8 *value)
{
	return named.update(key, value);
}

static __always_inline struct anaros_followed *find_tasks(u32 *key)
{
	return tasks.lookup(key);
}

static __always_inline int put_tasks(u32 *key, struct anaros_followed *value)
{
	return tasks.update(key, value);
}

static __always_inline int drop_tasks(u32 *key)
{
	return tasks.delete(key);
}

static __always_inline int put_tree(u32 *key, u8 *value)
{
	return tree.update(key, value);
}

static __always_inline int drop_tree(u32 *key)
{
	return tree.delete(key);
}

static __always_inline void *anaros_ring_room(void)
{
	return ring.ringbuf_reserve(sizeof(struct anaros_record));
}

static __always_inline long anaros_ring_text(struct anaros_text *text, u64 size, u64 flags)
{
	return ring.ringbuf_output(text, size, flags);
}

static __always_inline struct anaros_cpu *this_cpu(void)
{
	u32 zero = 0;

	return cpus.lookup(&zero);
}

#define anaros_find(map, key)           find_##map(key)
#define anaros_put(map, key, value)     put_##map(key, value)
#define anaros_drop(map, key)           drop_##map(key)
#define anaros_put_new(map, key, value) put_new_##map(key, value)

/*
 * BCC does not tell how much of the ring lies unread: each CPU wakes the consumer
 * when it has written its share of what may be.
 */
static __always_inline u64 anaros_wake_flags(void)
{
	struct anaros_cpu *cpu = this_cpu();

	if (!cpu)
		return BPF_RB_NO_WAKEUP;
	cpu->unread_bytes += sizeof(struct anaros_record) + 8;
	if (cpu->unread_bytes * ANAROS_CPUS < config.ring_wake_bytes)
		return BPF_RB_NO_WAKEUP;
	cpu->unread_bytes = 0;
	return BPF_RB_FORCE_WAKEUP;
}

#include "handlers/shared.h"

typedef struct {
	u32 pid; /* 0 = unknown */
	u32 tid;
	u32 last; /* ends, as the last one of its process */
} anaros_thread;

/*
 * What sched_switch says of the thread that leaves, or where the event lies: a
 * handler asks for nothing else.
 */
typedef u64 anaros_event;

static __always_inline u32 anaros_pid(anaros_thread thread)
{
	return thread.pid;
}

static __always_inline u32 anaros_tid(anaros_thread thread)
{
	return thread.tid;
}

static __always_inline anaros_thread anaros_current(void)
{
	u64 both = bpf_get_current_pid_tgid();
	anaros_thread thread = {.pid = both >> 32, .tid = (u32)both};

	return thread;
}

static __always_inline struct anaros_task *anaros_task(anaros_thread thread)
{
	u32 tid = thread.tid;

	return (struct anaros_task *)find_tasks(&tid);
}

/* Of the thread at work, always: only of that one the command is known. */
static __always_inline void anaros_name_process(u32 probe, anaros_thread thread, u64 now)
{
	struct anaros_named key = {.pid = thread.pid};
	char command[ANAROS_COMM_MAX] = {};

	bpf_get_current_comm(command, sizeof(command));
	__builtin_memcpy(&key.start_time, command, sizeof(key.start_time));
	anaros_name_once(probe, &key, command, now);
}

static __always_inline enum anaros_context anaros_context(anaros_event event)
{
	struct anaros_cpu *cpu = this_cpu();

	if (!cpu || cpu->hard)
		return ANAROS_CONTEXT_INTERRUPT;
	return cpu->soft ? ANAROS_CONTEXT_SOFTIRQ : ANAROS_CONTEXT_TASK;
}

/*
 * No field says what an event interrupted, so each CPU keeps it. These take no
 * field either: raw, they are quicker, above all to end.
 */
#define ANAROS_SETS(event, field, value)                                                           \
	RAW_TRACEPOINT_PROBE(event)                                                                \
	{                                                                                          \
		struct anaros_cpu *cpu = this_cpu();                                               \
                                                                                                   \
		if (cpu)                                                                           \
			cpu->field = value;                                                        \
		return 0;                                                                          \
	}

ANAROS_SETS(softirq_entry, soft, 1)
ANAROS_SETS(softirq_exit, soft, 0)
ANAROS_SETS(irq_handler_entry, hard, 1)
ANAROS_SETS(irq_handler_exit, hard, 0)

#ifdef ANAROS_HAS_IRQ_VECTORS
ANAROS_SETS(local_timer_entry, hard, 1)
ANAROS_SETS(local_timer_exit, hard, 0)
ANAROS_SETS(call_function_entry, hard, 1)
ANAROS_SETS(call_function_exit, hard, 0)
ANAROS_SETS(call_function_single_entry, hard, 1)
ANAROS_SETS(call_function_single_exit, hard, 0)
#endif
