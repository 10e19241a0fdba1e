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
#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "cuda.h"

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name != '\0'; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

static uint32_t sysv_hash_of(const char *name)
{
	uint32_t hash = 0;

	for (; *name != '\0'; name++) {
		hash = (hash << 4) + (unsigned char)*name;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	return hash;
}

/* glibc relocates these entries in place, but not where the section is
 * read-only. */
static const void *entry(const struct dl_phdr_info *info, const ElfW(Dyn) * dynamic)
{
	uintptr_t value = dynamic->d_un.d_ptr;

	return (const void *)(value < info->dlpi_addr ? value + info->dlpi_addr : value);
}

static bool read_tables(const struct dl_phdr_info *info, struct anaros_cuda_driver *tables)
{
	const ElfW(Dyn) *dynamic = NULL;

	*tables = (struct anaros_cuda_driver){.base = info->dlpi_addr};
	for (unsigned int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_SYMTAB)
			tables->symbols = entry(info, dynamic);
		else if (dynamic->d_tag == DT_STRTAB)
			tables->strings = entry(info, dynamic);
		else if (dynamic->d_tag == DT_GNU_HASH)
			tables->gnu_hash = entry(info, dynamic);
		else if (dynamic->d_tag == DT_HASH)
			tables->hash = entry(info, dynamic);
	}
	return tables->symbols != NULL && tables->strings != NULL;
}

static void *function_at(const struct anaros_cuda_driver *tables, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &tables->symbols[index];

	if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
	    strcmp(tables->strings + symbol->st_name, name) != 0)
		return NULL;
	return (void *)(tables->base + symbol->st_value);
}

static void *find_gnu(const struct anaros_cuda_driver *tables, const char *name)
{
	const uint32_t *header = tables->gnu_hash;
	uint32_t bucket_count = header[0], first = header[1], bloom_words = header[2];
	const uint32_t *buckets =
	    (const uint32_t *)((const ElfW(Addr) *)(header + 4) + bloom_words);
	const uint32_t *chains = buckets + bucket_count;
	uint32_t hash = gnu_hash_of(name);
	uint32_t index = bucket_count != 0 ? buckets[hash % bucket_count] : 0;

	if (index < first)
		return NULL;
	for (;; index++) {
		uint32_t chain = chains[index - first];

		if ((chain | 1) == (hash | 1)) {
			void *found = function_at(tables, index, name);

			if (found != NULL)
				return found;
		}
		if (chain & 1)
			return NULL;
	}
}

static void *find_sysv(const struct anaros_cuda_driver *tables, const char *name)
{
	uint32_t bucket_count = tables->hash[0];
	const uint32_t *buckets = tables->hash + 2;
	const uint32_t *chains = buckets + bucket_count;

	if (bucket_count == 0)
		return NULL;
	for (uint32_t i = buckets[sysv_hash_of(name) % bucket_count]; i != 0; i = chains[i]) {
		void *found = function_at(tables, i, name);

		if (found != NULL)
			return found;
	}
	return NULL;
}

static void *find(const struct anaros_cuda_driver *tables, const char *name)
{
	if (tables->gnu_hash != NULL)
		return find_gnu(tables, name);
	return tables->hash != NULL ? find_sysv(tables, name) : NULL;
}

static bool contains(const struct dl_phdr_info *info, const void *address)
{
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_LOAD &&
		    (uintptr_t)address - (info->dlpi_addr + header->p_vaddr) < header->p_memsz)
			return true;
	}
	return false;
}

/* The shim exports the same names: it is no driver. */
static bool is_driver(const struct dl_phdr_info *info, struct anaros_cuda_driver *tables)
{
	return !contains(info, &anaros_cuda_next) && read_tables(info, tables) &&
	       find(tables, "cuInit") != NULL && find(tables, "cuDriverGetVersion") != NULL;
}

/* The driver that was met first, as long as nothing was unloaded since. */
static struct {
	bool known;
	unsigned long long unloaded;
	struct dl_phdr_info object;
	struct anaros_cuda_driver tables;
} met;

struct query {
	const void *address; /* NULL: any driver */
	bool found;
	bool asked; /* the cache was looked at */
	struct anaros_cuda_driver tables;
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
		query->found =
		    met.known && (query->address == NULL || contains(&met.object, query->address));
		query->tables = met.tables;
	}
	query->asked = true;
	if (query->found)
		return 1;
	if (query->address != NULL && !contains(info, query->address))
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

bool anaros_cuda_driver_of(const void *address, struct anaros_cuda_driver *driver)
{
	struct query query = {.address = address};

	dl_iterate_phdr(visit, &query);
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
	struct anaros_cuda_driver tables;
	struct export *wanted = data;

	(void)size;
	if (!contains(info, &anaros_cuda_next) && read_tables(info, &tables))
		wanted->function = find(&tables, wanted->symbol);
	return wanted->function != NULL;
}

void *anaros_cuda_exporter(const char *symbol)
{
	struct export wanted = {.symbol = symbol};

	dl_iterate_phdr(visit_export, &wanted);
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
	if (!contains(info, extent->address))
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

	if (dl_iterate_phdr(visit_extent, &extent) == 0)
		return false;
	*start = extent.start;
	*size = extent.end - extent.start;
	return true;
}

bool anaros_cuda_driver_loaded(void)
{
	struct anaros_cuda_driver driver;

	return anaros_cuda_driver_of(NULL, &driver);
}

void *anaros_cuda_lookup(const struct anaros_cuda_driver *driver, const char *symbol)
{
	return find(driver, symbol);
}

void *anaros_cuda_driver_symbol(const char *symbol)
{
	struct anaros_cuda_driver driver;

	return anaros_cuda_driver_of(NULL, &driver) ? find(&driver, symbol) : NULL;
}
