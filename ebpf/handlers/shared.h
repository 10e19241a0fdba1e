/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all handlers use: counters, records, names. The front has defined before:
 *
 *   config, and the maps ring, counters, named, scratch and tree
 *   anaros_find(map, key), anaros_put(map, key, value), anaros_drop(map, key)
 *   anaros_ring_room(), anaros_ring_text(text, size, flags)
 *   anaros_wake_flags()
 *
 * and after this file, for the handlers of threads:
 *
 *   anaros_thread, with anaros_pid() and anaros_tid() of it, and anaros_current()
 *   anaros_task(thread): what is kept of a thread of the target, NULL for others
 *   anaros_name_process(probe, thread, now)
 *   anaros_event: what the kernel hands over, and anaros_context() of it
 */
#ifndef ANAROS_EBPF_HANDLERS_SHARED_H
#define ANAROS_EBPF_HANDLERS_SHARED_H

#include "types.h"

static __always_inline void anaros_count_many(u32 probe, u32 counter, u64 many)
{
	u32 key = probe * ANAROS_COUNTER_COUNT + counter;
	u64 *value = anaros_find(counters, &key);

	if (value)
		__sync_fetch_and_add(value, many); /* an interrupt may count in between */
}

static __always_inline void anaros_count(u32 probe, u32 counter)
{
	anaros_count_many(probe, counter, 1);
}

/*
 * Makes all that was written before visible with it. On x86 stores are seen in
 * their order, and an atomic instruction would wait for the slowest of them.
 */
static __always_inline void anaros_publish(u64 *value, u64 to)
{
#ifdef ANAROS_STORES_IN_ORDER
	barrier();
	*(volatile u64 *)value = to;
#else
	__sync_lock_test_and_set(value, to);
#endif
}

static __always_inline struct anaros_record *anaros_reserve(u32 probe, u16 kind)
{
	struct anaros_record *record = anaros_ring_room();

	if (!record) {
		anaros_count(probe, ANAROS_COUNTER_DROPPED);
		return NULL;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = kind;
	record->flags = ANAROS_FLAG_KERNEL;
	return record;
}

static __always_inline void anaros_submit(struct anaros_record *record)
{
	bpf_ringbuf_submit(record, anaros_wake_flags());
}

/* For a record that follows another at once: the first has looked at the mark. */
static __always_inline void anaros_submit_quietly(struct anaros_record *record)
{
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* The probe's room for a name; its text is to be filled before anaros_ship_name. */
static __always_inline struct anaros_text *anaros_name(u32 probe)
{
	return anaros_find(scratch, &probe);
}

static __always_inline void anaros_ship_name(u32 probe, struct anaros_text *name, u64 now, u32 pid,
					     u32 name_class, u64 object, u64 length)
{
	if (length >= ANAROS_TEXT_MAX)
		length = ANAROS_TEXT_MAX - 1;
	__builtin_memset(&name->record, 0, sizeof(name->record));
	name->record.start_ns = now;
	name->record.pid = pid;
	name->record.kind = ANAROS_KIND_META_NAME;
	name->record.flags = ANAROS_FLAG_KERNEL;
	name->record.status = name_class;
	name->record.object = object;
	name->record.size_bytes = length;
	if (anaros_ring_text(name, sizeof(name->record) + length, anaros_wake_flags()))
		anaros_count(probe, ANAROS_COUNTER_DROPPED);
}

/* Tells the command of a process once: who is it that delays the target? */
static __always_inline void anaros_name_once(u32 probe, struct anaros_named *key,
					     const void *command, u64 now)
{
	struct anaros_text *name;
	u8 one = 1;
	long length;

	if (anaros_find(named, key))
		return;
	anaros_put(named, key, &one);
	name = anaros_name(probe);
	if (!name)
		return;
	length = bpf_probe_read_kernel_str(name->text, ANAROS_COMM_MAX, command);
	if (length > 1)
		anaros_ship_name(probe, name, now, key->pid, ANAROS_NAME_PROCESS, key->pid,
				 length - 1);
}

#endif
