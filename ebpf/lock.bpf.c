// SPDX-License-Identifier: Apache-2.0
/*
 * Locks of the kernel that a thread of the target had to wait for, spinning or
 * asleep. All are added up by process and sort; a long one is a record as well.
 *
 * A lock begins to be waited for again when the wait turns from spinning into
 * sleep: the first time counts. Another lock that is waited for meanwhile lies
 * within the wait for the first.
 */
#include "sums.bpf.h"

struct waiting {
	u64 lock; /* 0: none */
	u64 since_ns;
	u32 sort;
	u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct waiting);
} locks SEC(".maps");

struct contended_key {
	u32 pid;
	u32 sort;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct contended_key);
	__type(value, struct sum);
} contended SEC(".maps");

SEC("tp_btf/contention_begin")
int lock_begin(u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct waiting *waiting;

	if (!anaros_task(task)) {
		anaros_count(ANAROS_PROBE_LOCK, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	/* What an interrupt waits for is not the thread's. */
	if (anaros_context(ctx) != ANAROS_CONTEXT_TASK)
		return 0;
	waiting = bpf_task_storage_get(&locks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!waiting) {
		anaros_count(ANAROS_PROBE_LOCK, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	if (waiting->lock)
		return 0;
	waiting->lock = ctx[0];
	waiting->sort = ctx[1];
	waiting->since_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void contended_add(struct task_struct *task, u32 sort, u64 ns, u64 now)
{
	struct contended_key key = {.pid = task->tgid, .sort = sort};
	struct sum *sum = sum_of(&contended, &key, now - ns, ANAROS_PROBE_LOCK);

	if (!sum)
		return;
	__sync_fetch_and_add(&sum->count, 1);
	__sync_fetch_and_add(&sum->ns, ns);
}

SEC("tp_btf/contention_end")
int lock_end(u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct anaros_record *record;
	struct waiting *waiting;
	u64 now, start, lock = ctx[0];

	if (!anaros_marked(task))
		return 0;
	waiting = bpf_task_storage_get(&locks, task, NULL, 0);
	if (!waiting || waiting->lock != lock)
		return 0;
	if (anaros_context(ctx) != ANAROS_CONTEXT_TASK)
		return 0;
	now = bpf_ktime_get_ns();
	start = waiting->since_ns;
	waiting->lock = 0;
	contended_add(task, waiting->sort, now - start, now);
	if (now - start < config.lock_min_ns) {
		anaros_count(ANAROS_PROBE_LOCK, ANAROS_COUNTER_BELOW_MINIMUM);
		return 0;
	}
	record = anaros_reserve(ANAROS_PROBE_LOCK, ANAROS_KIND_SYNC_KERNEL);
	if (!record)
		return 0;
	record->start_ns = start;
	record->duration_ns = now - start;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->object = lock;
	record->status = waiting->sort;
	anaros_submit(record);
	return 0;
}

/* Run once a second. */
SEC("iter/bpf_map_elem")
int lock_totals(struct bpf_iter__bpf_map_elem *ctx)
{
	struct contended_key *at = ctx->key, key;
	struct anaros_record *record;

	if (!at)
		return 0;
	key = *at;
	record = sum_tell(bpf_map_lookup_elem(&contended, &key), ANAROS_PROBE_LOCK,
			  ANAROS_KIND_SYNC_KERNEL_TOTAL);
	if (!record)
		return 0;
	record->pid = key.pid;
	record->status = key.sort;
	anaros_submit(record);
	return 0;
}

/* Run where the probe goes for a while, and before it comes back: see forget.bpf.c. */
SEC("iter/task")
int forget_lock(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct waiting *waiting;

	if (!task || !anaros_marked(task))
		return 0;
	waiting = bpf_task_storage_get(&locks, task, NULL, 0);
	if (waiting)
		waiting->lock = 0;
	return 0;
}
