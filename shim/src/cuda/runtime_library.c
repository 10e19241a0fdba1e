// SPDX-License-Identifier: Apache-2.0
/*
 * Which CUDA runtime a caller means. One process may hold several: each wheel
 * brings its own and loads it in a local scope. So it is looked up for each
 * object that calls, the way the loader would have: the global scope behind
 * the shim, then the object's own. Code that lies in no object, or in one
 * that has no runtime, gets the first that is loaded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cuda/runtime.h"
#include "core/lock.h"

#define CALLERS 64u

static const char *const names[ANAROS_RUNTIME_COUNT] = {
#define ANAROS_RUNTIME_ROW(name) #name,
    ANAROS_CUDA_RUNTIME(ANAROS_RUNTIME_ROW)
#undef ANAROS_RUNTIME_ROW
};

#define ANAROS_RUNTIME_ROW(name)                                                                   \
	extern int anaros_found_##name(void) __attribute__((visibility("hidden")));
ANAROS_CUDA_RUNTIME(ANAROS_RUNTIME_ROW)
#undef ANAROS_RUNTIME_ROW

static int (*const wrappers[ANAROS_RUNTIME_COUNT])(void) = {
#define ANAROS_RUNTIME_ROW(name) anaros_found_##name,
    ANAROS_CUDA_RUNTIME(ANAROS_RUNTIME_ROW)
#undef ANAROS_RUNTIME_ROW
};

/* Filled once, from the front, and never moved. */
static struct caller {
	uintptr_t start, size;
	void *real[ANAROS_RUNTIME_COUNT];
} callers[CALLERS];
static uint32_t caller_count;

struct anaros_runtime_first anaros_runtime_first[ANAROS_RUNTIME_COUNT];

static struct caller *known_caller(const void *address)
{
	uint32_t count = __atomic_load_n(&caller_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++)
		if ((uintptr_t)address - callers[i].start < callers[i].size)
			return &callers[i];
	return NULL;
}

/* NULL: it is not kept, and looked up again. */
static struct caller *add_caller(const void *address)
{
	uintptr_t start, size;
	struct caller *caller;
	uint32_t *lock;

	if (!anaros_cuda_object_of(address, &start, &size))
		return NULL;
	lock = anaros_lock(ANAROS_LOCK_CUDA_CALLERS);
	if (lock == NULL)
		return NULL;
	caller = known_caller(address);
	if (caller == NULL && caller_count < CALLERS) {
		caller = &callers[caller_count];
		caller->start = start;
		caller->size = size;
		__atomic_store_n(&caller_count, caller_count + 1, __ATOMIC_RELEASE);
	}
	anaros_unlock(lock);
	return caller;
}

/* Its size comes last: who reads it sees the rest. */
static void keep_first(enum anaros_cuda_runtime_hook hook, const struct caller *caller,
		       void *function)
{
	struct anaros_runtime_first *first = &anaros_runtime_first[hook];
	uint32_t *lock = anaros_lock(ANAROS_LOCK_CUDA_CALLERS);

	if (lock == NULL)
		return;
	if (first->size == 0) {
		first->start = caller->start;
		first->real = function;
		__atomic_store_n(&first->size, caller->size, __ATOMIC_RELEASE);
	}
	anaros_unlock(lock);
}

/* In the scope of the caller's object, or else anywhere. */
static void *search(const char *name, const void *address)
{
	void *function = anaros_real_dlsym(RTLD_NEXT, name), *handle;
	Dl_info info;

	if (function == NULL && dladdr(address, &info) != 0 && info.dli_fname[0] != '\0') {
		handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
		function = handle != NULL ? anaros_real_dlsym(handle, name) : NULL;
		if (handle != NULL)
			dlclose(handle);
	}
	if (function == NULL || anaros_cuda_in_shim(function))
		function = anaros_cuda_exporter(name);
	/* While we know it, it stays. */
	if (function != NULL && dladdr(function, &info) != 0)
		dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	return function;
}

static void *COLD find(enum anaros_cuda_runtime_hook hook, const void *address,
		       struct caller *caller)
{
	int saved = errno;
	void *function = search(names[hook], address);

	/* What was not found left a message that is not the program's. */
	dlerror();
	if (caller == NULL)
		caller = add_caller(address);
	if (caller != NULL)
		__atomic_store_n(&caller->real[hook], function, __ATOMIC_RELEASE);
	if (caller != NULL && function != NULL)
		keep_first(hook, caller, function);
	errno = saved;
	return function;
}

void *anaros_runtime_real(enum anaros_cuda_runtime_hook hook, const void *address)
{
	struct caller *caller = known_caller(address);
	void *function =
	    caller != NULL ? __atomic_load_n(&caller->real[hook], __ATOMIC_ACQUIRE) : NULL;

	return likely(function != NULL) ? function : find(hook, address, caller);
}

static int hook_of(const char *name)
{
	for (int hook = 0; hook < ANAROS_RUNTIME_COUNT; hook++)
		if (strcmp(names[hook], name) == 0)
			return hook;
	return -1;
}

bool anaros_runtime_wraps(const char *name)
{
	return hook_of(name) >= 0;
}

/* The wrapper for this very function. */
void *anaros_runtime_wrapper_of(const char *name, void *function)
{
	int hook = hook_of(name);

	if (anaros_device_claim(&anaros_runtime_found[hook], function))
		return (void *)(uintptr_t)wrappers[hook];
	return anaros_cuda_pass(name, ANAROS_WAY_SECOND, 0, function);
}

/* dlsym with a handle of the program's own. */
void *anaros_runtime_from_dlsym(void *handle, const char *name)
{
	void *function = anaros_next_dlsym(handle, name);

	if (function == NULL)
		return NULL;
	/* The global scope, and it met the shim first: is there one without it? */
	if (anaros_cuda_in_shim(function))
		return anaros_real_dlsym(RTLD_NEXT, name) != NULL ? function : NULL;
	return anaros_runtime_wrapper_of(name, function);
}
