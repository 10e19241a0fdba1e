/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level Zero, which the loader exports. A command list is either immediate,
 * and its commands run at once, or regular: its commands are recorded, as in
 * a capture, and run each time that a queue executes the list, as a graph.
 *
 * A list, a queue, a fence and an event stand where CUDA has streams and
 * events. No wrapper calls Level Zero.
 */
#ifndef ANAROS_LEVEL_ZERO_H
#define ANAROS_LEVEL_ZERO_H

#include "cuda/cuda.h"
#include "core/device.h"
#include "core/span.h"
#include "level_zero/abi.h"
#include "level_zero/hooks.h"

#define ZE_SUCCESS       0
#define ZE_NOT_READY     1
#define ZE_UNINITIALIZED 0x78000001

enum anaros_ze_hook {
#define ANAROS_ZE_HOOK(name) ANAROS_ZE_##name,
#define ANAROS_ZE_NONE(reason, name)
	ANAROS_LEVEL_ZERO(ANAROS_ZE_HOOK, ANAROS_ZE_HOOK, ANAROS_ZE_NONE)
#undef ANAROS_ZE_HOOK
#undef ANAROS_ZE_NONE
	    ANAROS_ZE_COUNT
};

extern void *anaros_ze_next[ANAROS_ZE_COUNT] __attribute__((visibility("hidden")));
extern void *anaros_ze_found[ANAROS_ZE_COUNT] __attribute__((visibility("hidden")));
/* In a table are the driver's functions, where dlsym finds the loader's: a program may have both.
 */
extern void *anaros_ze_tabled[ANAROS_ZE_COUNT] __attribute__((visibility("hidden")));

static inline void *anaros_ze_real_next(enum anaros_ze_hook hook)
{
	void *function = __atomic_load_n(&anaros_ze_next[hook], __ATOMIC_RELAXED);

	return likely(function != NULL) ? function
					: anaros_device_resolve(&anaros_level_zero, hook);
}

/* A found wrapper is only handed out after its slot was filled. */
static inline void *anaros_ze_real_found(enum anaros_ze_hook hook)
{
	return __atomic_load_n(&anaros_ze_found[hook], __ATOMIC_RELAXED);
}

static inline void *anaros_ze_real_tabled(enum anaros_ze_hook hook)
{
	return __atomic_load_n(&anaros_ze_tabled[hook], __ATOMIC_RELAXED);
}

#define ZE_ENTRY(linkage, entry, real, parameters, arguments, before, ...)                         \
	DEVICE_ENTRY(linkage, entry, real, ZE_UNINITIALIZED, parameters, arguments, 0, before,     \
		     __VA_ARGS__)
#define ZE_ALL(name, parameters, arguments, before, ...)                                           \
	ZE_ENTRY(EXPORT, name, anaros_ze_real_next(ANAROS_ZE_##name), parameters, arguments,       \
		 before, __VA_ARGS__)                                                              \
	ZE_ENTRY(, anaros_found_##name, anaros_ze_real_found(ANAROS_ZE_##name), parameters,        \
		 arguments, before, __VA_ARGS__)                                                   \
	ZE_ENTRY(, anaros_tabled_##name, anaros_ze_real_tabled(ANAROS_ZE_##name), parameters,      \
		 arguments, before, __VA_ARGS__)
#define ZE_WITH_ABI(name, abi, before, ...) ZE_ALL(name, abi, before, __VA_ARGS__)
#define ZE_WRAP(name, ...)                  ZE_WITH_ABI(name, ZE_ABI_##name, (void)0, __VA_ARGS__)
#define ZE_AROUND(name, before, ...)        ZE_WITH_ABI(name, ZE_ABI_##name, before, __VA_ARGS__)

/* image.c: of a region, counted in elements, or of all where there is none; 0: not told. */
uint64_t anaros_ze_image_bytes(const void *image, const void *region);
/* table.c: puts wrappers in a table that a getter filled for `caller`. */
void anaros_ze_exchange(int result, unsigned int getter, const char *name, uint32_t version,
			void **table, const void *caller) COLD;
/* The same for one function that a driver gave by its name. */
void *anaros_ze_exchange_one(const char *name, void *function) COLD;

#endif
