// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the function that the workload would have reached without the shim.
 *
 * The shim itself exports dlsym, so the real one is taken by version:
 * GLIBC_2.34 where it lives in libc, GLIBC_2.2.5 (x86-64) or GLIBC_2.17
 * (aarch64) before. Never a private symbol: __libc_dlsym is gone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "core/inject.h"
#include "core/shim.h"
#include "cuda/cuda.h"

void *anaros_real_table[ANAROS_HOOK_COUNT];

static const struct {
	const char *name;
	bool later;
} hooks[] = {
#define ANAROS_BASE(name)  {#name, false},
#define ANAROS_LATER(name) {#name, true},
    ANAROS_HOOKS(ANAROS_BASE, ANAROS_LATER)
#undef ANAROS_BASE
#undef ANAROS_LATER
};

typedef void *(*dlsym_function)(void *handle, const char *name);

void *anaros_kept_dlsym;
void *anaros_kept_dlopen;

/* Both live in the C library from 2.34 on, and in libdl before. */
void *anaros_versioned(const char *name, void **kept)
{
	static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"};
	void *found = __atomic_load_n(kept, __ATOMIC_RELAXED);

	for (size_t i = 0; found == NULL && i < sizeof(versions) / sizeof(*versions); i++)
		found = dlvsym(RTLD_NEXT, name, versions[i]);
	__atomic_store_n(kept, found, __ATOMIC_RELAXED);
	return found;
}

/* The shim is in no scope but its own, where it comes first. */
static void *of_global_scope(dlsym_function real, const char *name)
{
	void *found = real(RTLD_DEFAULT, name);

	return anaros_cuda_in_shim(found) ? NULL : found;
}

void *anaros_real_dlsym(void *handle, const char *name)
{
	dlsym_function real = (dlsym_function)anaros_versioned("dlsym", &anaros_kept_dlsym);

	if (real == NULL)
		return NULL;
	if (unlikely(anaros_injected != 0) && handle == RTLD_NEXT)
		return of_global_scope(real, name);
	return real(handle, name);
}

void *anaros_behind(const char *name, void **next, void **kept)
{
	void *found = __atomic_load_n(next, __ATOMIC_RELAXED);

	if (unlikely(found == NULL)) {
		found = anaros_real_dlsym(RTLD_NEXT, name);
		if (found == NULL)
			found = anaros_versioned(name, kept);
		__atomic_store_n(next, found, __ATOMIC_RELAXED);
	}
	return found;
}

void *anaros_next_dlsym(void *handle, const char *name)
{
	static void *next;
	dlsym_function function = (dlsym_function)anaros_behind("dlsym", &next, &anaros_kept_dlsym);

	return function != NULL ? function(handle, name) : NULL;
}

void *anaros_real_named(const char *name)
{
	if (strcmp(name, "dlsym") == 0)
		return anaros_kept_dlsym;
	if (strcmp(name, "dlopen") == 0)
		return anaros_kept_dlopen;
	for (unsigned int hook = 0; hook < ANAROS_HOOK_COUNT; hook++)
		if (strcmp(hooks[hook].name, name) == 0)
			return anaros_real_table[hook];
	return NULL;
}

void *anaros_resolve(enum anaros_hook hook)
{
	int saved = errno;
	void *function = anaros_real_dlsym(RTLD_NEXT, hooks[hook].name);

	__atomic_store_n(&anaros_real_table[hook], function, __ATOMIC_RELAXED);
	errno = saved;
	return function;
}

void anaros_resolve_all(void)
{
	for (unsigned int hook = 0; hook < ANAROS_HOOK_COUNT; hook++)
		if (anaros_real_table[hook] == NULL)
			anaros_resolve((enum anaros_hook)hook);
	/* A miss of a LATER hook leaves a message that is not the program's. */
	dlerror();
}

void anaros_resolve_anew(void)
{
	for (unsigned int hook = 0; hook < ANAROS_HOOK_COUNT; hook++) {
		void *function = anaros_real_dlsym(RTLD_NEXT, hooks[hook].name);

		if (function != NULL)
			__atomic_store_n(&anaros_real_table[hook], function, __ATOMIC_RELAXED);
	}
	anaros_versioned("dlopen", &anaros_kept_dlopen);
	dlerror();
}
