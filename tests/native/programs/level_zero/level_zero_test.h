/* SPDX-License-Identifier: Apache-2.0 */
/* For the Level Zero programs: the simulated loader, and what it counts itself. */
#ifndef LEVEL_ZERO_TEST_H
#define LEVEL_ZERO_TEST_H

#include "harness.h"

#include <dlfcn.h>

#define SIM_LOADER "level_zero_sim/build/libze_loader.so.1"
#define SIM_DIRECT "level_zero_sim/build/direct.so"

enum sim_call {
	SIM_LIST_CREATE,
	SIM_LIST_CREATE_IMMEDIATE,
	SIM_COPY,
	SIM_FILL,
	SIM_LAUNCH,
	SIM_EXECUTE
};

struct group {
	uint32_t x, y, z;
};

/* As Level Zero's description of a queue. */
struct described_queue {
	int type;
	const void *next;
	uint32_t ordinal, index, flags;
	int mode; /* 1 is synchronous */
	int priority;
};

typedef int (*ze_copy)(void *, void *, const void *, size_t, void *, uint32_t, void **);

static inline void *ze_open(void)
{
	void *library = dlopen(SIM_LOADER, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		harness_skip("the simulated Level Zero is not built");
	return library;
}

static inline void *ze_symbol(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (function == NULL)
		fprintf(stderr, "%s: ", name);
	CHECK(function != NULL);
	return function;
}

/* ZE(library, zeInit, uint32_t)(0) */
#define ZE(library, name, ...) ((int (*)(__VA_ARGS__))ze_symbol(library, #name))

#define OK(call) CHECK_EQUAL(call, 0)

#define ZE_DEVICE_LOST   0x70000001
#define ZE_UNINITIALIZED 0x78000001

/* How often the driver itself was entered. */
static inline uint64_t sim_calls(void *library, enum sim_call call)
{
	return ((uint64_t(*)(int))ze_symbol(library, "anaros_sim_calls"))((int)call);
}

static inline uint64_t sim_bytes(void *library)
{
	return ((uint64_t(*)(void))ze_symbol(library, "anaros_sim_bytes"))();
}

/* The device is lost after so many commands. */
static inline void sim_lose(void *library, uint64_t commands)
{
	((void (*)(uint64_t))ze_symbol(library, "anaros_sim_lose"))(commands);
}

static inline void *ze_list(void *library)
{
	static const struct described_queue described;
	void *list = NULL;

	OK(ZE(library, zeCommandListCreateImmediate, void *, void *, const void *,
	      void **)(NULL, NULL, &described, &list));
	return list;
}

static inline void *ze_kernel(void *library)
{
	struct {
		int type;
		const void *next;
		uint32_t flags;
		const char *name;
	} desc = {.name = "vector_add"};
	void *module, *kernel;

	OK(ZE(library, zeModuleCreate, void *, void *, const void *, void **,
	      void **)(NULL, NULL, NULL, &module, NULL));
	OK(ZE(library, zeKernelCreate, void *, const void *, void **)(module, &desc, &kernel));
	OK(ZE(library, zeKernelSetGroupSize, void *, uint32_t, uint32_t, uint32_t)(kernel, 1, 1,
										   1));
	return kernel;
}

static inline int ze_launch(void *library, void *list, void *kernel, void *event)
{
	static const struct group none;

	return ZE(library, zeCommandListAppendLaunchKernel, void *, void *, const struct group *,
		  void *, uint32_t, void **)(list, kernel, &none, event, 0, NULL);
}

static inline int ze_alloc(void *library, size_t bytes, void **pointer)
{
	return ZE(library, zeMemAllocDevice, void *, const void *, size_t, size_t, void *,
		  void **)(NULL, NULL, bytes, 64, NULL, pointer);
}

static inline int ze_wait(void *library, void *list)
{
	return ZE(library, zeCommandListHostSynchronize, void *, uint64_t)(list, UINT64_MAX);
}

static inline struct harness_search records(const struct harness *harness, uint16_t kind)
{
	return harness_find(harness, (struct wanted){.pid = (uint32_t)getpid(), .kind = kind});
}

static inline bool lies_in(const void *function, const char *file)
{
	Dl_info info;

	return dladdr(function, &info) != 0 && strstr(info.dli_fname, file) != NULL;
}

#endif
