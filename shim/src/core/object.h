/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded object: its symbols, and where it keeps the addresses of others. */
#ifndef ANAROS_OBJECT_H
#define ANAROS_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dl_phdr_info;

struct anaros_object {
	uintptr_t base;
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *gnu_hash;
	const uint32_t *hash;
	const ElfW(Rela) * relocations;
	size_t relocation_count;
	size_t relative_count; /* of these, the first ones, which have no name */
	const ElfW(Rela) * plt;
	size_t plt_count;
	uintptr_t relro_start; /* read-only since it was relocated */
	size_t relro_bytes;
};

/*
 * As dl_iterate_phdr, which in a child of fork may wait for a thread that the
 * child does not have. There the objects are told without the loader's
 * counters, which `size` leaves out.
 */
int anaros_objects(int (*visit)(struct dl_phdr_info *info, size_t size, void *data), void *data);
/* false: it has no symbols. */
bool anaros_object_read(const struct dl_phdr_info *info, struct anaros_object *object);
bool anaros_object_contains(const struct dl_phdr_info *info, const void *address);
/* A function that it exports; NULL: none of that name. */
void *anaros_object_find(const struct anaros_object *object, const char *name);

#endif
