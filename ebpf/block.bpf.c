// SPDX-License-Identifier: Apache-2.0
/*
 * Block layer: each request from issue to completion.
 */
#include "block.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, struct device);
} devices SEC(".maps");

#define anaros_put_new(map, key, value) bpf_map_update_elem(&map, key, value, BPF_NOEXIST)

typedef const struct request *anaros_request;
typedef u64 anaros_key; /* its address */

static __always_inline anaros_key anaros_key_of(anaros_request request)
{
	return (u64)request;
}

static __always_inline u32 anaros_device(anaros_request request)
{
	struct gendisk *disk = anaros_request_disk(request);

	return disk ? (u32)disk->major << 20 | disk->first_minor : 0;
}

static __always_inline u64 anaros_sector(anaros_request request)
{
	return request->__sector;
}

static __always_inline u32 anaros_bytes(anaros_request request)
{
	return request->__data_len;
}

static __always_inline u32 anaros_operation(anaros_request request)
{
	return request->cmd_flags & REQ_OP_MASK;
}

static __always_inline bool anaros_has_scheduler(anaros_request request)
{
	return request->q->elevator;
}

static __always_inline bool anaros_is_kernels(anaros_event ctx, const struct task_struct *task)
{
	return task->flags & PF_KTHREAD;
}

/* The address stays. */
static __always_inline void anaros_advance(anaros_key key, struct io *io, u32 bytes)
{
}

#include "handlers/block.h"

SEC("tp_btf/block_rq_insert")
int block_insert(u64 *ctx)
{
	anaros_on_insert(ctx, anaros_look_as(struct request, ctx[0]));
	return 0;
}

SEC("tp_btf/block_rq_issue")
int block_issue(u64 *ctx)
{
	anaros_on_issue(ctx, anaros_look_as(struct request, ctx[0]));
	return 0;
}

SEC("tp_btf/block_rq_complete")
int block_complete(u64 *ctx)
{
	anaros_on_complete(ctx[0], anaros_block_error(ctx[1]), ctx[2]);
	return 0;
}

SEC("tp_btf/block_rq_merge")
int block_merge(u64 *ctx)
{
	anaros_on_merge(ctx[0]);
	return 0;
}
