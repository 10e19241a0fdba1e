/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every difference between kernels that the probes know of, in one place, each
 * with the release that brought it. The oldest kernel served is Linux 5.12
 * (task and socket storage in tracing programs).
 */
#ifndef ANAROS_EBPF_CORE_FIXES_H
#define ANAROS_EBPF_CORE_FIXES_H

#include "kernel.bpf.h"
#include "handlers/types.h"

extern const volatile struct anaros_config config;

/*
 * 6.3 lets a pointer that is followed out of a trusted structure stay trusted
 * if it is on a list (57539b1c0ac2), and looks the list up by a linear search of
 * the whole BTF for each such load that it verifies: half a second for all
 * probes. A read-only cast (6.2, a35b9af4ec2c) yields a pointer that nobody
 * trusts, costs nothing at run time, and ends the search.
 */
extern void *bpf_rdonly_cast(const void *object, u32 type_id) __ksym __weak;

#define anaros_look_as(type, pointer)                                                              \
	((const type *)anaros_cast((const void *)(pointer), bpf_core_type_id_kernel(type)))

static __always_inline const void *anaros_cast(const void *pointer, u32 type_id)
{
	if (bpf_rdonly_cast)
		return bpf_rdonly_cast(pointer, type_id);
	return pointer;
}

/* A task to be looked at only; helpers want the pointer that the kernel handed over. */
static __always_inline const struct task_struct *anaros_look(const struct task_struct *task)
{
	return anaros_look_as(struct task_struct, task);
}

/*
 * 5.14 renamed task_struct.state to __state (2f064a59a11f).
 * 5.18 passes the state to sched_switch (9c2136be0878): the field itself may
 * already have been changed by a waker on another CPU. The loader reads the
 * number of arguments from BTF; the verifier never sees the other branch.
 */
static __always_inline u32 anaros_switch_state(const u64 *ctx, const struct task_struct *prev)
{
	if (config.switch_has_state)
		return ctx[3];
	if (bpf_core_field_exists(prev->__state))
		return prev->__state;
	return prev->state;
}

/*
 * Is a thread that leaves its CPU kept off it by the quota of its cgroup? 6.18
 * takes the thread itself off the queue (e1fad12dcb66), at its return to user
 * space; before, the queue of its group goes, with all that is on it.
 */
static __always_inline bool anaros_throttled(const struct task_struct *task)
{
	const struct task_struct *prev = anaros_look(task);

	if (bpf_core_field_exists(prev->throttled))
		return prev->throttled;
	if (bpf_core_field_exists(prev->se.cfs_rq->throttle_count))
		return prev->se.cfs_rq->throttle_count > 0;
	return false;
}

/*
 * What a thread sleeps in, by the registers with which it came into the kernel,
 * and the first argument of the call. The helper that finds them came with 5.15
 * (dd6e10fbd9fb). No system call is -1, which then is a page fault: nothing else
 * that interrupts a program sleeps before it is done. Threads that the kernel
 * made have no such registers, those of another mode have other numbers.
 */
static __always_inline u32 anaros_cause(struct task_struct *task, u64 *argument)
{
	const struct task_struct *looked = anaros_look(task);
	const struct pt_regs___entry *entry;
	s32 number;

	*argument = 0;
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs) ||
	    looked->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		return ANAROS_CAUSE_UNKNOWN;
	if (bpf_core_field_exists(looked->thread_info.status) &&
	    looked->thread_info.status & TS_COMPAT)
		return ANAROS_CAUSE_UNKNOWN;
	entry = (const struct pt_regs___entry *)bpf_task_pt_regs(task);
	if (bpf_core_field_exists(entry->orig_ax)) {
		number = entry->orig_ax;
		*argument = number < 0 ? entry->ip : entry->di;
	} else if (bpf_core_field_exists(entry->syscallno)) {
		number = entry->syscallno;
		*argument = number < 0 ? entry->pc : entry->orig_x0;
	} else {
		return ANAROS_CAUSE_UNKNOWN;
	}
	if (number < 0)
		return ANAROS_CAUSE_FAULT;
	return number < ANAROS_CAUSE_FAULT ? number : ANAROS_CAUSE_UNKNOWN;
}

/*
 * 5.16 moved the CPU of a task to thread_info on x86 (bcf9033e5449).
 */
static __always_inline u32 anaros_task_cpu(const struct task_struct *task)
{
	if (bpf_core_field_exists(task->thread_info.cpu))
		return task->thread_info.cpu;
	return task->cpu;
}

/*
 * Is `current` the cause of an event, or a bystander that was interrupted?
 *
 * The preempt count tells, but no helper gives it, it moved (a variable of its
 * own until 6.1 and since 6.15, 46e8fff6d45f; in pcpu_hot between,
 * 64701838bf05), and a kernel without CONFIG_KALLSYMS_ALL does not let a
 * program name a variable. So it is read at its distance, which the loader takes
 * from BTF, from a per-CPU structure that a pointer leads to: the run queue.
 *
 * Where that distance is not known: interrupts of either sort have stacks of
 * their own, so what lies on the task's stack was done by the task. That is
 * certain of one in a system call, for which nothing needs to be read; x86 lets
 * an interrupt that hits a program itself use that program's stack.
 */
s64 preempt_distance SEC(".data.kernel") = 0;

#define ANAROS_STACK_BYTES 16384

/* Where each CPU's preempt count is, once it was asked for; it never moves. */
#define ANAROS_CPUS_MAX 1024
u64 preempt_counts[ANAROS_CPUS_MAX] SEC(".bss.kernel") = {};

static __always_inline u64 anaros_preempt_count(const struct task_struct *task)
{
	u32 cpu = bpf_get_smp_processor_id();
	u64 queue = 0; /* a number: the verifier forbids arithmetic on the pointer */

	if (cpu < ANAROS_CPUS_MAX && preempt_counts[cpu])
		return preempt_counts[cpu];
	bpf_probe_read_kernel(&queue, sizeof(queue), &task->se.cfs_rq->rq);
	if (!queue)
		return 0;
	if (cpu < ANAROS_CPUS_MAX)
		preempt_counts[cpu] = queue + preempt_distance;
	return queue + preempt_distance;
}

/* A kernel with PREEMPT_RT runs soft interrupts on the stack of whoever raised them. */
static __always_inline bool anaros_is_preempt_rt(const struct task_struct *task)
{
	return bpf_core_field_exists(task->softirq_disable_cnt);
}

/* Has a program called the kernel, and is that on x86? */
static __always_inline bool anaros_in_call(const struct task_struct *task)
{
	const struct pt_regs___entry *entry;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs) ||
	    anaros_is_preempt_rt(task) ||
	    task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		return false;
	entry = (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return bpf_core_field_exists(entry->orig_ax) && (s64)entry->orig_ax >= 0;
}

static __always_inline enum anaros_context anaros_context(const u64 *ctx)
{
	const struct task_struct *task = anaros_look(bpf_get_current_task_btf());
	/* The low halves do: the verifier lets them out of a pointer, and 4 GiB is far. */
	bool on_stack = (u32)(u64)ctx - (u32)(u64)task->stack < ANAROS_STACK_BYTES;
	u32 count = 0;

	if (on_stack && anaros_in_call(task))
		return ANAROS_CONTEXT_TASK;
	if (preempt_distance && bpf_core_field_exists(task->se.cfs_rq->rq)) {
		if (bpf_probe_read_kernel(&count, sizeof(count),
					  (void *)anaros_preempt_count(task)))
			return ANAROS_CONTEXT_INTERRUPT;
		if (count & 0x00ff0000)
			return ANAROS_CONTEXT_INTERRUPT;
		return count & 0x0100 ? ANAROS_CONTEXT_SOFTIRQ : ANAROS_CONTEXT_TASK;
	}
	return on_stack ? ANAROS_CONTEXT_TASK : ANAROS_CONTEXT_INTERRUPT;
}

/*
 * 5.17 moved the disk of a request to its queue (f3fa33acca9f).
 */
static __always_inline struct gendisk *anaros_request_disk(const struct request *request)
{
	if (bpf_core_field_exists(request->rq_disk))
		return request->rq_disk;
	return request->q->disk;
}

/*
 * 5.16 made the error of block_rq_complete a blk_status_t, an unsigned byte;
 * before, it was -errno.
 */
static __always_inline s32 anaros_block_error(s32 error)
{
	switch (error) {
	case 1:
		return -95; /* NOTSUPP: EOPNOTSUPP */
	case 2:
		return -110; /* TIMEOUT: ETIMEDOUT */
	case 3:
		return -28; /* NOSPC: ENOSPC */
	case 4:
		return -67; /* TRANSPORT: ENOLINK */
	case 5:
		return -121; /* TARGET: EREMOTEIO */
	case 6:
		return -52; /* RESV_CONFLICT: EBADE */
	case 7:
		return -61; /* MEDIUM: ENODATA */
	case 8:
		return -84; /* PROTECTION: EILSEQ */
	case 9:
		return -12; /* RESOURCE: ENOMEM */
	default:
		return error <= 0 ? error : -5; /* anything else is an I/O error */
	}
}

/*
 * 5.17 gave kfree_skb a reason (c504e5c2f964); 6.11 the socket that was to
 * receive the packet (c53795d48ee8), which skb->sk does not tell on its way in.
 * Until 6.14 the verifier believed that socket never to be NULL and removed
 * checks of it: look at it through a cast, which reads NULL as zeros.
 */
enum skb_drop_reason {
	ANAROS_SKB_DROP_REASON_ANY,
};

static __always_inline u32 anaros_drop_reason(const u64 *ctx)
{
	if (bpf_core_type_exists(enum skb_drop_reason))
		return ctx[2];
	return 0;
}

static __always_inline struct sock *anaros_drop_socket(const u64 *ctx)
{
	if (config.drop_has_socket)
		return (struct sock *)ctx[3];
	return NULL;
}

#endif
