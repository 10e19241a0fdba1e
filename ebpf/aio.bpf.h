/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux AIO: operations that a thread hands to the kernel by io_submit, until
 * their results are handed out by io_getevents, to whichever thread. Who takes
 * results out of the ring in memory instead is not seen to do so.
 */
#ifndef ANAROS_EBPF_AIO_H
#define ANAROS_EBPF_AIO_H

#include <linux/aio_abi.h>
#include "files.bpf.h"

/* Of one call; more are counted and not followed. */
#define ANAROS_AIO_MAX 256

/* Operations that move bytes, by their numbers; the latter two from a list of buffers. */
#define ANAROS_AIO_MOVES   (1u << 0 | 1u << 1 | 1u << 7 | 1u << 8)
#define ANAROS_AIO_VECTORS (1u << 7 | 1u << 8)

struct anaros_aio_key {
	u64 at; /* of its struct iocb */
	u64 pid;
};

struct anaros_aio {
	u64 submit_ns;
	u64 object;
	u64 address;
	u64 offset;
	u32 tid;
	u16 flags;
	u16 operation;
};

/* Operations under way. One whose result nobody takes is evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct anaros_aio_key);
	__type(value, struct anaros_aio);
} aios SEC(".maps");

/* A call that hands operations over, or takes their results. */
struct anaros_aio_call {
	struct task_struct *task;
	u64 list;
	u64 now_ns;
	u32 first; /* of those that were not taken */
};

static __always_inline u64 anaros_aio_at(u64 list, u32 place)
{
	u64 at = 0;

	bpf_probe_read_user(&at, sizeof(at), (void *)(list + 8ull * place));
	return at;
}

static long anaros_aio_submit_one(u32 place, struct anaros_aio_call *call)
{
	struct anaros_aio_key key = {.pid = call->task->tgid};
	struct anaros_aio operation = {.submit_ns = call->now_ns};
	struct anaros_file file;
	struct iocb iocb;

	key.at = anaros_aio_at(call->list, place);
	if (bpf_probe_read_user(&iocb, sizeof(iocb), (void *)key.at)) {
		anaros_count(ANAROS_PROBE_CALLS, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	anaros_file_of(call->task, iocb.aio_fildes, &file);
	anaros_name_file(&file, call->now_ns, call->task->tgid);
	operation.object = file.object;
	operation.flags = file.flags;
	operation.tid = call->task->pid;
	operation.operation = iocb.aio_lio_opcode;
	operation.address = iocb.aio_buf;
	operation.offset = iocb.aio_offset;
	if (iocb.aio_lio_opcode < 16 && ANAROS_AIO_VECTORS >> iocb.aio_lio_opcode & 1)
		bpf_probe_read_user(&operation.address, 8, (void *)iocb.aio_buf); /* iov_base */
	if (bpf_map_update_elem(&aios, &key, &operation, BPF_ANY))
		anaros_count(ANAROS_PROBE_CALLS, ANAROS_COUNTER_UNTRACKED);
	return 0;
}

/* How many of a call's operations are looked at; the others are counted. */
static __always_inline s64 anaros_aio_followed(s64 count)
{
	if (count <= ANAROS_AIO_MAX)
		return count;
	anaros_count_many(ANAROS_PROBE_CALLS, ANAROS_COUNTER_UNTRACKED, count - ANAROS_AIO_MAX);
	return ANAROS_AIO_MAX;
}

/*
 * Before the call: what it hands over may be done and used again by another
 * thread before it returns.
 */
static __always_inline void anaros_aio_submit(struct task_struct *task, u64 list, s64 count,
					      u64 now_ns)
{
	struct anaros_aio_call call = {.task = task, .list = list, .now_ns = now_ns};

	count = anaros_aio_followed(count);
	if (count > 0)
		bpf_loop(count, anaros_aio_submit_one, &call, 0);
}

static long anaros_aio_refuse_one(u32 step, struct anaros_aio_call *call)
{
	struct anaros_aio_key key = {.pid = call->task->tgid};

	key.at = anaros_aio_at(call->list, call->first + step);
	bpf_map_delete_elem(&aios, &key);
	return 0;
}

/* After it: so many were taken. */
static __always_inline void anaros_aio_submitted(struct task_struct *task, u64 list, s64 count,
						 s64 taken)
{
	struct anaros_aio_call call = {.task = task, .list = list};

	call.first = taken > 0 ? taken : 0;
	count = count < ANAROS_AIO_MAX ? count : ANAROS_AIO_MAX;
	if (count > (s64)call.first)
		bpf_loop(count - call.first, anaros_aio_refuse_one, &call, 0);
}

static long anaros_aio_reap_one(u32 place, struct anaros_aio_call *call)
{
	struct anaros_aio_key key = {.pid = call->task->tgid};
	struct anaros_aio *operation;
	struct anaros_record *record;
	struct io_event event;

	if (bpf_probe_read_user(&event, sizeof(event), (void *)(call->list + 32ull * place))) {
		anaros_count(ANAROS_PROBE_CALLS, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	key.at = event.obj;
	operation = bpf_map_lookup_elem(&aios, &key);
	if (!operation)
		return 0; /* handed over before anybody looked */
	record = anaros_reserve(ANAROS_PROBE_CALLS, ANAROS_KIND_FILE_AIO);
	if (record) {
		record->start_ns = operation->submit_ns;
		record->duration_ns = call->now_ns - operation->submit_ns;
		record->pid = key.pid;
		record->tid = operation->tid;
		record->flags |= operation->flags | ANAROS_FLAG_ASYNC;
		record->status = event.res;
		record->object = operation->object;
		record->address = operation->address;
		record->context = operation->operation | operation->offset << 8;
		if (event.res > 0 && operation->operation < 16 &&
		    ANAROS_AIO_MOVES >> operation->operation & 1)
			record->size_bytes = event.res;
		anaros_submit(record);
	}
	bpf_map_delete_elem(&aios, &key);
	return 0;
}

/* After io_getevents. */
static __always_inline void anaros_aio_reaped(struct task_struct *task, u64 list, s64 count,
					      u64 now_ns)
{
	struct anaros_aio_call call = {.task = task, .list = list, .now_ns = now_ns};

	count = anaros_aio_followed(count);
	if (count > 0)
		bpf_loop(count, anaros_aio_reap_one, &call, 0);
}

#endif
