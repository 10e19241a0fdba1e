/* SPDX-License-Identifier: Apache-2.0 */
/* For the HIP programs: the simulated runtime, and what it counts itself. */
#ifndef HIP_TEST_H
#define HIP_TEST_H

#include "harness.h"

#include <dlfcn.h>

#define SIM        "hip_sim/build/"
#define SIM_HIP    SIM "libamdhip64.so.6"
#define SIM_DIRECT SIM "direct.so"

enum sim_way { SIM_H2D, SIM_D2H, SIM_D2D, SIM_H2H };
enum copy_kind { H2H, H2D, D2H, D2D };

struct dim3 {
	unsigned int x, y, z;
};

static inline void *hip_open(void)
{
	void *library = dlopen(SIM_HIP, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		harness_skip("the simulated HIP is not built");
	return library;
}

static inline void *hip_symbol(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (function == NULL)
		fprintf(stderr, "%s: ", name);
	CHECK(function != NULL);
	return function;
}

/* HIP(library, hipMalloc, void **, size_t)(&pointer, 16) */
#define HIP(library, name, ...) ((int (*)(__VA_ARGS__))hip_symbol(library, #name))

#define OK(call) CHECK_EQUAL(call, 0)

static inline void *hip_kernel(void *library, const char *name)
{
	void *module, *function;

	OK(HIP(library, hipModuleLoadData, void **, const void *)(&module, "image"));
	OK(HIP(library, hipModuleGetFunction, void **, void *, const char *)(&function, module,
									     name));
	return function;
}

static inline int hip_launch(void *library, void *function, unsigned int blocks,
			     unsigned int threads, void *stream, void **values)
{
	return HIP(library, hipModuleLaunchKernel, void *, unsigned int, unsigned int, unsigned int,
		   unsigned int, unsigned int, unsigned int, unsigned int, void *, void **,
		   void **)(function, blocks, 1, 1, threads, 1, 1, 0, stream, values, NULL);
}

/* How often the runtime itself was entered. */
static inline uint64_t sim_calls(void *library, const char *name)
{
	return ((uint64_t(*)(const char *))hip_symbol(library, "anaros_sim_calls"))(name);
}

static inline uint64_t sim_bytes(void *library, enum sim_way way)
{
	return ((uint64_t(*)(int))hip_symbol(library, "anaros_sim_bytes"))(way);
}

/* The device is lost after so many operations. */
static inline void sim_lose(void *library, uint64_t operations)
{
	((void (*)(uint64_t))hip_symbol(library, "anaros_sim_lose"))(operations);
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

struct named {
	uint64_t object;
	const char *name;
	unsigned int count;
};

static inline void named_look(const struct anaros_record *record, void *context)
{
	struct named *named = context;

	if (record->kind == ANAROS_KIND_META_NAME && record->object == named->object &&
	    record->size_bytes == strlen(named->name) &&
	    memcmp(record + 1, named->name, record->size_bytes) == 0)
		named->count++;
}

/* How often `object` was given this name. */
static inline unsigned int names_of(const struct harness *harness, const void *object,
				    const char *name)
{
	struct named named = {.object = (uintptr_t)object, .name = name};

	harness_each(harness, named_look, &named);
	return named.count;
}

#endif
