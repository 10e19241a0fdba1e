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

#include "core/shim.h"

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

void *anaros_real_dlsym(void *handle, const char *name)
{
	static void *(*real)(void *, const char *);
	static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"};
	void *(*found)(void *, const char *) = __atomic_load_n(&real, __ATOMIC_RELAXED);

	for (size_t i = 0; found == NULL && i < sizeof(versions) / sizeof(*versions); i++) {
		*(void **)(&found) = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
		__atomic_store_n(&real, found, __ATOMIC_RELAXED);
	}
	return found != NULL ? found(handle, name) : NULL;
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
