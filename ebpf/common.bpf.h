/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front of the handlers for libbpf: the maps, and the target tree.
 *
 * A thread belongs to the target when it carries storage in the map `tasks`.
 * Storage hangs on the task itself, so that a foreign task is told by one load
 * (task->bpf_storage is NULL) where a hash of pids costs a lookup per event,
 * and it goes when the task goes: no pid is ever mistaken for an older one.
 */
#ifndef ANAROS_EBPF_COMMON_H
#define ANAROS_EBPF_COMMON_H

#include "core_fixes.bpf.h"
#include "handlers/types.h"
#include "kernel.bpf.h"

const volatile struct anaros_config config SEC(".rodata.config") = {};

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

/*
 * What is kept of the target's threads, by the low bits of their tids: a lookup
 * here is a load, in task storage a call and four cache lines. A thread whose
 * place another one holds is kept in its storage instead. Mapped so that each
 * lies on one line.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the loader sets the size */
	__type(key, u32);
	__type(value, struct anaros_task);
} threads SEC(".maps");

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

#define anaros_find(map, key)       bpf_map_lookup_elem(&map, key)
#define anaros_put(map, key, value) bpf_map_update_elem(&map, key, value, BPF_ANY)
#define anaros_drop(map, key)       bpf_map_delete_elem(&map, key)

#define anaros_ring_room() bpf_ringbuf_reserve(&ring, sizeof(struct anaros_record), 0)

static __always_inline long anaros_ring_text(struct anaros_text *text, u64 size, u64 flags)
{
	return bpf_ringbuf_output(&ring, text, size, flags);
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

#include "handlers/shared.h"

typedef struct task_struct *anaros_thread;
typedef const u64 *anaros_event;

static __always_inline u32 anaros_pid(const struct task_struct *task)
{
	return task->tgid;
}

static __always_inline u32 anaros_tid(const struct task_struct *task)
{
	return task->pid;
}

static __always_inline anaros_thread anaros_current(void)
{
	return bpf_get_current_task_btf();
}

static __always_inline void anaros_name_process(u32 probe, struct task_struct *task, u64 now)
{
	const struct task_struct *leader = anaros_look(task)->group_leader;
	struct anaros_named key = {
	    .start_time = leader->start_time,
	    .pid = leader->pid,
	};

	anaros_name_once(probe, &key, leader->comm, now);
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

static __always_inline struct anaros_task *anaros_place(u32 tid)
{
	u32 key = tid & ((1u << config.thread_bits) - 1);

	return bpf_map_lookup_elem(&threads, &key);
}

/* What is kept of a thread that may be the target's; NULL where it is not. */
static __always_inline struct anaros_task *anaros_kept(struct task_struct *task)
{
	u32 tid = task->pid;
	struct anaros_task *place = anaros_place(tid);

	if (place && place->tid == tid)
		return place;
	return bpf_task_storage_get(&tasks, task, NULL, 0);
}

/* What is known of a thread of the target; NULL for any other. */
static __always_inline struct anaros_task *anaros_task(struct task_struct *task)
{
	return anaros_marked(task) ? anaros_kept(task) : NULL;
}

/* Begins to follow a thread; NULL: there is no memory. A second call changes nothing. */
static __always_inline struct anaros_task *anaros_follow(struct task_struct *task)
{
	u32 tid = task->pid, holder;
	struct anaros_task *place = anaros_place(tid);
	struct anaros_task *stored = bpf_task_storage_get(&tasks, task, NULL, 0);
	bool fresh = !stored;

	if (fresh)
		stored = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!stored || !place)
		return NULL;
	holder = __sync_val_compare_and_swap(&place->tid, 0, tid);
	if (holder && holder != tid)
		return stored;
	if (holder && fresh) { /* the end of an earlier thread was missed */
		__builtin_memset(place, 0, sizeof(*place));
		place->tid = tid;
	}
	return place;
}

/* The thread that held this place ends: what it does from now on is kept in its storage. */
static __always_inline void anaros_unfollow(u32 tid)
{
	struct anaros_task *place = anaros_place(tid);

	if (!place || place->tid != tid)
		return;
	__builtin_memset(place, 0, __builtin_offsetof(struct anaros_task, tid));
	__sync_lock_test_and_set(&place->tid, 0); /* free once all of it is empty */
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
	state = anaros_follow(task);
	if (!state)
		anaros_count(probe, ANAROS_COUNTER_UNTRACKED);
	return state;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
