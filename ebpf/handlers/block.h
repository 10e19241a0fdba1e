/* SPDX-License-Identifier: Apache-2.0 */
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
 *
 * The front has, beside what shared.h asks for: the maps requests and devices,
 * anaros_put_new() for the latter; anaros_request, and of it anaros_key_of(),
 * anaros_device(), anaros_sector(), anaros_bytes(), anaros_operation() and
 * anaros_has_scheduler(); anaros_current_task(), anaros_is_kernels() of an event
 * and the thread at work, and anaros_advance(), where a part of a request moves its key.
 */
#ifndef ANAROS_EBPF_HANDLERS_BLOCK_H
#define ANAROS_EBPF_HANDLERS_BLOCK_H

#include "shared.h"

static __always_inline u32 current_owner(anaros_event event)
{
	anaros_thread thread;

	if (anaros_context(event) != ANAROS_CONTEXT_TASK)
		return OWNER_UNKNOWN;
	if (anaros_current_task(ANAROS_PROBE_BLOCK))
		return OWNER_TARGET;
	thread = anaros_current();
	return anaros_is_kernels(event, thread) || !anaros_tid(thread) ? OWNER_UNKNOWN
								       : OWNER_OTHER;
}

static __always_inline void touch(u32 number, u64 now, s32 in_flight)
{
	struct device *device = anaros_find(devices, &number);

	if (!device) {
		struct device fresh = {.last_ns = now};

		anaros_put_new(devices, &number, &fresh);
		device = anaros_find(devices, &number);
		if (!device)
			return;
	}
	device->last_ns = now;
	__sync_fetch_and_add(&device->in_flight, (s64)in_flight);
}

static __always_inline bool concerns_target(u32 number, u64 now)
{
	struct device *device = anaros_find(devices, &number);

	return device && (device->in_flight || now - device->last_ns < config.block_recent_ns);
}

/* The first sight of a request: whose is it, and does it matter? */
static __always_inline void begin(anaros_event event, anaros_request request, u64 now, bool issued)
{
	anaros_key key = anaros_key_of(request);
	struct io io = {
	    .device = anaros_device(request),
	    .owner = OWNER_UNKNOWN,
	};

	if (!issued || !anaros_has_scheduler(request))
		io.owner = current_owner(event);
	if (io.owner != OWNER_TARGET && !concerns_target(io.device, now)) {
		anaros_count(ANAROS_PROBE_BLOCK, ANAROS_COUNTER_OTHERS);
		return;
	}
	if (issued) {
		io.issue_ns = now;
		io.sector = anaros_sector(request);
		io.size_bytes = io.left_bytes = anaros_bytes(request);
		io.operation = anaros_operation(request);
	} else {
		io.insert_ns = now;
	}
	if (io.owner != OWNER_UNKNOWN) {
		anaros_thread thread = anaros_current();

		io.pid = anaros_pid(thread);
		io.tid = anaros_tid(thread);
		if (io.owner == OWNER_OTHER)
			anaros_name_process(ANAROS_PROBE_BLOCK, thread, now);
	}
	if (anaros_put(requests, &key, &io)) {
		anaros_count(ANAROS_PROBE_BLOCK, ANAROS_COUNTER_UNTRACKED);
		return;
	}
	if (io.owner == OWNER_TARGET)
		touch(io.device, now, 1);
}

static __always_inline void end(anaros_key key, struct io *io, u64 now)
{
	if (io->owner == OWNER_TARGET)
		touch(io->device, now, -1);
	anaros_drop(requests, &key);
}

static __always_inline void anaros_on_insert(anaros_event event, anaros_request request)
{
	anaros_key key = anaros_key_of(request);

	/* A request that comes back from the driver keeps its owner. */
	if (!anaros_find(requests, &key))
		begin(event, request, bpf_ktime_get_ns(), false);
}

static __always_inline void anaros_on_issue(anaros_event event, anaros_request request)
{
	u64 now = bpf_ktime_get_ns();
	anaros_key key = anaros_key_of(request);
	struct io *io = anaros_find(requests, &key);

	if (!io) {
		begin(event, request, now, true);
		return;
	}
	/* Merges end here: now the request has its final extent. */
	io->issue_ns = now;
	io->sector = anaros_sector(request);
	io->size_bytes = io->left_bytes = anaros_bytes(request);
	io->operation = anaros_operation(request);
}

/* The error is 0 or -errno. */
static __always_inline void anaros_on_complete(anaros_key key, s32 error, u32 bytes)
{
	struct io *io = anaros_find(requests, &key);
	struct anaros_record *record;
	u64 now;

	if (!io || !io->issue_ns)
		return;
	if (!error && bytes < io->left_bytes) {
		io->left_bytes -= bytes; /* the rest is still under way */
		anaros_advance(key, io, bytes);
		return;
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
}

/* A request that was merged into another never completes. */
static __always_inline void anaros_on_merge(anaros_key key)
{
	struct io *io = anaros_find(requests, &key);

	if (io)
		end(key, io, bpf_ktime_get_ns());
}

#endif
