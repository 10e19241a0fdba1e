/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HIP, which AMD's runtime exports as one library. It is the level that is
 * recorded: what lies below has no names of its own that programs call. A
 * twin with _spt at its end takes the stream of the thread for a NULL stream.
 *
 * No wrapper calls HIP: that is not allowed during stream capture.
 */
#ifndef ANAROS_HIP_H
#define ANAROS_HIP_H

#include "cuda/cuda.h"
#include "core/device.h"
#include "hip/abi.h"
#include "hip/hooks.h"

#define HIP_SUCCESS          0
#define HIP_SYMBOL_NOT_FOUND 302

enum anaros_hip_hook {
#define ANAROS_HIP_HOOK(name) ANAROS_HIP_##name,
#define ANAROS_HIP_NONE(reason, name)
	ANAROS_HIP(ANAROS_HIP_HOOK, ANAROS_HIP_NONE)
#undef ANAROS_HIP_HOOK
#undef ANAROS_HIP_NONE
	    ANAROS_HIP_COUNT
};

extern void *anaros_hip_next[ANAROS_HIP_COUNT] __attribute__((visibility("hidden")));
extern void *anaros_hip_found[ANAROS_HIP_COUNT] __attribute__((visibility("hidden")));

static inline void *anaros_hip_real_next(enum anaros_hip_hook hook)
{
	void *function = __atomic_load_n(&anaros_hip_next[hook], __ATOMIC_RELAXED);

	return likely(function != NULL) ? function : anaros_device_resolve(&anaros_hip, hook);
}

/* A found wrapper is only handed out after its slot was filled. */
static inline void *anaros_hip_real_found(enum anaros_hip_hook hook)
{
	return __atomic_load_n(&anaros_hip_found[hook], __ATOMIC_RELAXED);
}

#define HIP_BOTH(name, parameters, arguments, twin, before, ...)                                   \
	DEVICE_ENTRY(EXPORT, name, anaros_hip_real_next(ANAROS_HIP_##name), HIP_SYMBOL_NOT_FOUND,  \
		     parameters, arguments, twin, before, __VA_ARGS__)                             \
	DEVICE_ENTRY(, anaros_found_##name, anaros_hip_real_found(ANAROS_HIP_##name),              \
		     HIP_SYMBOL_NOT_FOUND, parameters, arguments, twin, before, __VA_ARGS__)
#define HIP_WITH_ABI(name, twin, abi, before, ...) HIP_BOTH(name, abi, twin, before, __VA_ARGS__)

/* As CUDA_WRAP, CUDA_PAIR and CUDA_PAIR_AROUND, with the parameters of abi.h. */
#define HIP_WRAP(name, ...) HIP_WITH_ABI(name, 0, HIP_ABI_##name, (void)0, __VA_ARGS__)
#define HIP_PAIR(name, ...) HIP_PAIR_AROUND(name, (void)0, __VA_ARGS__)
#define HIP_PAIR_AROUND(name, before, ...)                                                         \
	HIP_WITH_ABI(name, 0, HIP_ABI_##name, before, __VA_ARGS__)                                 \
	HIP_WITH_ABI(name##_spt, 1, HIP_ABI_##name, before, __VA_ARGS__)

/* Streams are numbered, and captured, as the CUDA driver's are. */
#define HIP_STREAM(stream)        CUDA_STREAM(stream)
#define HIP_FLAGS(stream_, flags) CUDA_FLAGS(stream_, flags)

/* module.c: names what a program launches by the address of its function. */
void anaros_hip_name_launched(const void *function);

#endif
