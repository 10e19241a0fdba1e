// SPDX-License-Identifier: Apache-2.0
/*
 * Block layer: each request from issue to completion, with the time it waited
 * for its issue.
 *
 * The owner of a request is the thread that inserted it into the I/O scheduler;
 * without a scheduler, the one that issued it. (With one, whoever happens to
 * dispatch issues the requests of all.) A kernel thread (writeback, journal) or
 * an interrupt works for somebody that the request does not name, and a flush
 * serves whoever waits for it: the owner is then unknown, pid 0, and the request
 * is neither the target's nor another tenant's.
 *
 * Requests of others are followed only on devices where the target has I/O in
 * flight or had some a moment ago; the rest is counted.
 */
#include "block.bpf.h"

struct device {
	u64 last_ns; /* the target's last request began or ended */
	u64 in_flight;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, struct device);
} devices SEC(".maps");

static __always_inline u32 device_number(const struct request *request)
{
	struct gendisk *disk = anaros_request_disk(request);

	return disk ? (u32)disk->major << 20 | disk->first_minor : 0;
}

static __always_inline u32 current_owner(const u64 *ctx)
{
	struct task_struct *task;

	if (anaros_context(ctx) != ANAROS_CONTEXT_TASK)
		return OWNER_UNKNOWN;
	if (anaros_current_task(ANAROS_PROBE_BLOCK))
		return OWNER_TARGET;
	task = bpf_get_current_task_btf();
	return task->flags & PF_KTHREAD || !task->pid ? OWNER_UNKNOWN : OWNER_OTHER;
}

static __always_inline void touch(u32 number, u64 now, s32 in_flight)
{
	struct device *device = bpf_map_lookup_elem(&devices, &number);

	if (!device) {
		struct device fresh = {.last_ns = now};

		bpf_map_update_elem(&devices, &number, &fresh, BPF_NOEXIST);
		device = bpf_map_lookup_elem(&devices, &number);
		if (!device)
			return;
	}
	device->last_ns = now;
	__sync_fetch_and_add(&device->in_flight, (s64)in_flight);
}

static __always_inline bool concerns_target(u32 number, u64 now)
{
	struct device *device = bpf_map_lookup_elem(&devices, &number);

	return device && (device->in_flight || now - device->last_ns < config.block_recent_ns);
}

/* The first sight of a request: whose is it, and does it matter? */
static __always_inline void begin(const u64 *ctx, u64 now, bool issued)
{
	const struct request *request = anaros_look_as(struct request, ctx[0]);
	u64 key = ctx[0];
	struct io io = {
	    .device = device_number(request),
	    .owner = OWNER_UNKNOWN,
	};

	if (!issued || !request->q->elevator)
		io.owner = current_owner(ctx);
	if (io.owner != OWNER_TARGET && !concerns_target(io.device, now)) {
		anaros_count(ANAROS_PROBE_BLOCK, ANAROS_COUNTER_OTHERS);
		return;
	}
	if (issued) {
		io.issue_ns = now;
		io.sector = request->__sector;
		io.size_bytes = io.left_bytes = request->__data_len;
		io.operation = request->cmd_flags & REQ_OP_MASK;
	} else {
		io.insert_ns = now;
	}
	if (io.owner != OWNER_UNKNOWN) {
		struct task_struct *task = bpf_get_current_task_btf();

		io.pid = task->tgid;
		io.tid = task->pid;
		if (io.owner == OWNER_OTHER)
			anaros_name_process(ANAROS_PROBE_BLOCK, task, now);
	}
	if (bpf_map_update_elem(&requests, &key, &io, BPF_ANY)) {
		anaros_count(ANAROS_PROBE_BLOCK, ANAROS_COUNTER_UNTRACKED);
		return;
	}
	if (io.owner == OWNER_TARGET)
		touch(io.device, now, 1);
}

static __always_inline void end(u64 key, struct io *io, u64 now)
{
	if (io->owner == OWNER_TARGET)
		touch(io->device, now, -1);
	bpf_map_delete_elem(&requests, &key);
}

SEC("tp_btf/block_rq_insert")
int block_insert(u64 *ctx)
{
	u64 key = ctx[0];

	/* A request that comes back from the driver keeps its owner. */
	if (!bpf_map_lookup_elem(&requests, &key))
		begin(ctx, bpf_ktime_get_ns(), false);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int block_issue(u64 *ctx)
{
	const struct request *request = anaros_look_as(struct request, ctx[0]);
	u64 now = bpf_ktime_get_ns();
	u64 key = (u64)request;
	struct io *io = bpf_map_lookup_elem(&requests, &key);

	if (!io) {
		begin(ctx, now, true);
		return 0;
	}
	/* Merges end here: now the request has its final extent. */
	io->issue_ns = now;
	io->sector = request->__sector;
	io->size_bytes = io->left_bytes = request->__data_len;
	io->operation = request->cmd_flags & REQ_OP_MASK;
	return 0;
}

SEC("tp_btf/block_rq_complete")
int block_complete(u64 *ctx)
{
	u64 key = ctx[0];
	s32 error = anaros_block_error(ctx[1]);
	u32 bytes = ctx[2];
	struct io *io = bpf_map_lookup_elem(&requests, &key);
	struct anaros_record *record;
	u64 now;

	if (!io || !io->issue_ns)
		return 0;
	if (!error && bytes < io->left_bytes) {
		io->left_bytes -= bytes; /* the rest is still under way */
		return 0;
	}
	now = bpf_ktime_get_ns();
	record = anaros_reserve(ANAROS_PROBE_BLOCK, ANAROS_KIND_BLOCK_IO);
	if (record) {
		record->start_ns = io->issue_ns;
		record->duration_ns = now - io->issue_ns;
		record->pid = io->pid;
		record->tid = io->tid;
		record->status = error ? error : (s32)io->operation;
		record->object = io->device;
		record->size_bytes = io->size_bytes;
		record->address = io->sector;
		record->context = io->insert_ns ? io->issue_ns - io->insert_ns : 0;
		if (io->owner == OWNER_OTHER)
			record->flags |= ANAROS_FLAG_OTHER_TENANT;
		anaros_submit(record);
	}
	end(key, io, now);
	return 0;
}

/* A request that was merged into another never completes. */
SEC("tp_btf/block_rq_merge")
int block_merge(u64 *ctx)
{
	u64 key = ctx[0];
	struct io *io = bpf_map_lookup_elem(&requests, &key);

	if (io)
		end(key, io, bpf_ktime_get_ns());
	return 0;
}
