/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands in the queues of NVMe controllers, local or over a fabric: from when
 * the driver sets one up until it handles its completion.
 *
 * The driver sets up a command, and then says that the request is issued, on the
 * same thread and before it goes on to another: so that is whose it is, and the
 * block probe knows the rest of it. Which requests concern the target is for that
 * probe to say; the commands of all others are counted.
 *
 * The front has, beside what shared.h asks for: the maps nvme_preparing,
 * nvme_commands, nvme_queues and nvme_named, and anaros_spell_queue(text,
 * controller, queue), the length of what a queue is called.
 */
#ifndef ANAROS_EBPF_HANDLERS_NVME_H
#define ANAROS_EBPF_HANDLERS_NVME_H

#include "shared.h"

#define ANAROS_NVME_QUEUE (1ull << 32) /* no device has such a number */
#define ANAROS_NVME_TAG   0xfff        /* of a command's number; above it, how often it was used */

/* A command that is being set up on this CPU. */
struct nvme_preparing {
	u64 key; /* of the command; 0: none */
	u64 start_ns;
	u32 tid;
	u16 number;
	u8 opcode;
	u8 padding;
};

/* A command in its queue. */
struct nvme_command {
	u64 start_ns;
	u64 sector;
	u32 size_bytes;
	u32 pid;
	u32 tid;
	u32 owner;
	u32 before; /* commands in the queue */
	u16 number;
	u8 opcode;
	u8 padding;
};

struct nvme_queue {
	s64 commands;
	u32 head; /* of what the controller has fetched */
	u32 tail;
	u32 entries; /* as far as was seen */
	u32 padding;
};

static __always_inline u64 nvme_queue_of(u32 controller, u32 queue)
{
	return ANAROS_NVME_QUEUE | (controller & 0xffff) << 16 | (queue & 0xffff);
}

static __always_inline u64 nvme_key(u32 controller, u32 queue, u32 number)
{
	return nvme_queue_of(controller, queue) << 16 | (number & ANAROS_NVME_TAG);
}

static __always_inline void anaros_on_nvme_setup(u32 controller, u32 queue, u32 number, u8 opcode)
{
	struct nvme_preparing *preparing;
	u32 zero = 0;

	preparing = anaros_find(nvme_preparing, &zero);
	if (!preparing)
		return;
	if (preparing->key) /* it was never issued, or on another CPU */
		anaros_count(ANAROS_PROBE_QUEUE, ANAROS_COUNTER_UNTRACKED);
	preparing->start_ns = bpf_ktime_get_ns();
	preparing->tid = bpf_get_current_pid_tgid();
	preparing->number = number;
	preparing->opcode = opcode;
	preparing->key = nvme_key(controller, queue, number);
}

static __always_inline struct nvme_queue *nvme_queue(u64 number)
{
	struct nvme_queue *queue = anaros_find(nvme_queues, &number);
	struct nvme_queue fresh = {};

	if (queue)
		return queue;
	anaros_put(nvme_queues, &number, &fresh);
	return anaros_find(nvme_queues, &number);
}

/* A request is issued; io is what the block probe knows of it, NULL: it does not concern us. */
static __always_inline void anaros_on_nvme_issue(const struct io *io,
						 struct nvme_preparing *preparing)
{
	struct nvme_command fresh = {}, *known;
	u64 key = preparing->key;
	struct nvme_queue *queue;

	preparing->key = 0;
	if (!io) {
		anaros_count(ANAROS_PROBE_QUEUE, ANAROS_COUNTER_OTHERS);
		return;
	}
	queue = nvme_queue(key >> 16);
	if (!queue) {
		anaros_count(ANAROS_PROBE_QUEUE, ANAROS_COUNTER_UNTRACKED);
		return;
	}
	fresh.start_ns = preparing->start_ns;
	fresh.number = preparing->number;
	fresh.opcode = preparing->opcode;
	fresh.sector = io->sector;
	fresh.size_bytes = io->size_bytes;
	fresh.pid = io->pid;
	fresh.tid = io->tid;
	fresh.owner = io->owner;
	known = anaros_find(nvme_commands, &key);
	fresh.before = queue->commands - !!known; /* one that nobody completed has gone */
	if (anaros_put(nvme_commands, &key, &fresh))
		anaros_count(ANAROS_PROBE_QUEUE, ANAROS_COUNTER_UNTRACKED);
	else if (!known)
		__sync_fetch_and_add(&queue->commands, 1);
}

/* What is being set up on this CPU by this thread; NULL: nothing. */
static __always_inline struct nvme_preparing *anaros_nvme_preparing(void)
{
	struct nvme_preparing *preparing;
	u32 zero = 0;

	preparing = anaros_find(nvme_preparing, &zero);
	if (!preparing || !preparing->key || preparing->tid != (u32)bpf_get_current_pid_tgid())
		return NULL;
	return preparing;
}

/* The controller says how far it has fetched what the driver laid into the queue. */
static __always_inline void anaros_on_nvme_sq(u32 controller, u32 queue, u32 head, u32 tail)
{
	u64 number = nvme_queue_of(controller, queue);
	struct nvme_queue *known = anaros_find(nvme_queues, &number);
	u32 most = head > tail ? head : tail;

	if (!known)
		return;
	known->head = head;
	known->tail = tail;
	if (most >= known->entries)
		known->entries = most + 1;
}

static __always_inline u32 nvme_unfetched(const struct nvme_queue *queue)
{
	if (queue->tail >= queue->head)
		return queue->tail - queue->head;
	return queue->tail + queue->entries - queue->head;
}

/* Tells once what a queue is called. */
static __always_inline void nvme_name(u64 number, u64 now)
{
	struct anaros_text *name;
	u8 one = 1;
	long length;

	if (anaros_find(nvme_named, &number))
		return;
	anaros_put(nvme_named, &number, &one);
	name = anaros_name(ANAROS_PROBE_QUEUE);
	if (!name)
		return;
	length = anaros_spell_queue(name->text, number >> 16 & 0xffff, number & 0xffff);
	if (length > 0)
		anaros_ship_name(ANAROS_PROBE_QUEUE, name, now, 0, ANAROS_NAME_DEVICE, number,
				 length);
}

static __always_inline void nvme_tell(const struct nvme_command *command, u64 number,
				      const struct nvme_queue *queue, u32 status, u32 retries)
{
	struct anaros_record *record;
	u64 now = bpf_ktime_get_ns();

	nvme_name(number, now);
	record = anaros_reserve(ANAROS_PROBE_QUEUE, ANAROS_KIND_BLOCK_NVME);
	if (!record)
		return;
	record->start_ns = command->start_ns;
	record->duration_ns = now - command->start_ns;
	record->pid = command->pid;
	record->tid = command->tid;
	record->status = status;
	record->object = number;
	record->size_bytes = command->size_bytes;
	record->address = command->sector;
	record->context = (u64)(u16)nvme_unfetched(queue) << 48 | (u64)(u16)command->before << 32 |
			  (retries & 0xff) << 24 | (u32)command->opcode << 16 | command->number;
	anaros_submit(record);
}

static __always_inline void anaros_on_nvme_complete(u32 controller, u32 queue, u32 number,
						    u32 status, u32 retries)
{
	u64 key = nvme_key(controller, queue, number), of = key >> 16;
	struct nvme_command *command = anaros_find(nvme_commands, &key);
	struct nvme_queue *known;

	if (!command)
		return;
	known = anaros_find(nvme_queues, &of);
	if (known) {
		__sync_fetch_and_add(&known->commands, -1);
		if (command->owner == OWNER_TARGET)
			nvme_tell(command, of, known, status, retries);
		else
			anaros_count(ANAROS_PROBE_QUEUE, command->owner == OWNER_OTHER
							     ? ANAROS_COUNTER_OTHERS
							     : ANAROS_COUNTER_UNKNOWN_OWNER);
	}
	anaros_drop(nvme_commands, &key);
}

#endif
