// SPDX-License-Identifier: Apache-2.0
/*
 * What a request finds in the queue of its device when it is issued, and which
 * file it is for: of the page cache the first page tells, direct I/O goes past it.
 *
 * Only requests that block.bpf.c follows are counted, and only from the first
 * of the target on; of those, each device has as many processes as there are
 * places, and the rest together as pid 0.
 */
#include "block.bpf.h"
#include "inode.bpf.h"

#define PLACES            8
#define MAPPING_FLAGS     3
#define COUNT_MASK        0xffffull
#define COMPOUND_HEAD_BIT 1

struct page___seen {
	u64 compound_head;
} ANAROS_KERNEL_TYPE;

struct folio___queued {
	struct address_space___seen *mapping; /* or none: the low bits say so */
	unsigned long index;
} ANAROS_KERNEL_TYPE;

struct bio_vec___seen {
	u64 bv_page;
} ANAROS_KERNEL_TYPE;

struct bvec_iter___seen {
	unsigned int bi_idx;
} ANAROS_KERNEL_TYPE;

struct bio___seen {
	struct bvec_iter___seen bi_iter;
	struct bio_vec___seen *bi_io_vec;
} ANAROS_KERNEL_TYPE;

struct blk_mq_hw_ctx___seen {
	unsigned int queue_num;
} ANAROS_KERNEL_TYPE;

struct request___queued {
	struct blk_mq_hw_ctx___seen *mq_hctx;
	unsigned int __data_len;
	struct bio___seen *bio;
} ANAROS_KERNEL_TYPE;

/* A request in the device's queue, and what will be told of it when it is done. */
struct queued {
	struct anaros_record record; /* kind 0: nothing */
	u32 device;
	u32 size_bytes;
	u32 place;
	u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct queued);
} queue SEC(".maps");

/* The queue of a device: in all, and by process, each pid << 32 | requests. */
struct depth {
	u64 requests;
	u64 bytes;
	u64 places[PLACES + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, struct depth);
} depths SEC(".maps");

static __always_inline struct depth *depth_of(u32 device)
{
	struct depth *depth = bpf_map_lookup_elem(&depths, &device);
	struct depth fresh = {};

	if (depth)
		return depth;
	bpf_map_update_elem(&depths, &device, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&depths, &device);
}

/* The process's own place, or one that nobody has, or the last, which is everybody's. */
static __always_inline u32 take_place(struct depth *depth, u32 pid)
{
	u64 now;
	u32 i;

#pragma unroll
	for (i = 0; i < PLACES; i++) {
		now = ANAROS_READ_ONCE(depth->places[i]);
		if (now >> 32 == pid && pid) {
			__sync_fetch_and_add(&depth->places[i], 1);
			return i;
		}
	}
#pragma unroll
	for (i = 0; i < PLACES; i++) {
		now = ANAROS_READ_ONCE(depth->places[i]);
		if (!(u32)now && pid &&
		    __sync_val_compare_and_swap(&depth->places[i], now, (u64)pid << 32 | 1) == now)
			return i;
	}
	__sync_fetch_and_add(&depth->places[PLACES], 1);
	return PLACES;
}

/* Of all other processes the one with the most requests: count << 32 | pid. */
static __always_inline u64 most_of_others(struct depth *depth, u32 pid)
{
	u64 most = (u64)(u32)depth->places[PLACES] << 32;
	u64 now;
	u32 i;

#pragma unroll
	for (i = 0; i < PLACES; i++) {
		now = ANAROS_READ_ONCE(depth->places[i]);
		if (now >> 32 != pid && (u32)now > most >> 32)
			most = (u64)(u32)now << 32 | now >> 32;
	}
	return most;
}

struct carried {
	u64 object;
	u64 offset;
};

/* The file that the first page of a request belongs to. */
static __always_inline void carried_by(const struct request___queued *request, struct carried *to)
{
	const struct bio___seen *bio = request->bio;
	const struct bio_vec___seen *vector;
	const struct page___seen *page;
	const struct folio___queued *folio;
	const struct address_space___seen *mapping;
	u64 address = 0, head = 0,
	    mapped = 0; /* numbers: the verifier forbids to look into pointers */

	if (!bio)
		return;
	vector = bio->bi_io_vec;
	bpf_probe_read_kernel(
	    &address, sizeof(address),
	    (void *)((u64)vector +
		     bio->bi_iter.bi_idx * bpf_core_type_size(struct bio_vec___seen)));
	if (!address)
		return;
	page = anaros_look_as(struct page___seen, address);
	bpf_core_read(&head, sizeof(head), &page->compound_head);
	if (!(head & COMPOUND_HEAD_BIT))
		head = address + COMPOUND_HEAD_BIT;
	head -= COMPOUND_HEAD_BIT;
	folio = anaros_look_as(struct folio___queued, head);
	bpf_core_read(&mapped, sizeof(mapped), &folio->mapping);
	if (!mapped || mapped & MAPPING_FLAGS)
		return;
	mapping = anaros_look_as(struct address_space___seen, mapped);
	to->object = anaros_inode_number(mapping->host);
	to->offset = (folio->index + (address - head) / bpf_core_type_size(struct page___seen))
		     << config.page_shift;
}

static __always_inline void find(struct anaros_record *record, const struct io *io,
				 const struct request___queued *request, struct depth *depth)
{
	struct carried carried = {};
	u64 most;

	if (io->owner == OWNER_OTHER)
		return;
	carried_by(request, &carried);
	if (io->owner != OWNER_TARGET && !carried.object)
		return;
	most = most_of_others(depth, io->pid);
	record->kind = ANAROS_KIND_BLOCK_ISSUE;
	record->start_ns = io->issue_ns;
	record->pid = io->pid;
	record->tid = io->tid;
	record->flags = ANAROS_FLAG_KERNEL;
	if (carried.object)
		record->flags |= ANAROS_FD_REGULAR | ANAROS_FLAG_OFFSET;
	record->object = carried.object;
	record->address = carried.offset;
	record->status = depth->requests;
	record->size_bytes = depth->bytes;
	record->context = (u64)(request->mq_hctx->queue_num & COUNT_MASK) << 48 |
			  (most >> 32 & COUNT_MASK) << 32 | (u32)most;
}

SEC("tp_btf/block_rq_issue")
int queue_issue(u64 *ctx)
{
	const struct request___queued *request = anaros_look_as(struct request___queued, ctx[0]);
	struct queued fresh = {}, *known;
	struct depth *depth;
	struct io *io;
	u64 key = ctx[0];

	io = bpf_map_lookup_elem(&requests, &key);
	if (!io)
		return 0;
	known = bpf_map_lookup_elem(&queue, &key);
	if (known) { /* the device had no room for it, and it comes again */
		known->record.start_ns = io->issue_ns;
		return 0;
	}
	depth = depth_of(io->device);
	if (!depth) {
		anaros_count(ANAROS_PROBE_QUEUE, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	find(&fresh.record, io, request, depth);
	fresh.device = io->device;
	fresh.size_bytes = io->size_bytes;
	fresh.place = take_place(depth, io->pid);
	__sync_fetch_and_add(&depth->requests, 1);
	__sync_fetch_and_add(&depth->bytes, fresh.size_bytes);
	if (bpf_map_update_elem(&queue, &key, &fresh, BPF_ANY))
		anaros_count(ANAROS_PROBE_QUEUE, ANAROS_COUNTER_UNTRACKED);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int queue_complete(u64 *ctx)
{
	const struct request___queued *request = anaros_look_as(struct request___queued, ctx[0]);
	struct queued *queued;
	struct depth *depth;
	u64 key = ctx[0];
	u32 place;

	queued = bpf_map_lookup_elem(&queue, &key);
	if (!queued)
		return 0;
	if (!(s32)ctx[1] && (u32)ctx[2] < request->__data_len)
		return 0; /* the rest is still under way */
	if (queued->record.kind &&
	    bpf_ringbuf_output(&ring, &queued->record, sizeof(queued->record), BPF_RB_NO_WAKEUP))
		anaros_count(ANAROS_PROBE_QUEUE, ANAROS_COUNTER_DROPPED);
	depth = depth_of(queued->device);
	if (depth) {
		place = queued->place;
		__sync_fetch_and_add(&depth->requests, -1);
		__sync_fetch_and_add(&depth->bytes, -(u64)queued->size_bytes);
		if (place <= PLACES)
			__sync_fetch_and_add(&depth->places[place], -1);
	}
	bpf_map_delete_elem(&queue, &key);
	return 0;
}
