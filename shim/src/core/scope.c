// SPDX-License-Identifier: Apache-2.0
/*
 * What an object would find without the shim: in the global scope, or in the
 * one that it was loaded with. Where it was loaded because another one needs
 * it, that one's scope is meant, which cannot be asked for: then it is taken
 * to find what any loaded object has.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "core/object.h"
#include "core/shim.h"
#include "cuda/cuda.h"

static const char *file_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

struct needed {
	const char *file;
	bool found;
};

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	const ElfW(Dyn) *dynamic = NULL;
	struct anaros_object object;
	struct needed *needed = data;

	(void)size;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	if (dynamic == NULL || !anaros_object_read(info, &object))
		return 0;
	for (; !needed->found && dynamic->d_tag != DT_NULL; dynamic++)
		needed->found =
		    dynamic->d_tag == DT_NEEDED &&
		    strcmp(file_of(object.strings + dynamic->d_un.d_val), needed->file) == 0;
	return needed->found;
}

/* Others know it by the name that it has itself, if it has one. */
static const char *name_of(const struct link_map *map)
{
	const char *strings = NULL;
	uintptr_t at = 0;

	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_STRTAB)
			strings = (const char *)entry->d_un.d_ptr;
		else if (entry->d_tag == DT_SONAME)
			at = entry->d_un.d_val;
	}
	return file_of(strings != NULL && at != 0 ? strings + at : map->l_name);
}

static bool is_part_of_another(const struct link_map *map)
{
	struct needed needed = {.file = name_of(map)};

	anaros_objects(visit, &needed);
	return needed.found;
}

static void *of_own_scope(const char *name, const struct link_map *map)
{
	void *handle = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD), *found;

	if (handle == NULL)
		return NULL;
	found = anaros_real_dlsym(handle, name);
	dlclose(handle);
	return anaros_cuda_in_shim(found) ? NULL : found;
}

bool anaros_scope_has(const char *name, const void *address)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (anaros_real_dlsym(RTLD_NEXT, name) != NULL)
		return true;
	/* The program's own scope is the global one. */
	if (dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL ||
	    map->l_name[0] == '\0')
		return false;
	return of_own_scope(name, map) != NULL ||
	       (is_part_of_another(map) && anaros_cuda_exporter(name) != NULL);
}
