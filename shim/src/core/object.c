// SPDX-License-Identifier: Apache-2.0
/*
 * Loaded objects by their own tables. The loader's functions know only what
 * is in a scope, and some questions come up while it holds its lock.
 */
#define _GNU_SOURCE
#include "core/object.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#include "core/shim.h"
#include "core/sys.h"

typedef int (*visit_function)(struct dl_phdr_info *info, size_t size, void *data);

/* The process whose constructors ran; 0: it is still to come. */
static int first_pid;

__attribute__((constructor)) static void start(void)
{
	first_pid = sys_getpid();
}

/* Where an object's headers lie; false: nowhere that could be read. */
static bool headers_of(const struct link_map *map, struct dl_phdr_info *info)
{
	const ElfW(Ehdr) *header = (const void *)map->l_addr;
	unsigned char in_memory;

	/* The first is the program, and the kernel told where its headers are. */
	if (map->l_prev == NULL) {
		info->dlpi_phdr = (const void *)getauxval(AT_PHDR);
		info->dlpi_phnum = (ElfW(Half))getauxval(AT_PHNUM);
		return info->dlpi_phdr != NULL;
	}
	if (SYS3(SYS_mincore, map->l_addr, 1, &in_memory) != 0 ||
	    memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	info->dlpi_phdr = (const void *)(map->l_addr + header->e_phoff);
	info->dlpi_phnum = header->e_phnum;
	return true;
}

/*
 * The list that the loader keeps for debuggers. What is loaded meanwhile is
 * put at its end; a thread that unloads meanwhile would be in our way.
 */
static COLD int walk(visit_function visit, void *data)
{
	int result = 0;

	for (const struct link_map *map = _r_debug.r_map; result == 0 && map != NULL;
	     map = map->l_next) {
		struct dl_phdr_info info = {.dlpi_addr = map->l_addr, .dlpi_name = map->l_name};

		if (headers_of(map, &info))
			result = visit(&info, offsetof(struct dl_phdr_info, dlpi_adds), data);
	}
	return result;
}

/*
 * The loader's lock may have been held when a child was forked, by a thread
 * that asked, loaded or unloaded. Nothing tells: memory is copied while the
 * parent's other threads go on. So no child of fork takes it.
 */
int anaros_objects(visit_function visit, void *data)
{
	if (first_pid != 0 && unlikely(sys_getpid() != first_pid))
		return walk(visit, data);
	return dl_iterate_phdr(visit, data);
}

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

bool anaros_object_read(const struct dl_phdr_info *info, struct anaros_object *object)
{
	const ElfW(Dyn) *dynamic = NULL;

	*object = (struct anaros_object){.base = info->dlpi_addr};
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_DYNAMIC)
			dynamic = (const void *)(info->dlpi_addr + header->p_vaddr);
		else if (header->p_type == PT_GNU_RELRO) {
			object->relro_start = info->dlpi_addr + header->p_vaddr;
			object->relro_bytes = header->p_memsz;
		}
	}
	for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_SYMTAB)
			object->symbols = entry(info, dynamic);
		else if (dynamic->d_tag == DT_STRTAB)
			object->strings = entry(info, dynamic);
		else if (dynamic->d_tag == DT_GNU_HASH)
			object->gnu_hash = entry(info, dynamic);
		else if (dynamic->d_tag == DT_HASH)
			object->hash = entry(info, dynamic);
		else if (dynamic->d_tag == DT_RELA)
			object->relocations = entry(info, dynamic);
		else if (dynamic->d_tag == DT_RELASZ)
			object->relocation_count = dynamic->d_un.d_val / sizeof(ElfW(Rela));
		else if (dynamic->d_tag == DT_JMPREL)
			object->plt = entry(info, dynamic);
		else if (dynamic->d_tag == DT_PLTRELSZ)
			object->plt_count = dynamic->d_un.d_val / sizeof(ElfW(Rela));
		else if (dynamic->d_tag == DT_RELACOUNT)
			object->relative_count = dynamic->d_un.d_val;
	}
	return object->symbols != NULL && object->strings != NULL;
}

static void *function_at(const struct anaros_object *object, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &object->symbols[index];

	if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
	    strcmp(object->strings + symbol->st_name, name) != 0)
		return NULL;
	return (void *)(object->base + symbol->st_value);
}

static void *find_gnu(const struct anaros_object *object, const char *name)
{
	const uint32_t *header = object->gnu_hash;
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
			void *found = function_at(object, index, name);

			if (found != NULL)
				return found;
		}
		if (chain & 1)
			return NULL;
	}
}

static void *find_sysv(const struct anaros_object *object, const char *name)
{
	uint32_t bucket_count = object->hash[0];
	const uint32_t *buckets = object->hash + 2;
	const uint32_t *chains = buckets + bucket_count;

	if (bucket_count == 0)
		return NULL;
	for (uint32_t i = buckets[sysv_hash_of(name) % bucket_count]; i != 0; i = chains[i]) {
		void *found = function_at(object, i, name);

		if (found != NULL)
			return found;
	}
	return NULL;
}

void *anaros_object_find(const struct anaros_object *object, const char *name)
{
	if (object->gnu_hash != NULL)
		return find_gnu(object, name);
	return object->hash != NULL ? find_sysv(object, name) : NULL;
}

bool anaros_object_contains(const struct dl_phdr_info *info, const void *address)
{
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_LOAD &&
		    (uintptr_t)address - (info->dlpi_addr + header->p_vaddr) < header->p_memsz)
			return true;
	}
	return false;
}
