// SPDX-License-Identifier: Apache-2.0
/*
 * CUPTI has one user: another tool in the process that wants it gets it. Its
 * first call is seen as those of the driver are, by the exported name and by
 * dlsym; the seat is given up, and the call goes on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cuda/cuda.h"
#include "cupti/cupti.h"

enum hook {
#define CUPTI_HOOK(name) HOOK_##name,
	ANAROS_CUPTI(CUPTI_HOOK)
#undef CUPTI_HOOK
	    HOOKS
};

typedef int (*entry)(void *, void *, void *, void *);

static const char *const names[HOOKS] = {
#define CUPTI_HOOK(name) #name,
    ANAROS_CUPTI(CUPTI_HOOK)
#undef CUPTI_HOOK
};

/* CUPTI's answer where there is none of it. */
#define NOT_INITIALIZED 15

static entry found[HOOKS];

static COLD entry next(enum hook hook)
{
	void *function = anaros_real_dlsym(RTLD_NEXT, names[hook]);

	if (function == NULL)
		function = anaros_cuda_exporter(names[hook]);
	return (entry)(uintptr_t)function;
}

static int yield_and_call(entry real, const void *caller, void *a, void *b, void *c, void *d)
{
	if (real == NULL)
		return NOT_INITIALIZED;
	anaros_cupti_yield(caller);
	return real(a, b, c, d);
}

/* The exported name, and what dlsym gives out. */
#define CUPTI_HOOK(name)                                                                           \
	EXPORT int name(void *a, void *b, void *c, void *d);                                       \
	EXPORT int name(void *a, void *b, void *c, void *d)                                        \
	{                                                                                          \
		return yield_and_call(next(HOOK_##name), __builtin_return_address(0), a, b, c, d); \
	}                                                                                          \
	static int found_##name(void *a, void *b, void *c, void *d)                                \
	{                                                                                          \
		return yield_and_call(__atomic_load_n(&found[HOOK_##name], __ATOMIC_ACQUIRE),      \
				      __builtin_return_address(0), a, b, c, d);                    \
	}
ANAROS_CUPTI(CUPTI_HOOK)
#undef CUPTI_HOOK

static const entry wrappers[HOOKS] = {
#define CUPTI_HOOK(name) found_##name,
    ANAROS_CUPTI(CUPTI_HOOK)
#undef CUPTI_HOOK
};

static enum hook hook_of(const char *name)
{
	int hook = 0;

	while (hook < HOOKS && strcmp(names[hook], name) != 0)
		hook++;
	return hook;
}

bool anaros_cupti_wraps(const char *name)
{
	return hook_of(name) != HOOKS;
}

void *anaros_cupti_from_dlsym(void *handle, const char *name)
{
	void *function = anaros_real_dlsym(handle, name);
	enum hook hook = hook_of(name);
	entry none = NULL, real;

	/* A search of the global scope met the shim first. */
	if (function != NULL && anaros_cuda_in_shim(function))
		function = anaros_real_dlsym(RTLD_NEXT, name);
	real = (entry)(uintptr_t)function;
	if (real == NULL ||
	    __atomic_compare_exchange_n(&found[hook], &none, real, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE) ||
	    none == real)
		return real != NULL ? (void *)(uintptr_t)wrappers[hook] : NULL;
	return function; /* of a second copy of the library */
}
