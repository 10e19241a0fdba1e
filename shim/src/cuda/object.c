// SPDX-License-Identifier: Apache-2.0
/*
 * Which loaded object is the CUDA driver: the one that exports what only a
 * driver exports. A file name does not tell (containers, wheels and tests
 * rename it), and RTLD_NEXT does not find what was loaded in a local scope.
 *
 * The objects' own hash tables are read: no reference keeps anything loaded.
 * A runtime asks 440 times at its start, and a program may have hundreds of
 * objects, so they are walked once.
 */
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>

#include "cuda/cuda.h"

/* The shim exports the same names: it is no driver. */
static bool is_driver(const struct dl_phdr_info *info, struct anaros_object *tables)
{
	return !anaros_object_contains(info, &anaros_cuda_next) &&
	       anaros_object_read(info, tables) && anaros_object_find(tables, "cuInit") != NULL &&
	       anaros_object_find(tables, "cuDriverGetVersion") != NULL;
}

/* The driver that was met first, as long as nothing was unloaded since. */
static struct {
	bool known;
	unsigned long long unloaded;
	struct dl_phdr_info object;
	struct anaros_object tables;
} met;

struct query {
	const void *address; /* NULL: any driver */
	bool found;
	bool asked; /* the cache was looked at */
	struct anaros_object tables;
};

/*
 * In here the loader's lock is held, so `met` needs none. A structure of an
 * older C library lacks the counters: then every question is a walk.
 */
static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	bool counted = size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs);
	struct query *query = data;

	if (!query->asked && counted) {
		if (met.known && met.unloaded != info->dlpi_subs)
			met.known = false;
		query->found = met.known && (query->address == NULL ||
					     anaros_object_contains(&met.object, query->address));
		query->tables = met.tables;
	}
	query->asked = true;
	if (query->found)
		return 1;
	if (query->address != NULL && !anaros_object_contains(info, query->address))
		return 0;
	query->found = is_driver(info, &query->tables);
	if (query->found && counted && !met.known) {
		met.known = true;
		met.unloaded = info->dlpi_subs;
		met.object = *info;
		met.tables = query->tables;
	}
	return query->found || query->address != NULL;
}

bool anaros_cuda_driver_of(const void *address, struct anaros_object *driver)
{
	struct query query = {.address = address};

	anaros_objects(visit, &query);
	*driver = query.tables;
	return query.found;
}

struct export
{
	const char *symbol;
	void *function;
};

static int visit_export(struct dl_phdr_info *info, size_t size, void *data)
{
	struct anaros_object tables;
	struct export *wanted = data;

	(void)size;
	if (!anaros_object_contains(info, &anaros_cuda_next) && anaros_object_read(info, &tables))
		wanted->function = anaros_object_find(&tables, wanted->symbol);
	return wanted->function != NULL;
}

void *anaros_cuda_exporter(const char *symbol)
{
	struct export wanted = {.symbol = symbol};

	anaros_objects(visit_export, &wanted);
	return wanted.function;
}

struct extent {
	const void *address;
	uintptr_t start, end;
};

static int visit_extent(struct dl_phdr_info *info, size_t size, void *data)
{
	struct extent *extent = data;

	(void)size;
	if (!anaros_object_contains(info, extent->address))
		return 0;
	extent->start = UINTPTR_MAX;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type != PT_LOAD)
			continue;
		if (start < extent->start)
			extent->start = start;
		if (start + header->p_memsz > extent->end)
			extent->end = start + header->p_memsz;
	}
	return 1;
}

bool anaros_cuda_object_of(const void *address, uintptr_t *start, uintptr_t *size)
{
	struct extent extent = {.address = address};

	if (anaros_objects(visit_extent, &extent) == 0)
		return false;
	*start = extent.start;
	*size = extent.end - extent.start;
	return true;
}

void *anaros_cuda_driver_symbol(const char *symbol)
{
	struct anaros_object driver;

	return anaros_cuda_driver_of(NULL, &driver) ? anaros_object_find(&driver, symbol) : NULL;
}
