// SPDX-License-Identifier: Apache-2.0
/*
 * The page cache: which bytes of which file a thread of the target brought in,
 * and why, and which of its page faults had to wait for a file.
 *
 * Pages that come one after the other make one record. What ends it: another
 * file, a gap, another reason, a millisecond, or the thread.
 */
#include "inode.bpf.h"

#define RUN_NS    1000000
#define RUN_BYTES (4u << 20)
#define RETRY_NS  1000000000

struct folio___seen {
	unsigned long _flags_1;
	unsigned char _folio_order; /* until 6.5 */
	struct address_space___seen *mapping;
	unsigned long index;
} ANAROS_KERNEL_TYPE;

struct file_ra_state___seen {
	unsigned long start;
	unsigned int size;
} ANAROS_KERNEL_TYPE;

struct task_struct___majors {
	unsigned long maj_flt;
} ANAROS_KERNEL_TYPE;

enum pageflags___seen {
	PG_head___seen,
};

/* Newer kernels tell it; on others nobody says why. */
typedef void (*btf_trace_page_cache_ra_unbounded)(void *, struct inode___seen *, unsigned long,
						  unsigned long, unsigned long);

/* What a thread is bringing in, and what the kernel has announced that it will. */
struct filling {
	u64 object; /* 0: nothing */
	u64 start_ns;
	u64 last_ns;
	u64 first; /* pages */
	u64 next;
	u64 pages;
	u64 asked;
	u32 how; /* enum anaros_fill */
	u32 pending;
	u64 pending_asked;
	u64 window_inode;
	u64 window_first;
	u64 window_end;
	u64 window_asked;
	u32 window_how;
	u32 padding;
	u64 fault_ns; /* its last fault on a file; 0: none, or told */
	u64 fault_object;
	u64 fault_page;
	u64 majors;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct filling);
} fillings SEC(".maps");

/* The thread's own, made where it is not there; NULL: not the target's, or no memory. */
static __always_inline struct filling *own_filling(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct filling *filling;

	if (!anaros_current_task(ANAROS_PROBE_FILE)) {
		anaros_count(ANAROS_PROBE_FILE, ANAROS_COUNTER_OTHERS);
		return NULL;
	}
	filling = bpf_task_storage_get(&fillings, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!filling)
		anaros_count(ANAROS_PROBE_FILE, ANAROS_COUNTER_UNTRACKED);
	return filling;
}

static __always_inline void ship_filling(struct task_struct *task, struct filling *filling)
{
	/* The walk over all threads may be here at the same time: one of both has the pages. */
	u64 pages = __sync_lock_test_and_set(&filling->pages, 0);
	struct anaros_record *record;
	u32 how = filling->how;

	if (!pages)
		return;
	record =
	    anaros_reserve(ANAROS_PROBE_FILE, how == ANAROS_FILL_AHEAD ? ANAROS_KIND_FILE_READAHEAD
								       : ANAROS_KIND_FILE_FILL);
	if (!record)
		return;
	record->start_ns = filling->start_ns;
	record->duration_ns = filling->last_ns - filling->start_ns;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->flags |= ANAROS_FD_REGULAR | ANAROS_FLAG_OFFSET;
	record->status = how == ANAROS_FILL_AHEAD ? 0 : how;
	record->object = filling->object;
	record->size_bytes = pages << config.page_shift;
	record->address = filling->first << config.page_shift;
	record->context = filling->asked << config.page_shift;
	anaros_submit(record);
}

/* 6.6 moved the order of a large page into the flags of its second. */
static __always_inline u64 pages_of(const struct folio___seen *folio)
{
	u64 head = bpf_core_enum_value(enum pageflags___seen, PG_head___seen);
	u64 flags = 0;

	bpf_probe_read_kernel(&flags, sizeof(flags), folio); /* the first word, in all kernels */
	if (!(flags >> head & 1))
		return 1;
	if (bpf_core_field_exists(folio->_folio_order))
		return 1ull << (folio->_folio_order & 31);
	return 1ull << (folio->_flags_1 & 31);
}

static __always_inline u32 reason(const struct filling *filling, u64 inode, u64 index)
{
	u64 argument;

	if (filling->window_inode == inode && index >= filling->window_first &&
	    index < filling->window_end)
		return filling->window_how;
	if (anaros_cause(bpf_get_current_task_btf(), &argument) == ANAROS_CAUSE_FAULT)
		return ANAROS_FILL_FAULT;
	return bpf_core_type_exists(btf_trace_page_cache_ra_unbounded) ? ANAROS_FILL_NEW
								       : ANAROS_FILL_UNKNOWN;
}

SEC("tp_btf/mm_filemap_add_to_page_cache")
int file_fill(u64 *ctx)
{
	const struct folio___seen *folio = anaros_look_as(struct folio___seen, ctx[0]);
	struct filling *filling = own_filling();
	const struct inode___seen *inode;
	u64 index, object, pages, now;
	u32 how;

	if (!filling)
		return 0;
	inode = folio->mapping->host;
	object = anaros_inode_number(inode);
	if (!object)
		return 0;
	index = folio->index;
	pages = pages_of(folio);
	now = bpf_ktime_get_ns();
	how = reason(filling, (u64)inode, index);
	if (filling->pages && filling->object == object && filling->how == how &&
	    filling->next == index && now - filling->start_ns < RUN_NS &&
	    filling->pages << config.page_shift < RUN_BYTES) {
		__sync_fetch_and_add(&filling->pages, pages);
	} else {
		ship_filling(bpf_get_current_task_btf(), filling);
		filling->object = object;
		filling->how = how;
		filling->first = index;
		filling->start_ns = now;
		filling->asked =
		    how == ANAROS_FILL_READ || how == ANAROS_FILL_FAULT ? filling->window_asked : 0;
		filling->pages = pages;
	}
	filling->next = index + pages;
	filling->last_ns = now;
	return 0;
}

static __always_inline void pend(u32 how, u64 asked)
{
	struct filling *filling = own_filling();
	u64 argument;

	if (!filling)
		return;
	if (how == ANAROS_FILL_READ &&
	    anaros_cause(bpf_get_current_task_btf(), &argument) == ANAROS_CAUSE_FAULT)
		how = ANAROS_FILL_FAULT;
	filling->pending = how;
	filling->pending_asked = asked;
	filling->window_inode = 0;
}

/* Somebody wants pages that are not there. */
SEC("tp_btf/page_cache_sync_ra")
int file_missed(u64 *ctx)
{
	pend(ANAROS_FILL_READ, ctx[3]);
	return 0;
}

/* Somebody has come near the end of what is there. */
SEC("tp_btf/page_cache_async_ra")
int file_ahead(u64 *ctx)
{
	pend(ANAROS_FILL_AHEAD, 0);
	return 0;
}

/* A window that goes on within another has its reason; one that nobody asked for is ahead. */
static __always_inline void announce(u64 inode, u64 first, u64 pages)
{
	struct filling *filling = own_filling();
	u64 argument;

	if (!filling)
		return;
	if (filling->pending) {
		filling->window_how = filling->pending;
		filling->window_asked = filling->pending_asked;
		filling->pending = 0;
	} else if (filling->window_inode != inode || first < filling->window_first ||
		   first >= filling->window_end) {
		filling->window_how =
		    anaros_cause(bpf_get_current_task_btf(), &argument) == ANAROS_CAUSE_FAULT
			? ANAROS_FILL_FAULT
			: ANAROS_FILL_AHEAD;
		filling->window_asked = filling->window_how == ANAROS_FILL_FAULT;
	}
	filling->window_inode = inode;
	filling->window_first = first;
	filling->window_end = first + pages;
}

SEC("tp_btf/page_cache_ra_unbounded")
int file_window(u64 *ctx)
{
	announce(ctx[0], ctx[1], ctx[2]);
	return 0;
}

SEC("tp_btf/page_cache_ra_order")
int file_window_large(u64 *ctx)
{
	const struct file_ra_state___seen *state =
	    anaros_look_as(struct file_ra_state___seen, ctx[2]);
	u64 index = ctx[1], end = state->start + state->size;

	announce(ctx[0], index, end > index ? end - index : 1);
	return 0;
}

/* The kernel counts a fault as major when it is over: the next one tells of it. */
static __always_inline void tell_fault(struct task_struct *task, struct filling *filling)
{
	u64 majors = anaros_look_as(struct task_struct___majors, task)->maj_flt;
	u64 start = filling->fault_ns;
	struct anaros_record *record;

	if (!start || majors == filling->majors)
		return;
	if (__sync_val_compare_and_swap(&filling->fault_ns, start, 0) != start)
		return;
	record = anaros_reserve(ANAROS_PROBE_FILE, ANAROS_KIND_FILE_FAULT);
	if (!record)
		return;
	record->start_ns = start;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->flags |= ANAROS_FD_REGULAR | ANAROS_FLAG_OFFSET;
	record->object = filling->fault_object;
	record->size_bytes = 1ull << config.page_shift;
	record->address = filling->fault_page << config.page_shift;
	anaros_submit(record);
}

SEC("tp_btf/mm_filemap_fault")
int file_fault(u64 *ctx)
{
	const struct address_space___seen *mapping =
	    anaros_look_as(struct address_space___seen, ctx[0]);
	struct filling *filling = own_filling();
	struct task_struct *task = bpf_get_current_task_btf();
	u64 page = ctx[1], object, now;

	if (!filling)
		return 0;
	tell_fault(task, filling);
	object = anaros_inode_number(mapping->host);
	now = bpf_ktime_get_ns();
	/* A fault that had to let go of its lock comes a second time. */
	if (filling->fault_ns && filling->fault_object == object && filling->fault_page == page &&
	    now - filling->fault_ns < RETRY_NS)
		return 0;
	filling->majors = anaros_look_as(struct task_struct___majors, task)->maj_flt;
	filling->fault_object = object;
	filling->fault_page = page;
	filling->fault_ns = object ? now : 0;
	return 0;
}

static __always_inline int tell_rest(struct task_struct *task, u64 before)
{
	struct filling *filling;

	if (!anaros_marked(task))
		return 0;
	filling = bpf_task_storage_get(&fillings, task, NULL, 0);
	if (!filling)
		return 0;
	if (filling->pages && filling->last_ns < before)
		ship_filling(task, filling);
	tell_fault(task, filling);
	return 0;
}

/* Run once a second. */
SEC("iter/task")
int file_totals(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	return task ? tell_rest(task, bpf_ktime_get_ns() - RUN_NS) : 0;
}

SEC("tp_btf/sched_process_exit")
int file_exit(u64 *ctx)
{
	return tell_rest((void *)ctx[0], ~0ull);
}

/*
 * Run where the probe goes for a while, and before it comes back: see forget.bpf.c.
 * Pages that were brought in are told; which fault was a major one, nobody knows.
 */
SEC("iter/task")
int forget_file(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct filling *filling;

	if (!task || !anaros_marked(task))
		return 0;
	filling = bpf_task_storage_get(&fillings, task, NULL, 0);
	if (!filling)
		return 0;
	ship_filling(task, filling);
	filling->pending = 0;
	filling->window_inode = 0;
	filling->fault_ns = 0;
	return 0;
}
