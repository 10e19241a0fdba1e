// SPDX-License-Identifier: Apache-2.0
/*
 * The front of the handlers for BCC, which compiles it when a run starts: for
 * kernels without BTF. It knows an event by the fields that its tracepoint's
 * format file names, and the thread at work by helpers; no structure of the
 * kernel is read. A thread of the target is told by a hash of thread ids, where
 * the other front has a pointer in the task itself.
 *
 * BCC rewrites calls of maps in this file only, and not within macros, so each
 * map has plain functions here and the handlers call those.
 */
#include <linux/types.h>

#define barrier()        asm volatile("" ::: "memory")
#define barrier_var(var) asm volatile("" : "+r"(var))

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
#define ANAROS_KTHREADD        2 /* makes all others of the kernel */

/* Of a request; the tracepoint has letters. */
#define ANAROS_READ    0
#define ANAROS_WRITE   1
#define ANAROS_FLUSH   2
#define ANAROS_DISCARD 3
#define ANAROS_ERASE   5
#define ANAROS_OTHER   255

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
	u64 ran_ns;
	u32 pid;
	u32 padding;
};

/*
 * A request as its tracepoints name it. No two under way have the same beginning
 * and do the same, other than by mistake of whoever sent them.
 */
struct anaros_key {
	u32 device;
	u32 operation;
	u64 sector;
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
BPF_F_TABLE("array", u32, struct anaros_switch, switches, ANAROS_CPUS *ANAROS_SWITCH_SLOTS,
	    BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, struct anaros_switch_ends, switch_ends, ANAROS_CPUS, BPF_F_MMAPABLE);
BPF_TABLE("percpu_array", u32, u64, counters, ANAROS_PROBE_COUNT *ANAROS_COUNTER_COUNT);
BPF_TABLE("percpu_array", u32, struct anaros_text, scratch, ANAROS_PROBE_COUNT);
BPF_TABLE("percpu_array", u32, struct anaros_cpu, cpus, 1);
BPF_TABLE("lru_hash", struct anaros_named, u8, named, 1024);
BPF_TABLE("hash", u32, struct anaros_followed, tasks, ANAROS_THREADS_MAX);
BPF_TABLE("hash", u32, u8, tree, 16384);
BPF_TABLE("hash", u32, u64, threads, 16384); /* of a process, by its pid */
BPF_TABLE("hash", u32, u8, kernels, 16384);  /* threads that the kernel made for itself */
BPF_TABLE("hash", u32, u8, schedulers, 256); /* devices that have one */
BPF_TABLE("hash", u32, struct device, devices, 256);
BPF_TABLE("lru_hash", struct anaros_key, struct io, requests, 4096);

static __always_inline struct anaros_switch *find_switches(u32 *key)
{
	return switches.lookup(key);
}

static __always_inline struct anaros_switch_ends *find_switch_ends(u32 *key)
{
	return switch_ends.lookup(key);
}

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

static __always_inline u64 *find_threads(u32 *key)
{
	return threads.lookup(key);
}

static __always_inline int put_threads(u32 *key, u64 *value)
{
	return threads.update(key, value);
}

static __always_inline int drop_threads(u32 *key)
{
	return threads.delete(key);
}

static __always_inline u8 *find_kernels(u32 *key)
{
	return kernels.lookup(key);
}

static __always_inline int put_kernels(u32 *key, u8 *value)
{
	return kernels.update(key, value);
}

static __always_inline int drop_kernels(u32 *key)
{
	return kernels.delete(key);
}

static __always_inline u8 *find_schedulers(u32 *key)
{
	return schedulers.lookup(key);
}

static __always_inline struct device *find_devices(u32 *key)
{
	return devices.lookup(key);
}

static __always_inline int put_new_devices(u32 *key, struct device *value)
{
	return devices.insert(key, value);
}

static __always_inline struct io *find_requests(struct anaros_key *key)
{
	return requests.lookup(key);
}

static __always_inline int put_requests(struct anaros_key *key, struct io *value)
{
	return requests.update(key, value);
}

static __always_inline int drop_requests(struct anaros_key *key)
{
	return requests.delete(key);
}

static __always_inline void *anaros_ring_room(void)
{
	return ring.ringbuf_reserve(sizeof(struct anaros_record));
}

static __always_inline void *anaros_ring_nothing(void)
{
	return ring.ringbuf_reserve(sizeof(u64));
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
} anaros_thread;

/* What sched_switch says of the thread that leaves; of other events nothing is asked. */
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

static __always_inline struct anaros_task *anaros_follow(anaros_thread thread)
{
	struct anaros_followed fresh = {.pid = thread.pid};
	u32 tid = thread.tid, pid = thread.pid;
	u64 *count, one = 1;

	if (put_tasks(&tid, &fresh))
		return NULL;
	count = find_threads(&pid);
	if (count && tid != pid)
		__sync_fetch_and_add(count, 1);
	else
		put_threads(&pid, &one);
	return (struct anaros_task *)find_tasks(&tid);
}

/* Where it lies in the event: the low half of the word says. */
static __always_inline long anaros_program(anaros_event path, char *text, u32 size)
{
	return bpf_probe_read_kernel_str(text, size, (void *)path);
}

static __always_inline void anaros_tell_at(anaros_thread thread, u64 now, s32 when)
{
}

/* Of two that end at once both may see that none is left; the tree tells the first. */
static __always_inline bool anaros_is_last(anaros_thread thread)
{
	u32 pid = thread.pid;
	u64 *count = find_threads(&pid);

	if (!count)
		return true;
	__sync_fetch_and_add(count, -1);
	if ((s64)ANAROS_READ_ONCE(*count) > 0)
		return false;
	drop_threads(&pid);
	return true;
}

static __always_inline s32 anaros_wait_status(anaros_thread thread)
{
	return ANAROS_STATUS_UNKNOWN;
}

#include "handlers/process.h"

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

	barrier_var(leaves); /* the verifier forbids to merge two pointers */
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

/* Not sched_process_fork: that does not tell a thread from a process. */
TRACEPOINT_PROBE(task, task_newtask)
{
	anaros_thread parent = anaros_current();
	anaros_thread child = {.tid = args->pid, .pid = args->pid};

	if (parent.pid == ANAROS_KTHREADD) {
		u32 tid = child.tid;
		u8 one = 1;

		put_kernels(&tid, &one);
		return 0;
	}
	if (args->clone_flags & ANAROS_CLONE_THREAD)
		child.pid = parent.pid;
	anaros_on_fork(parent, child);
	return 0;
}

/* Whichever thread executes a program takes the id of its leader, which is gone. */
TRACEPOINT_PROBE(sched, sched_process_exec)
{
	anaros_thread thread = anaros_current();
	u32 old = args->old_pid, tid = args->pid;
	struct anaros_followed *followed = find_tasks(&old);

	if (followed && old != tid) {
		struct anaros_followed same = *followed;

		put_tasks(&tid, &same);
		drop_tasks(&old);
	}
	if (anaros_task(thread))
		anaros_on_exec((u64)args + (args->data_loc_filename & 0xffff), thread);
	return 0;
}

TRACEPOINT_PROBE(sched, sched_process_exit)
{
	anaros_thread thread = anaros_current();
	u32 tid = thread.tid;

	if (anaros_task(thread))
		anaros_on_exit(thread);
	else
		drop_kernels(&tid);
	return 0;
}

typedef struct {
	struct anaros_key key;
	u32 bytes;
} anaros_request;

typedef struct anaros_key anaros_key;

static __always_inline anaros_key anaros_key_of(anaros_request request)
{
	return request.key;
}

static __always_inline u32 anaros_device(anaros_request request)
{
	return request.key.device;
}

static __always_inline u64 anaros_sector(anaros_request request)
{
	return request.key.sector;
}

static __always_inline u32 anaros_bytes(anaros_request request)
{
	return request.bytes;
}

static __always_inline u32 anaros_operation(anaros_request request)
{
	return request.key.operation;
}

/* As it was when the loader looked. */
static __always_inline bool anaros_has_scheduler(anaros_request request)
{
	u32 device = request.key.device;

	return find_schedulers(&device) != NULL;
}

static __always_inline bool anaros_is_kernels(anaros_thread thread)
{
	u32 tid = thread.tid;

	return find_kernels(&tid) != NULL;
}

/* Threads of the kernel that work for a process are announced here like all others. */
static __always_inline struct anaros_task *anaros_current_task(u32 probe)
{
	return anaros_task(anaros_current());
}

static __always_inline void anaros_advance(anaros_key key, struct io *io, u32 bytes)
{
	struct io same = *io;

	drop_requests(&key);
	key.sector += bytes >> 9;
	put_requests(&key, &same);
}

#include "handlers/block.h"

/* A flush before a write is another letter before its own. */
static __always_inline u32 operation(char first, char second)
{
	char letter = first;

	if (first == 'F' && (second == 'W' || second == 'D' || second == 'R' || second == 'N'))
		letter = second;
	switch (letter) {
	case 'R':
		return ANAROS_READ;
	case 'W':
		return ANAROS_WRITE;
	case 'F':
		return ANAROS_FLUSH;
	case 'D':
		return second == 'E' ? ANAROS_ERASE : ANAROS_DISCARD;
	default:
		return ANAROS_OTHER;
	}
}

static __always_inline anaros_key request_key(u32 device, u64 sector, char first, char second)
{
	anaros_key key = {.device = device, .sector = sector};

	key.operation = operation(first, second);
	if (key.operation == ANAROS_FLUSH)
		key.sector = -1; /* what stands there, but not in every tracepoint */
	return key;
}

#define REQUEST_KEY(args) request_key((args)->dev, (args)->sector, (args)->rwbs[0], (args)->rwbs[1])

TRACEPOINT_PROBE(block, block_rq_insert)
{
	anaros_request request = {.key = REQUEST_KEY(args), .bytes = args->bytes};

	anaros_on_insert(0, request);
	return 0;
}

TRACEPOINT_PROBE(block, block_rq_issue)
{
	anaros_request request = {.key = REQUEST_KEY(args), .bytes = args->bytes};

	anaros_on_issue(0, request);
	return 0;
}

TRACEPOINT_PROBE(block, block_rq_complete)
{
	anaros_on_complete(REQUEST_KEY(args), args->error, args->nr_sector << 9);
	return 0;
}

TRACEPOINT_PROBE(block, block_rq_merge)
{
	anaros_on_merge(REQUEST_KEY(args));
	return 0;
}

/* What is put before a request moves its beginning. */
TRACEPOINT_PROBE(block, block_bio_frontmerge)
{
	anaros_key key = REQUEST_KEY(args);
	struct io *io, same;

	key.sector += args->nr_sector;
	io = find_requests(&key);
	if (!io)
		return 0;
	same = *io;
	drop_requests(&key);
	key.sector -= args->nr_sector;
	put_requests(&key, &same);
	return 0;
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
