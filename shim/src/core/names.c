// SPDX-License-Identifier: Apache-2.0
/*
 * Names travel in the ring itself: a meta.name record, and the text in the
 * record slots behind it. So a name comes before its first use, has the same
 * loss accounting, and survives what the records survive.
 */
#include <string.h>

#include "core/shim.h"

#define NAME_BYTES_MAX 4096u /* of C++ templates, whole or not to be read */
#define KNOWN          4096u

static uint64_t known[KNOWN];

bool anaros_name_is_new(uint64_t object, uint64_t text_hash)
{
	uint64_t mark = (object * 0x9e3779b97f4a7c15ull) ^ text_hash;
	uint64_t *slot = &known[(mark >> 32) % KNOWN];

	/* A collision only sends a name twice. */
	return __atomic_exchange_n(slot, mark | 1, __ATOMIC_RELAXED) != (mark | 1);
}

/*
 * What the user named stays here; what the makers of programs, kernels and
 * devices named does not tell whose data it is.
 */
static bool is_hidden(uint16_t name_class)
{
	return (name_class == ANAROS_NAME_FILE || name_class == ANAROS_NAME_SOCKET) &&
	       anaros_control->hide_names;
}

void anaros_name(uint16_t name_class, uint64_t object, const void *text, size_t size)
{
	struct anaros_thread *thread = &anaros_thread;
	struct anaros_record *record;
	uint32_t slots;

	if (is_hidden(name_class) || (thread->guard & ANAROS_GUARD_BUSY) ||
	    thread->epoch != anaros_process->epoch)
		return;
	if (size > NAME_BYTES_MAX)
		size = NAME_BYTES_MAX;
	slots = 1 + (uint32_t)((size + sizeof(*record) - 1) / sizeof(*record));
	thread->guard |= ANAROS_GUARD_BUSY;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (!anaros_more_room(slots)) {
		__atomic_fetch_add(&anaros_shared->names_dropped, 1, __ATOMIC_RELAXED);
		goto out;
	}
	record = thread->cursor;
	memset(record, 0, slots * sizeof(*record));
	record->start_ns = anaros_now_ns();
	record->pid = thread->pid;
	record->tid = thread->tid;
	record->kind = ANAROS_KIND_META_NAME;
	record->status = name_class;
	record->object = object;
	record->size_bytes = size;
	memcpy(record + 1, text, size);
	thread->cursor = record + slots;
	/* One store for all slots: the drain never sees half a name. */
	__atomic_store_n(&thread->chunk->committed, thread->chunk->committed + slots,
			 __ATOMIC_RELEASE);
out:
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->guard &= ~(uint32_t)ANAROS_GUARD_BUSY;
}
