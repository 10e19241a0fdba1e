// SPDX-License-Identifier: Apache-2.0
/*
 * No device of its own: memory, copies, kernels, waits and questions are those
 * of Level Zero, which the tests simulate too. Each command signals an event
 * there, as drivers have it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define LOADER "level_zero_sim/build/libze_loader.so.1"

struct groups {
	uint32_t x, y, z;
};

struct kernel_description {
	int type;
	const void *next;
	uint32_t flags;
	const char *name;
};

static void *loader, *context, *list, *event, *module, *kernel;

/* ZE(zeInit, uint32_t)(0) */
#define ZE(name, ...) ((int (*)(__VA_ARGS__))function(#name))
#define DONE(call)                                                                                 \
	do {                                                                                       \
		if ((call) != 0)                                                                   \
			abort();                                                                   \
	} while (0)

static void *function(const char *name)
{
	void *found = dlsym(loader, name);

	if (found == NULL)
		abort();
	return found;
}

void sim_device_start(void)
{
	if (loader != NULL || (loader = dlopen(LOADER, RTLD_NOW | RTLD_LOCAL)) == NULL)
		return;
	DONE(ZE(zeInit, uint32_t)(0));
	DONE(ZE(zeContextCreate, void *, const void *, void **)(NULL, NULL, &context));
	DONE(ZE(zeEventCreate, void *, const void *, void **)(NULL, NULL, &event));
}

void sim_device_queue(void)
{
	static const uint64_t described[5]; /* by nothing but zeros */

	if (list == NULL)
		DONE(ZE(zeCommandListCreateImmediate, void *, void *, const void *,
			void **)(context, NULL, described, &list));
}

void sim_device_kernel(void)
{
	const struct kernel_description described = {.name = "vector_add"};

	if (kernel != NULL)
		return;
	DONE(ZE(zeModuleCreate, void *, void *, const void *, void **, void **)(context, NULL, NULL,
										&module, NULL));
	DONE(ZE(zeKernelCreate, void *, const void *, void **)(module, &described, &kernel));
	DONE(ZE(zeKernelSetGroupSize, void *, uint32_t, uint32_t, uint32_t)(kernel, 1, 1, 1));
}

void *sim_device_alloc(size_t bytes)
{
	void *memory = NULL;

	DONE(ZE(zeMemAllocDevice, void *, const void *, size_t, size_t, void *,
		void **)(context, NULL, bytes, 64, NULL, &memory));
	return memory;
}

void sim_device_free(void *memory)
{
	DONE(ZE(zeMemFree, void *, void *)(context, memory));
}

void sim_device_wait(void)
{
	DONE(ZE(zeCommandListHostSynchronize, void *, uint64_t)(list, UINT64_MAX));
}

void sim_device_ask(void)
{
	ZE(zeEventQueryStatus, void *)(event);
}

void sim_device_copy(void *target, const void *source, size_t bytes)
{
	DONE(ZE(zeCommandListAppendMemoryCopy, void *, void *, const void *, size_t, void *,
		uint32_t, void **)(list, target, source, bytes, event, 0, NULL));
	sim_device_wait();
}

void sim_device_fill(void *target, const void *pattern, size_t pattern_bytes, size_t bytes)
{
	DONE(ZE(zeCommandListAppendMemoryFill, void *, void *, const void *, size_t, size_t, void *,
		uint32_t, void **)(list, target, pattern, pattern_bytes, bytes, event, 0, NULL));
	sim_device_wait();
}

void sim_device_run(const float *x, float *y, size_t items)
{
	const struct groups groups = {(uint32_t)items, 1, 1};
	const float one = 1;
	float *ones = sim_device_alloc(items * sizeof(one));
	const void *arguments[] = {x, ones, y};

	sim_device_fill(ones, &one, sizeof(one), items * sizeof(one));
	for (uint32_t i = 0; i < 3; i++)
		DONE(ZE(zeKernelSetArgumentValue, void *, uint32_t, size_t,
			const void *)(kernel, i, sizeof(void *), &arguments[i]));
	DONE(ZE(zeCommandListAppendLaunchKernel, void *, void *, const struct groups *, void *,
		uint32_t, void **)(list, kernel, &groups, event, 0, NULL));
	sim_device_wait();
	sim_device_free(ones);
}
