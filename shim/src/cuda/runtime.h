/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CUDA runtime. The driver's calls are the record; a runtime call only
 * leaves what the driver is not told: the direction of a copy, and which
 * function of the program a kernel is. So nothing is counted twice.
 */
#ifndef ANAROS_CUDA_RUNTIME_H
#define ANAROS_CUDA_RUNTIME_H

#include "cuda/cuda.h"
#include "cuda/runtime_hooks.h"

enum anaros_cuda_runtime_hook {
#define ANAROS_RUNTIME_ROW(name) ANAROS_RUNTIME_##name,
	ANAROS_CUDA_RUNTIME(ANAROS_RUNTIME_ROW)
#undef ANAROS_RUNTIME_ROW
	    ANAROS_RUNTIME_COUNT
};

extern void *anaros_runtime_found[ANAROS_RUNTIME_COUNT] __attribute__((visibility("hidden")));

/* runtime_library.c */
/* The function that the object of `caller`, a return address, would have reached. */
void *anaros_runtime_real(enum anaros_cuda_runtime_hook hook, const void *caller);
/* The first that each was asked for by: most callers of one function are one object. */
struct anaros_runtime_first {
	uintptr_t start, size; /* of the caller's object; size 0: nobody yet */
	void *real;
};
extern struct anaros_runtime_first anaros_runtime_first[ANAROS_RUNTIME_COUNT]
    __attribute__((visibility("hidden")));

/* The same function; NULL: it has to be looked up. */
static inline void *anaros_runtime_quick(enum anaros_cuda_runtime_hook hook, const void *caller)
{
	const struct anaros_runtime_first *first = &anaros_runtime_first[hook];
	uintptr_t size = __atomic_load_n(&first->size, __ATOMIC_ACQUIRE);

	return likely((uintptr_t)caller - first->start < size) ? first->real : NULL;
}

bool anaros_runtime_wraps(const char *name);
void *anaros_runtime_wrapper_of(const char *name, void *function) COLD;
void *anaros_runtime_from_dlsym(void *handle, const char *name) COLD;

#endif
