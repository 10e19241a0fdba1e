/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few fields of kernel structures that the probes read. CO-RE finds each
 * in the running kernel's BTF by name, so order and completeness do not matter.
 * What moved or changed between kernels stands in core_fixes.bpf.h instead.
 */
#ifndef ANAROS_EBPF_KERNEL_H
#define ANAROS_EBPF_KERNEL_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef _Bool bool;

#define false 0
#define true 1

#define ANAROS_KERNEL_TYPE __attribute__((preserve_access_index))

struct bpf_local_storage;
struct bpf_map;
struct seq_file;

typedef struct {
	int counter;
} ANAROS_KERNEL_TYPE atomic_t;

struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
} ANAROS_KERNEL_TYPE;

struct ns_common {
	unsigned int inum;
} ANAROS_KERNEL_TYPE;

struct pid_namespace {
	struct ns_common ns;
} ANAROS_KERNEL_TYPE;

struct upid {
	int nr;
	struct pid_namespace *ns;
} ANAROS_KERNEL_TYPE;

struct pid {
	unsigned int level;
	struct upid numbers[1];
} ANAROS_KERNEL_TYPE;

struct rq;

struct cfs_rq {
	struct rq *rq;
	int throttle_count; /* of it or a group above it */
} ANAROS_KERNEL_TYPE;

struct sched_entity {
	struct cfs_rq *cfs_rq;
	u64 sum_exec_runtime;
} ANAROS_KERNEL_TYPE;

struct task_io_accounting {
	u64 rchar; /* all four with CONFIG_TASK_XACCT */
	u64 wchar;
	u64 syscr;
	u64 syscw;
} ANAROS_KERNEL_TYPE;

struct thread_info {
	u32 cpu;    /* since 5.16 on x86 */
	u32 status; /* x86 */
} ANAROS_KERNEL_TYPE;

/* Of the way into the kernel, on x86 and arm64. */
struct pt_regs___entry {
	unsigned long orig_ax;
	unsigned long di;
	unsigned long ip;
	int syscallno;
	u64 orig_x0;
	u64 pc;
} ANAROS_KERNEL_TYPE;

struct mm_struct {
	unsigned long saved_auxv[2];
	unsigned long env_start;
	unsigned long env_end;
} ANAROS_KERNEL_TYPE;

/* libbpf searches the kernel's BTF once for each type here: 2 ms of each start. */
struct task_struct {
	struct thread_info thread_info;
	unsigned int __state; /* since 5.14 */
	long state;           /* until 5.13 */
	void *stack;
	unsigned int flags;
	unsigned int cpu; /* until 5.15 */
	int on_cpu;       /* with CONFIG_SMP */
	struct sched_entity se;
	bool throttled; /* since 6.18 */
	int exit_code;
	unsigned int in_iowait : 1;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	u64 start_time;
	char comm[16];
	struct signal_struct *signal;
	struct task_io_accounting ioac;
	struct bpf_local_storage *bpf_storage;
	struct mm_struct *mm;
	int softirq_disable_cnt; /* with PREEMPT_RT */
} ANAROS_KERNEL_TYPE;

/* Not structures of the kernel but what it hands to iterators: always these. */
struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};

struct linux_binprm {
	const char *filename;
} ANAROS_KERNEL_TYPE;

struct gendisk {
	int major;
	int first_minor;
} ANAROS_KERNEL_TYPE;

struct request_queue {
	void *elevator;
	struct gendisk *disk;
} ANAROS_KERNEL_TYPE;

struct request {
	struct request_queue *q;
	struct gendisk *rq_disk; /* until 5.16 */
	unsigned int cmd_flags;
	unsigned int __data_len;
	u64 __sector;
} ANAROS_KERNEL_TYPE;

typedef struct {
	s64 counter;
} ANAROS_KERNEL_TYPE atomic64_t;

struct sock_common {
	atomic64_t skc_cookie;
	unsigned char skc_state;
	unsigned long skc_flags;
} ANAROS_KERNEL_TYPE;

struct sock {
	struct sock_common __sk_common;
	u16 sk_type;
	u16 sk_protocol; /* since 5.6 a field that has an address */
	struct bpf_local_storage *sk_bpf_storage;
} ANAROS_KERNEL_TYPE;

struct tcp_sock {
	u32 rcv_nxt;
	u32 copied_seq;
	u32 snd_una;
	u32 write_seq;
	u64 bytes_received;
	u64 bytes_acked;
	u32 srtt_us; /* eight times that */
} ANAROS_KERNEL_TYPE;

struct Qdisc {
	void *enqueue;
	unsigned int flags;
} ANAROS_KERNEL_TYPE;

struct net_device {
	int ifindex;
	struct Qdisc *qdisc;
} ANAROS_KERNEL_TYPE;

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	u16 queue_mapping;
} ANAROS_KERNEL_TYPE;

struct napi_struct {
	struct net_device *dev;
	unsigned int napi_id;
} ANAROS_KERNEL_TYPE;

#define PF_KTHREAD        0x00200000
#define PF_IO_WORKER      0x00000010
#define PF_EXITING        0x00000004
#define PF_USER_WORKER    0x00004000
#define TS_COMPAT         0x0002
#define SIGNAL_GROUP_EXIT 0x00000004
#define TCQ_F_MQROOT      0x8
#define REQ_OP_MASK       0xff
#define TCP_SYN_SENT      2
#define TCP_CLOSE         7
#define TCP_LISTEN        10
#define IPPROTO_TCP       6
#define SOCK_STREAM       1
#define SOCK_DONE         1

#endif
