// SPDX-License-Identifier: Apache-2.0
/*
 * A library that asks for device functions from where it is: by weak
 * references, of which the loader has told it by then, and with dlsym.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

#include "scope.h"

#define WEAK(name) extern int name(void) __attribute__((weak));
SCOPE_NAMES(WEAK)

/* Filled when the library is relocated. */
#define ENTRY(name) name,
static int (*const table[])(void) = {SCOPE_NAMES(ENTRY)};

#define ASKED(name) name != NULL,
unsigned int scope_weak(void)
{
	const char direct[] = {SCOPE_NAMES(ASKED)};
	unsigned int bits = 0;

	for (unsigned int i = 0; i < SCOPE_COUNT; i++)
		bits |= (unsigned int)direct[i] << i | (unsigned int)(table[i] != NULL)
							   << (i + SCOPE_COUNT);
	return bits;
}

int scope_malloc(void **pointer, size_t bytes)
{
	int (*function)(void **, size_t) = (int (*)(void **, size_t))(void *)hipMalloc;

	return function != NULL ? function(pointer, bytes) : -1;
}

void *scope_symbol(void *handle, const char *name)
{
	void *found = dlsym(handle, name);

	/* A call, no jump: the caller is to be this library. */
	__asm__ volatile("" : "+r"(found));
	return found;
}
