// SPDX-License-Identifier: Apache-2.0
/*
 * RTLD_DEEPBIND binds a library to its own dependencies before the global
 * scope, and so past every preload. Past a shim that was loaded last (see
 * inject.c) every object is bound. Such a library is found when it was
 * loaded, and what it holds for our names is put in place: its functions are
 * entered through the shim as if it were loaded like any other. What cannot
 * be changed is counted and named.
 *
 * The loader gives no word when it is done. So dlopen only leaves a mark on
 * its thread, and the next wrapped call looks, mostly one of the library's
 * own constructors or the dlsym behind dlopen. Then weak.c looks, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <string.h>

#include "cuda/runtime.h"
#include "core/device.h"
#include "core/inject.h"
#include "core/rebind.h"
#include "core/sys.h"
#include "opencl/opencl.h"

#define READ_WRITE 3
#define READ_ONLY  1

/*
 * How many objects were loaded before the first that waits to be looked at;
 * 0: none waits. Each thread looks when what it loads itself is relocated.
 */
static __thread uint32_t loaded_before __attribute__((tls_model("initial-exec")));
/* One of them was loaded with RTLD_DEEPBIND. */
static __thread bool has_deep __attribute__((tls_model("initial-exec")));

static int count_objects(struct dl_phdr_info *info, size_t size, void *data)
{
	bool counted = size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs);

	*(uint32_t *)data = counted ? (uint32_t)(info->dlpi_adds - info->dlpi_subs) : 1;
	return 1;
}

void anaros_load_begins(bool deep)
{
	has_deep |= deep;
	if (loaded_before == 0) {
		loaded_before = 1;
		anaros_objects(count_objects, &loaded_before);
	}
	anaros_thread.guard |= ANAROS_GUARD_REBIND;
}

struct scan {
	uint32_t index, first;
	struct anaros_object shim;
	bool has_shim;
	uint32_t changed, refused, pointers;
	struct anaros_ejection *undo; /* NULL: slots are to lead into the shim */
};

/* What is to be in the slot instead of `held`; NULL: nothing else. Unresolved: `held` is NULL. */
static void *wanted(const struct scan *scan, const char *name, void *held)
{
	void *ours = anaros_object_find(&scan->shim, name), *real;
	const struct anaros_family *family;

	if (ours == NULL || anaros_cuda_in_shim(held))
		return NULL;
	if (strncmp(name, "cu", 2) == 0 && anaros_cuda_wraps(name))
		return anaros_cuda_wrapper_of(name, held);
	if (anaros_runtime_wraps(name))
		return held != NULL ? anaros_runtime_wrapper_of(name, held) : ours;
	/* By its name, which library is meant is found out where it is called. */
	if (anaros_opencl_may_have(name) && anaros_opencl_wraps(name))
		return held != NULL ? anaros_opencl_wrapper_of(name, held) : ours;
	family = anaros_device_family(name);
	if (family != NULL && anaros_device_wraps(family, name))
		return anaros_device_wrapper_of(family, name, held);
	real = anaros_real_named(name);
	/* execl and its like end in another function of the C library's. */
	if (real == NULL && anaros_injected != 0)
		return ours;
	if (real == NULL)
		return anaros_cuda_pass(name, ANAROS_WAY_SLOT, 0, NULL);
	/* Another function of this name is what the library was bound for. */
	return held == NULL || held == real ? ours : NULL;
}

bool anaros_write_slot(const struct anaros_object *object, void **slot, void *held, void *function)
{
	uintptr_t page = (uintptr_t)slot & ~(uintptr_t)(ANAROS_PAGE - 1);
	bool sealed = (uintptr_t)slot - object->relro_start < object->relro_bytes, written;

	if (sealed && SYS3(SYS_mprotect, page, ANAROS_PAGE, READ_WRITE) != 0)
		return false;
	written = __atomic_compare_exchange_n(slot, &held, function, false, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED);
	if (sealed)
		SYS3(SYS_mprotect, page, ANAROS_PAGE, READ_ONLY);
	return written;
}

static void change(struct scan *scan, const struct anaros_object *object, void **slot, void *held,
		   void *function, const char *name)
{
	if ((anaros_injected != 0 && !anaros_slot_note(slot, held, function)) ||
	    !anaros_write_slot(object, slot, held, function)) {
		anaros_cuda_pass(name, ANAROS_WAY_SEALED, 0, NULL);
		scan->refused++;
		return;
	}
	scan->changed++;
}

/* What the slot held, if it is ours. */
static void put_back(struct scan *scan, const struct anaros_object *object, void **slot)
{
	void *wrapper = __atomic_load_n(slot, __ATOMIC_RELAXED), *held;

	if (!anaros_cuda_in_shim(wrapper))
		return;
	held = anaros_slot_held(slot, wrapper);
	if (held != NULL && anaros_write_slot(object, slot, wrapper, held))
		scan->undo->restored++;
	else
		scan->undo->left++;
}

static void put_in(struct scan *scan, const struct dl_phdr_info *info,
		   const struct anaros_object *object, void **slot, const char *name)
{
	void *now = __atomic_load_n(slot, __ATOMIC_RELAXED), *held = now, *function;

	/* A weak name that nobody has: the program asks whether it is there. */
	if (now == NULL && anaros_injected != 0)
		return;
	/* Not bound yet: it leads to the object's own way into the loader. */
	if (held != NULL && anaros_object_contains(info, held))
		held = NULL;
	function = wanted(scan, name, held);
	if (function != NULL && function != now)
		change(scan, object, slot, now, function, name);
}

static void look_at(struct scan *scan, const struct dl_phdr_info *info,
		    const struct anaros_object *object, const ElfW(Rela) * list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(list[i].r_info)];
		const char *name = object->strings + symbol->st_name;
		void **slot = (void **)(object->base + list[i].r_offset);

		if (symbol->st_shndx != SHN_UNDEF)
			continue;
		if (ANAROS_IS_POINTER(ELF64_R_TYPE(list[i].r_info)))
			scan->pointers += anaros_object_find(&scan->shim, name) != NULL;
		else if (!ANAROS_IS_SLOT(ELF64_R_TYPE(list[i].r_info)))
			continue;
		else if (scan->undo != NULL)
			put_back(scan, object, slot);
		else
			put_in(scan, info, object, slot, name);
	}
}

static int find_shim(struct dl_phdr_info *info, size_t size, void *data)
{
	struct scan *scan = data;

	(void)size;
	scan->has_shim =
	    anaros_object_contains(info, &anaros_control) && anaros_object_read(info, &scan->shim);
	return scan->has_shim;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct scan *scan = data;
	struct anaros_object object;

	(void)size;
	if (scan->index++ < scan->first || !anaros_object_read(info, &object) ||
	    anaros_object_contains(info, &anaros_control) ||
	    object.relative_count > object.relocation_count ||
	    anaros_object_find(&object, "cuDriverGetVersion") != NULL ||
	    anaros_device_is_library(&object))
		return 0;
	look_at(scan, info, &object, object.relocations + object.relative_count,
		object.relocation_count - object.relative_count);
	look_at(scan, info, &object, object.plt, object.plt_count);
	return 0;
}

static void scan_all(struct scan *scan)
{
	anaros_thread.guard |= ANAROS_GUARD_SCAN;
	if (anaros_objects(find_shim, scan) != 0)
		anaros_objects(visit, scan);
	anaros_thread.guard &= ~(uint32_t)ANAROS_GUARD_SCAN;
}

void anaros_rebind(void)
{
	struct scan scan = {.index = 0};
	int saved = errno;
	bool deep;

	/* A handler that interrupted the loader: another call will do it. */
	if (_r_debug.r_state != RT_CONSISTENT)
		return;
	anaros_thread.guard &= ~(uint32_t)ANAROS_GUARD_REBIND;
	scan.first = loaded_before;
	deep = has_deep;
	loaded_before = 0;
	has_deep = false;
	if (scan.first != 0 && deep)
		scan_all(&scan);
	if (scan.first != 0 && anaros_injected == 0)
		anaros_weak_clear(scan.first);
	errno = saved;
}

void anaros_rebind_all(struct anaros_injection *told)
{
	struct scan scan = {.index = 0};

	scan_all(&scan);
	told->slots = scan.changed;
	told->slots_refused = scan.refused;
	told->pointers = scan.pointers;
}

void anaros_rebind_undo(struct anaros_ejection *told)
{
	struct scan scan = {.undo = told};

	scan_all(&scan);
}
