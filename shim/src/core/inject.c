// SPDX-License-Identifier: Apache-2.0
/*
 * The shim in a process that ran already. The supervisor borrows a thread
 * of it, has it open this library, and calls anaros_inject. The library is in
 * no scope that the program searches, so what its objects hold for our names
 * is changed, as for RTLD_DEEPBIND, and what they held is kept.
 *
 * anaros_eject puts it back. A thread may then still be inside a wrapper, for
 * as long as its read sleeps: so the arena gives way to empty memory, in which
 * such a thread may write what nobody reads. When no thread is inside, a
 * second call gives that back too, and the library may be closed.
 */
#define _GNU_SOURCE
#include "core/inject.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "core/arena.h"
#include "core/rebind.h"
#include "core/shim.h"
#include "core/sys.h"

#define NOTES 65536u
#define BYTES (NOTES * sizeof(struct anaros_slot_note))

uint32_t anaros_injected;

static struct anaros_slot_note *notes;
static uint32_t note_count, last_found, given_out;

/* Called under the loader's lock, as all that change slots are. */
bool anaros_slot_note(void **slot, void *held, void *wrapper)
{
	if (notes == NULL || note_count == NOTES)
		return false;
	notes[note_count] =
	    (struct anaros_slot_note){(uintptr_t)slot, (uintptr_t)held, (uintptr_t)wrapper};
	__atomic_store_n(&note_count, note_count + 1, __ATOMIC_RELEASE);
	return true;
}

/* They are mostly asked for in the order in which they were noted. */
void *anaros_slot_held(void **slot, const void *wrapper)
{
	for (uint32_t i = 0; i < note_count; i++) {
		uint32_t at = (last_found + 1 + i) % note_count;
		const struct anaros_slot_note *note = &notes[at];

		if (note->slot == (uintptr_t)slot && note->wrapper == (uintptr_t)wrapper) {
			last_found = at;
			return (void *)(uintptr_t)note->held;
		}
	}
	return NULL;
}

void anaros_given_out(void)
{
	if ((anaros_thread.guard & ANAROS_GUARD_SCAN) == 0)
		__atomic_store_n(&given_out, 1, __ATOMIC_RELAXED);
}

static uint64_t own_handle(void)
{
	struct link_map *map = NULL;
	Dl_info info;

	return dladdr1(&anaros_injected, &info, (void **)&map, RTLD_DL_LINKMAP) != 0
		   ? (uintptr_t)map
		   : 0;
}

__attribute__((visibility("default"))) void anaros_inject(struct anaros_injection *told);
__attribute__((visibility("default"))) void anaros_eject(struct anaros_ejection *told,
							 unsigned long all);

void anaros_inject(struct anaros_injection *told)
{
	int saved = errno;

	memset(told, 0, sizeof(*told));
	told->handle = own_handle();
	notes = sys_mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_mmap_failed(notes))
		notes = NULL;
	if (notes != NULL && anaros_control->recording != 0) {
		told->recording = 1;
		__atomic_store_n(&anaros_injected, 1, __ATOMIC_RELEASE);
		anaros_resolve_anew();
		anaros_rebind_all(told);
	}
	errno = saved;
}

void anaros_eject(struct anaros_ejection *told, unsigned long all)
{
	int saved = errno;

	if (all == 0) {
		memset(told, 0, sizeof(*told));
		__atomic_store_n(&anaros_injected, 0, __ATOMIC_RELEASE);
		anaros_rebind_undo(told);
		anaros_arena_empty();
		told->given_out = __atomic_load_n(&given_out, __ATOMIC_RELAXED);
		told->notes = (uintptr_t)notes;
		told->count = note_count;
		anaros_arena_where(&told->arena, &told->arena_bytes);
		told->handle = own_handle();
		told->gone = note_count - told->restored - told->left;
	} else {
		anaros_init_off();
		note_count = 0;
		if (notes != NULL)
			sys_munmap(notes, BYTES);
		notes = NULL;
	}
	errno = saved;
}
