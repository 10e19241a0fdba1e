// SPDX-License-Identifier: Apache-2.0
/*
 * Memory: what a thread of the target had to do for the kernel before it got
 * its page, and the page faults by the kernel's own count.
 *
 * No probe stands in the way of a fault: the counters of each task are read
 * once a second and at its end. How long a fault slept, sched_switch tells.
 */
#include "common.bpf.h"

struct task_struct___faults {
	unsigned long min_flt;
	unsigned long maj_flt;
} ANAROS_KERNEL_TYPE;

/* What a thread is in the middle of; 0: it is not. */
struct memory {
	u64 reclaim_ns;
	u64 compact_ns;
	u64 migrate_ns;
	u64 minor; /* faults that were told */
	u64 major;
	u64 told_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct memory);
} memories SEC(".maps");

/* Since when faults are counted; 0: not yet. */
u64 faults_since_ns = 0;

/* The thread's own, made where it is not there; NULL: not the target's, or no memory. */
static __always_inline struct memory *own_memory(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct memory *memory;

	if (!anaros_current_task(ANAROS_PROBE_MEM)) {
		anaros_count(ANAROS_PROBE_MEM, ANAROS_COUNTER_OTHERS);
		return NULL;
	}
	memory = bpf_task_storage_get(&memories, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!memory)
		anaros_count(ANAROS_PROBE_MEM, ANAROS_COUNTER_UNTRACKED);
	return memory;
}

/* What the thread is in the middle of; NULL: it is not the target's, or nothing has begun. */
static __always_inline struct memory *begun(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return anaros_marked(task) ? bpf_task_storage_get(&memories, task, NULL, 0) : NULL;
}

/* The record of what ends now, which began at *start_ns; NULL: it did not, or no room. */
static __always_inline struct anaros_record *stall(u16 kind, u64 *start_ns)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct anaros_record *record;
	u64 start = *start_ns;

	if (!start)
		return NULL;
	*start_ns = 0;
	record = anaros_reserve(ANAROS_PROBE_MEM, kind);
	if (!record)
		return NULL;
	record->start_ns = start;
	record->duration_ns = bpf_ktime_get_ns() - start;
	record->pid = task->tgid;
	record->tid = task->pid;
	return record;
}

static __always_inline int reclaim_begin(void)
{
	struct memory *memory = own_memory();

	if (memory)
		memory->reclaim_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int reclaim_end(u64 pages, s32 status)
{
	struct memory *memory = begun();
	struct anaros_record *record;

	if (!memory)
		return 0;
	record = stall(ANAROS_KIND_MEM_RECLAIM, &memory->reclaim_ns);
	if (!record)
		return 0;
	record->status = status;
	record->size_bytes = pages << config.page_shift;
	anaros_submit(record);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int mem_reclaim_begin(u64 *ctx)
{
	return reclaim_begin();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int mem_reclaim_end(u64 *ctx)
{
	return reclaim_end(ctx[0], 0);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int mem_cgroup_begin(u64 *ctx)
{
	return reclaim_begin();
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int mem_cgroup_end(u64 *ctx)
{
	return reclaim_end(ctx[0], 1);
}

SEC("tp_btf/mm_compaction_begin")
int mem_compact_begin(u64 *ctx)
{
	struct memory *memory = own_memory();

	if (memory)
		memory->compact_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/mm_compaction_end")
int mem_compact_end(u64 *ctx)
{
	struct memory *memory = begun();
	struct anaros_record *record;

	if (!memory)
		return 0;
	record = stall(ANAROS_KIND_MEM_COMPACT, &memory->compact_ns);
	if (!record)
		return 0;
	record->status = (s32)ctx[4];
	anaros_submit(record);
	return 0;
}

SEC("tp_btf/mm_migrate_pages_start")
int mem_migrate_begin(u64 *ctx)
{
	struct memory *memory = own_memory();

	if (memory)
		memory->migrate_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/mm_migrate_pages")
int mem_migrate_end(u64 *ctx)
{
	struct memory *memory = begun();
	struct anaros_record *record;

	if (!memory)
		return 0;
	record = stall(ANAROS_KIND_MEM_MIGRATE, &memory->migrate_ns);
	if (!record)
		return 0;
	record->size_bytes = ctx[0] << config.page_shift;
	record->context = ctx[1] << config.page_shift;
	record->status = (s32)ctx[7];
	anaros_submit(record);
	return 0;
}

/* 6.8 passes the victim instead of its pid (72ba14deb40a), which no address looks like. */
#define PIDS_MAX (1ull << 22)

SEC("tp_btf/mark_victim")
int mem_oom(u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct task_struct *victim;
	struct anaros_record *record;
	u64 argument = 0; /* a number: the verifier forbids to compare the pointer */
	u32 pid;

	bpf_probe_read_kernel(&argument, sizeof(argument), ctx);
	victim = (const void *)argument;
	pid = argument >= PIDS_MAX ? BPF_CORE_READ(victim, tgid) : argument;
	if (!bpf_map_lookup_elem(&tree, &pid)) {
		anaros_count(ANAROS_PROBE_MEM, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	record = anaros_reserve(ANAROS_PROBE_MEM, ANAROS_KIND_MEM_OOM);
	if (!record)
		return 0;
	record->start_ns = bpf_ktime_get_ns();
	record->pid = pid;
	record->tid = pid;
	record->object = task->tgid;
	if (!anaros_task(task)) {
		record->flags |= ANAROS_FLAG_OTHER_TENANT;
		anaros_name_process(ANAROS_PROBE_MEM, task, record->start_ns);
	}
	anaros_submit(record);
	return 0;
}

/* Tells the faults of a thread since the last time. */
static __always_inline void tell_faults(struct task_struct *task, struct memory *memory, u64 now)
{
	const struct task_struct___faults *counted =
	    anaros_look_as(struct task_struct___faults, task);
	u64 minor = counted->min_flt, major = counted->maj_flt;
	struct anaros_record *record;

	if (minor == memory->minor && major == memory->major)
		return;
	record = anaros_reserve(ANAROS_PROBE_MEM, ANAROS_KIND_MEM_FAULTS);
	if (!record)
		return;
	record->start_ns = memory->told_ns;
	record->address = now - memory->told_ns;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->size_bytes = minor - memory->minor;
	record->context = major - memory->major;
	anaros_submit(record);
	memory->minor = minor;
	memory->major = major;
	memory->told_ns = now;
}

/*
 * Run once a second. A thread that is older than the first run has faults from
 * before, which nobody asked for.
 */
SEC("iter/task")
int mem_totals(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	const struct task_struct___faults *counted;
	struct memory *memory;
	u64 now = bpf_ktime_get_ns();

	if (!faults_since_ns)
		faults_since_ns = now;
	if (!task || !anaros_task(task))
		return 0;
	memory = bpf_task_storage_get(&memories, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!memory)
		return 0;
	if (!memory->told_ns) {
		memory->told_ns = anaros_look(task)->start_time;
		if (memory->told_ns < faults_since_ns) {
			counted = anaros_look_as(struct task_struct___faults, task);
			memory->minor = counted->min_flt;
			memory->major = counted->maj_flt;
			memory->told_ns = faults_since_ns;
		}
	}
	tell_faults(task, memory, now);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int mem_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct memory *memory;

	if (!faults_since_ns || !anaros_task(task))
		return 0;
	memory = bpf_task_storage_get(&memories, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!memory)
		return 0;
	if (!memory->told_ns) {
		memory->told_ns = anaros_look(task)->start_time;
		if (memory->told_ns < faults_since_ns)
			return 0;
	}
	tell_faults(task, memory, bpf_ktime_get_ns());
	return 0;
}

/* Run where the probe goes for a while, and before it comes back: see forget.bpf.c. */
SEC("iter/task")
int forget_mem(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct memory *memory;

	if (!task || !anaros_marked(task))
		return 0;
	memory = bpf_task_storage_get(&memories, task, NULL, 0);
	if (!memory)
		return 0;
	memory->reclaim_ns = 0;
	memory->compact_ns = 0;
	memory->migrate_ns = 0;
	return 0;
}
