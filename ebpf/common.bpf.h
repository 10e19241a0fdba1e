/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probes share: the ring, the counters, the target tree.
 *
 * A thread belongs to the target when it carries storage in the map `tasks`.
 * Storage hangs on the task itself, so that a foreign task is told by one load
 * (task->bpf_storage is NULL) where a hash of pids costs a lookup per event,
 * and it goes when the task goes: no pid is ever mistaken for an older one.
 */
#ifndef ANAROS_EBPF_COMMON_H
#define ANAROS_EBPF_COMMON_H

#include <anaros/kinds.h>
#include <anaros/record.h>
#include "config.h"
#include "core_fixes.bpf.h"
#include "kernel.bpf.h"

const volatile struct anaros_config config SEC(".rodata.config") = {};

#define ANAROS_TEXT_MAX 4096
#define ANAROS_COMM_MAX 16

/* The waker of a thread, as far as it is known. */
enum anaros_waker {
	ANAROS_WAKER_TARGET = 1,  /* a thread of the target */
	ANAROS_WAKER_SOFTIRQ = 2, /* in a soft interrupt on that thread's time */
	ANAROS_WAKER_FRESH = 4,   /* its creator: it was not seen on a CPU yet */
};

struct anaros_task {
	u64 off_ns;    /* left the CPU; 0 = it runs, or was never seen to leave */
	u64 waking_ns; /* last wake-up since it came in; 0 = none */
	u64 argument;  /* of what it sleeps in */
	u64 moved_ns;  /* to another CPU, since it was on one; 0 = not */
	u32 state;     /* left with; 0 = preempted */
	u32 iowait;
	u32 waker_pid;
	u32 waker_tid;
	u32 waker; /* enum anaros_waker */
	u32 over_pid;
	u32 over_tid; /* took the CPU when this thread was preempted */
	u32 over_foreign;
	u32 cause;     /* of anaros/switch.h */
	u32 throttled; /* its cgroup has used up its quota */
	u32 moved_from;
	u32 moved_to;
};

struct anaros_named {
	u64 start_time;
	u32 pid;
	u32 padding;
};

struct anaros_text {
	struct anaros_record record;
	char text[ANAROS_TEXT_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20); /* the loader sets the size */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ANAROS_PROBE_COUNT *ANAROS_COUNTER_COUNT);
	__type(key, u32);
	__type(value, u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct anaros_task);
} tasks SEC(".maps");

/* The processes of the target by tgid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u8);
} tree SEC(".maps");

/* Processes whose command has been told once. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct anaros_named);
	__type(value, u8);
} named SEC(".maps");

/* Room to put a name together, one for each probe: a probe never interrupts itself. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ANAROS_PROBE_COUNT);
	__type(key, u32);
	__type(value, struct anaros_text);
} scratch SEC(".maps");

static __always_inline void anaros_count_many(u32 probe, u32 counter, u64 many)
{
	u32 key = probe * ANAROS_COUNTER_COUNT + counter;
	u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		__sync_fetch_and_add(value, many); /* an interrupt may count in between */
}

static __always_inline void anaros_count(u32 probe, u32 counter)
{
	anaros_count_many(probe, counter, 1);
}

#define ANAROS_READ_ONCE(value) (*(const volatile typeof(value) *)&(value))

/*
 * Makes all that was written before visible with it. On x86 stores are seen in
 * their order, and an atomic instruction would wait for the slowest of them.
 */
static __always_inline void anaros_publish(u64 *value, u64 to)
{
#ifdef ANAROS_STORES_IN_ORDER
	barrier();
	*(volatile u64 *)value = to;
#else
	__sync_lock_test_and_set(value, to);
#endif
}

/*
 * The supervisor polls; an event alone never wakes it. Only when the unread
 * part passes the mark is it woken, once, and not again by each event above.
 */
static __always_inline u64 anaros_wake_flags(void)
{
	u64 unread = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	if (unread >= config.ring_wake_bytes && unread < config.ring_wake_bytes + 4096)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline struct anaros_record *anaros_reserve(u32 probe, u16 kind)
{
	struct anaros_record *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record) {
		anaros_count(probe, ANAROS_COUNTER_DROPPED);
		return NULL;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = kind;
	record->flags = ANAROS_FLAG_KERNEL;
	return record;
}

static __always_inline void anaros_submit(struct anaros_record *record)
{
	bpf_ringbuf_submit(record, anaros_wake_flags());
}

/* For a record that follows another at once: the first has looked at the mark. */
static __always_inline void anaros_submit_quietly(struct anaros_record *record)
{
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* The probe's room for a name; its text is to be filled before anaros_ship_name. */
static __always_inline struct anaros_text *anaros_name(u32 probe)
{
	return bpf_map_lookup_elem(&scratch, &probe);
}

static __always_inline void anaros_ship_name(u32 probe, struct anaros_text *name, u64 now, u32 pid,
					     u32 name_class, u64 object, u64 length)
{
	if (length >= ANAROS_TEXT_MAX)
		length = ANAROS_TEXT_MAX - 1;
	__builtin_memset(&name->record, 0, sizeof(name->record));
	name->record.start_ns = now;
	name->record.pid = pid;
	name->record.kind = ANAROS_KIND_META_NAME;
	name->record.flags = ANAROS_FLAG_KERNEL;
	name->record.status = name_class;
	name->record.object = object;
	name->record.size_bytes = length;
	if (bpf_ringbuf_output(&ring, name, sizeof(name->record) + length, anaros_wake_flags()))
		anaros_count(probe, ANAROS_COUNTER_DROPPED);
}

/* Tells the command of a process once: who is it that delays the target? */
static __always_inline void anaros_name_process(u32 probe, struct task_struct *task, u64 now)
{
	const struct task_struct *leader = anaros_look(task)->group_leader;
	struct anaros_named key = {
	    .start_time = leader->start_time,
	    .pid = leader->pid,
	};
	struct anaros_text *name;
	u8 one = 1;
	long length;

	if (bpf_map_lookup_elem(&named, &key))
		return;
	bpf_map_update_elem(&named, &key, &one, BPF_ANY);
	name = anaros_name(probe);
	if (!name)
		return;
	length = bpf_probe_read_kernel_str(name->text, ANAROS_COMM_MAX, leader->comm);
	if (length > 1)
		anaros_ship_name(probe, name, now, key.pid, ANAROS_NAME_PROCESS, key.pid,
				 length - 1);
}

/*
 * May the thread be the target's? One load says no for nearly all that are not.
 * The barrier keeps clang from merging two answers into one by arithmetic on
 * pointers, which the verifier forbids.
 */
static __always_inline bool anaros_marked(const struct task_struct *task)
{
	bool marked = anaros_look(task)->bpf_storage;

	barrier_var(marked);
	return marked;
}

/* What is known of a thread of the target; NULL for any other. */
static __always_inline struct anaros_task *anaros_task(struct task_struct *task)
{
	if (!anaros_marked(task))
		return NULL;
	return bpf_task_storage_get(&tasks, task, NULL, 0);
}

/*
 * The same for a thread that no fork event announced (the kernel's I/O workers
 * of a process): its tgid tells, and it is followed from then on. Only from the
 * thread's own context, where memory may be had.
 */
static __always_inline struct anaros_task *anaros_current_task(u32 probe)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct anaros_task *state = anaros_task(task);
	u32 pid = task->tgid;

	if (state || !bpf_map_lookup_elem(&tree, &pid))
		return state;
	state = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		anaros_count(probe, ANAROS_COUNTER_UNTRACKED);
	return state;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
