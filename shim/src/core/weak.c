// SPDX-License-Identifier: Apache-2.0
/*
 * Weak references. By the address of such a function a program asks whether
 * there is a library of it, and the loader finds all of them in the shim.
 * Where it would have found nothing without the shim, the slots are made to
 * hold nothing, as they would then for as long as the object is loaded.
 *
 * What is called through a table that is bound at the first call still leads
 * to that table: it is bound when it is called, to a library that came later.
 */
#include "core/rebind.h"
#include "core/shim.h"
#include "cuda/cuda.h"

#include <dlfcn.h>
#include <string.h>

#define REFERENCES 16u
#define NAME_BYTES 64u

/* Of which object, by where it lies, and to what; the name may go with the object. */
struct reference {
	uintptr_t base;
	const void *inside;
	char name[NAME_BYTES];
	bool there;
};

struct search {
	uint32_t index, first;
	uint32_t kept; /* of those that were met, so many were looked at before */
	uint32_t met, count, cleared;
	struct reference list[REFERENCES];
	bool clears;
};

static const struct reference *listed(const struct search *search, uintptr_t base, const char *name)
{
	for (uint32_t i = 0; i < search->count; i++)
		if (search->list[i].base == base && strcmp(search->list[i].name, name) == 0)
			return &search->list[i];
	return NULL;
}

static void add(struct search *search, const struct anaros_object *object, const char *name)
{
	struct reference *reference = &search->list[search->count];
	size_t length = strlen(name);

	if (search->met++ < search->kept || search->count == REFERENCES || length >= NAME_BYTES)
		return;
	reference->base = object->base;
	reference->inside = object->symbols;
	memcpy(reference->name, name, length + 1);
	search->count++;
}

static void clear(struct search *search, const struct anaros_object *object, void **slot,
		  void *held, const char *name)
{
	const struct reference *reference = listed(search, object->base, name);

	if (reference != NULL && !reference->there && anaros_write_slot(object, slot, held, NULL))
		search->cleared++;
}

static void look_at(struct search *search, const struct anaros_object *object,
		    const ElfW(Rela) * list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(list[i].r_info)];
		void **slot = (void **)(object->base + list[i].r_offset), *held;

		if (symbol->st_shndx != SHN_UNDEF || ELF64_ST_BIND(symbol->st_info) != STB_WEAK ||
		    !(ANAROS_IS_SLOT(ELF64_R_TYPE(list[i].r_info)) ||
		      ANAROS_IS_POINTER(ELF64_R_TYPE(list[i].r_info))))
			continue;
		held = __atomic_load_n(slot, __ATOMIC_RELAXED);
		if (!anaros_cuda_in_shim(held))
			continue;
		if (search->clears)
			clear(search, object, slot, held, object->strings + symbol->st_name);
		else
			add(search, object, object->strings + symbol->st_name);
	}
}

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;
	struct anaros_object object;

	(void)size;
	if (search->index++ < search->first || anaros_object_contains(info, &anaros_control) ||
	    !anaros_object_read(info, &object) || object.relative_count > object.relocation_count)
		return 0;
	look_at(search, &object, object.relocations + object.relative_count,
		object.relocation_count - object.relative_count);
	look_at(search, &object, object.plt, object.plt_count);
	return 0;
}

static void walk(struct search *search, bool clears)
{
	search->clears = clears;
	search->index = 0;
	search->met = 0;
	anaros_objects(visit, search);
}

/* The loader is asked while its lock is not held: between two walks. */
static COLD void decide(struct search *search)
{
	for (uint32_t i = 0; i < search->count; i++) {
		struct reference *reference = &search->list[i];

		reference->there = anaros_real_named(reference->name) != NULL ||
				   anaros_scope_has(reference->name, reference->inside);
	}
	/* What was not found left a message that is not the program's. */
	dlerror();
}

void anaros_weak_clear(uint32_t first)
{
	struct search search = {.first = first};

	do {
		search.count = search.cleared = 0;
		walk(&search, false);
		if (search.count == 0)
			return;
		decide(&search);
		anaros_thread.guard |= ANAROS_GUARD_SCAN;
		walk(&search, true);
		anaros_thread.guard &= ~(uint32_t)ANAROS_GUARD_SCAN;
		search.kept += search.count - search.cleared;
	} while (search.count == REFERENCES);
}
