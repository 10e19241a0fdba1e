// SPDX-License-Identifier: Apache-2.0
/*
 * Which loaded object is the CUDA driver: the one that exports what only a
 * driver exports. A file name does not tell (containers, wheels and tests
 * rename it), and RTLD_NEXT does not find what was loaded in a local scope.
 *
 * The objects' own hash tables are read inside dl_iterate_phdr: no lock of
 * the loader is taken twice, and no reference keeps anything loaded.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <string.h>

#include "cuda.h"

struct tables {
	uintptr_t base;
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *gnu_hash;
	const uint32_t *hash;
};

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

/* glibc relocates these entries in place, but not where the section is read-only. */
static const void *entry(const struct dl_phdr_info *info, const ElfW(Dyn) * dynamic)
{
	uintptr_t value = dynamic->d_un.d_ptr;

	return (const void *)(value < info->dlpi_addr ? value + info->dlpi_addr : value);
}

static bool read_tables(const struct dl_phdr_info *info, struct tables *tables)
{
	const ElfW(Dyn) *dynamic = NULL;

	*tables = (struct tables){.base = info->dlpi_addr};
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

static void *function_at(const struct tables *tables, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &tables->symbols[index];

	if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
	    strcmp(tables->strings + symbol->st_name, name) != 0)
		return NULL;
	return (void *)(tables->base + symbol->st_value);
}

static void *find_gnu(const struct tables *tables, const char *name)
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

static void *find_sysv(const struct tables *tables, const char *name)
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

static void *find(const struct tables *tables, const char *name)
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
static bool is_driver(const struct dl_phdr_info *info, struct tables *tables)
{
	return !contains(info, &anaros_cuda_next) && read_tables(info, tables) &&
	       find(tables, "cuInit") != NULL && find(tables, "cuDriverGetVersion") != NULL;
}

struct query {
	const void *address; /* NULL: any driver */
	const char *symbol;
	bool driver;
	void *function;
};

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct query *query = data;
	struct tables tables;

	(void)size;
	if (query->address != NULL && !contains(info, query->address))
		return 0;
	query->driver = is_driver(info, &tables);
	if (query->driver && query->symbol != NULL)
		query->function = find(&tables, query->symbol);
	return query->driver || query->address != NULL;
}

bool anaros_cuda_driver_loaded(void)
{
	struct query query = {.address = NULL};

	dl_iterate_phdr(visit, &query);
	return query.driver;
}

bool anaros_cuda_in_driver(const void *address)
{
	struct query query = {.address = address};

	dl_iterate_phdr(visit, &query);
	return query.driver;
}

void *anaros_cuda_driver_symbol(const char *symbol)
{
	struct query query = {.symbol = symbol};

	dl_iterate_phdr(visit, &query);
	return query.function;
}
