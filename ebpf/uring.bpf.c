// SPDX-License-Identifier: Apache-2.0
/*
 * io_uring: what the target hands to the kernel without a system call of its
 * own, from the submission to the completion.
 *
 * What an operation acts on is looked at when it completes: only then has each
 * got its file. A completion may come in the context of anybody.
 */
#include "inode.bpf.h"

struct socket___seen {
	struct sock *sk;
} ANAROS_KERNEL_TYPE;

struct file___seen {
	struct inode___seen *f_inode;
	void *private_data;
} ANAROS_KERNEL_TYPE;

struct io_cqe___seen {
	u64 user_data;
	s32 res;
} ANAROS_KERNEL_TYPE;

struct io_uring_cqe___seen {
	u64 user_data;
	s32 res;
} ANAROS_KERNEL_TYPE;

struct io_kiocb___seen {
	struct file___seen *file;
	u8 opcode;
	struct io_cqe___seen cqe;
} ANAROS_KERNEL_TYPE;

struct operation {
	u64 submit_ns;
	u64 user_data;
	u32 pid;
	u32 tid;
	u32 opcode; /* and enum anaros_uring */
	u32 padding;
};

/* Requests under way, by their address. One that completes unseen is evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct operation);
} operations SEC(".maps");

/* Whether the target has used a ring yet. */
u32 uring_used = 0;

SEC("tp_btf/io_uring_submit_req")
int uring_submit(u64 *ctx)
{
	const struct io_kiocb___seen *request = anaros_look_as(struct io_kiocb___seen, ctx[0]);
	struct task_struct *task = bpf_get_current_task_btf();
	struct operation operation = {};
	u64 key = ctx[0];

	if (!anaros_current_task(ANAROS_PROBE_URING)) {
		anaros_count(ANAROS_PROBE_URING, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	uring_used = 1;
	operation.submit_ns = bpf_ktime_get_ns();
	operation.user_data = request->cqe.user_data;
	operation.pid = task->tgid;
	operation.tid = task->pid;
	operation.opcode = request->opcode;
	if (bpf_map_update_elem(&operations, &key, &operation, BPF_ANY))
		anaros_count(ANAROS_PROBE_URING, ANAROS_COUNTER_UNTRACKED);
	return 0;
}

static __always_inline int mark(u64 key, u32 what)
{
	struct operation *operation;

	if (!uring_used)
		return 0;
	operation = bpf_map_lookup_elem(&operations, &key);
	if (operation)
		operation->opcode |= what;
	return 0;
}

SEC("tp_btf/io_uring_queue_async_work")
int uring_worker(u64 *ctx)
{
	return mark(ctx[0], ANAROS_URING_WORKER);
}

SEC("tp_btf/io_uring_poll_arm")
int uring_poll(u64 *ctx)
{
	return mark(ctx[0], ANAROS_URING_POLL);
}

/* The operations whose result is a number of bytes, by their numbers in the interface. */
#define MOVES_BYTES                                                                                \
	(1ull << 1 | 1ull << 2 | 1ull << 4 | 1ull << 5 | 1ull << 9 | 1ull << 10 | 1ull << 22 |     \
	 1ull << 23 | 1ull << 26 | 1ull << 27 | 1ull << 30 | 1ull << 33 | 1ull << 47 |             \
	 1ull << 48 | 1ull << 49 | 1ull << 58 | 1ull << 60 | 1ull << 61)

static __always_inline void acted_on(const struct file___seen *file, struct anaros_record *record)
{
	const struct inode___seen *inode = file->f_inode;
	u32 type = inode->i_mode >> ANAROS_MODE_SHIFT;

	if (type == ANAROS_MODE_SOCKET) {
		const struct socket___seen *holder =
		    anaros_look_as(struct socket___seen, file->private_data);

		record->object = holder->sk->__sk_common.skc_cookie.counter;
		record->flags |= ANAROS_FD_SOCKET;
	} else {
		record->object = anaros_inode_number(inode);
		record->flags |= record->object ? ANAROS_FD_REGULAR : ANAROS_FD_UNKNOWN;
	}
}

/* More than one completion of a request: only the first words of the entry are told. */
static __always_inline void complete_more(u64 entry)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct io_uring_cqe___seen cqe = {};
	struct anaros_record *record;

	if (!anaros_task(task))
		return;
	/* Older kernels hand over no address here: then nothing is known of it. */
	if (bpf_probe_read_kernel(&cqe, sizeof(cqe), (void *)entry)) {
		anaros_count(ANAROS_PROBE_URING, ANAROS_COUNTER_UNTRACKED);
		return;
	}
	record = anaros_reserve(ANAROS_PROBE_URING, ANAROS_KIND_FILE_URING);
	if (!record)
		return;
	record->start_ns = bpf_ktime_get_ns();
	record->pid = task->tgid;
	record->tid = task->pid;
	record->flags |= ANAROS_FLAG_ASYNC;
	record->status = cqe.res;
	record->address = cqe.user_data;
	record->context = ANAROS_URING_MORE;
	anaros_submit(record);
}

SEC("tp_btf/io_uring_complete")
int uring_complete(u64 *ctx)
{
	const struct io_kiocb___seen *request;
	struct operation *operation;
	struct anaros_record *record;
	u64 key = ctx[1];
	u32 opcode;
	s32 result;

	if (!uring_used)
		return 0;
	if (!key) {
		complete_more(ctx[2]);
		return 0;
	}
	operation = bpf_map_lookup_elem(&operations, &key);
	if (!operation)
		return 0;
	request = anaros_look_as(struct io_kiocb___seen, key);
	result = request->cqe.res;
	opcode = operation->opcode & 0xff;
	record = anaros_reserve(ANAROS_PROBE_URING, ANAROS_KIND_FILE_URING);
	if (record) {
		record->start_ns = operation->submit_ns;
		record->duration_ns = bpf_ktime_get_ns() - operation->submit_ns;
		record->pid = operation->pid;
		record->tid = operation->tid;
		record->flags |= ANAROS_FLAG_ASYNC;
		record->status = result;
		if (result > 0 && opcode < 64 && MOVES_BYTES >> opcode & 1)
			record->size_bytes = result;
		record->address = operation->user_data;
		record->context = operation->opcode;
		acted_on(request->file, record);
		anaros_submit(record);
	}
	bpf_map_delete_elem(&operations, &key);
	return 0;
}
