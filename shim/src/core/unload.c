// SPDX-License-Identifier: Apache-2.0
/*
 * Programs unload a driver and load it again: an object that the loader has
 * dropped has left its addresses in the slots. Nobody can call through them
 * before something is loaded, so the next dlopen takes them out.
 */
#define _GNU_SOURCE
#include "core/device.h"
#include "core/object.h"
#include "cuda/runtime.h"
#include "opencl/opencl.h"

struct held {
	uintptr_t start, size; /* the object that was met last: mostly all lie in one */
};

static void forget(void **slots, unsigned int count, struct held *held)
{
	for (unsigned int i = 0; i < count; i++) {
		void *function = __atomic_load_n(&slots[i], __ATOMIC_RELAXED);

		if (function != NULL && (uintptr_t)function - held->start >= held->size &&
		    !anaros_cuda_object_of(function, &held->start, &held->size))
			__atomic_compare_exchange_n(&slots[i], &function, NULL, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

static int count_unloaded(struct dl_phdr_info *info, size_t size, void *data)
{
	/* A structure of an older C library lacks the counters. */
	if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs))
		*(unsigned long long *)data = info->dlpi_subs;
	return 1;
}

void anaros_forget_unloaded(void)
{
	static unsigned long long before;
	/* Not told: it is always looked. */
	unsigned long long unloaded = __atomic_load_n(&before, __ATOMIC_RELAXED) + 1;
	struct held held = {0, 0};

	anaros_objects(count_unloaded, &unloaded);
	if (likely(__atomic_exchange_n(&before, unloaded, __ATOMIC_RELAXED) == unloaded))
		return;
	forget(anaros_cuda_next, ANAROS_CUDA_COUNT, &held);
	forget(anaros_cuda_found, ANAROS_CUDA_COUNT, &held);
	forget(anaros_runtime_found, ANAROS_RUNTIME_COUNT, &held);
	forget(anaros_hip.next, anaros_hip.hook_count, &held);
	forget(anaros_hip.found, anaros_hip.hook_count, &held);
	forget(anaros_level_zero.next, anaros_level_zero.hook_count, &held);
	forget(anaros_level_zero.found, anaros_level_zero.hook_count, &held);
	cl_libraries_forget();
	cl_founds_forget();
}
