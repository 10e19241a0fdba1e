/* SPDX-License-Identifier: Apache-2.0 */
/* For the CUDA programs: the simulated driver, reached as a runtime does. */
#ifndef CUDA_TEST_H
#define CUDA_TEST_H

#include "harness.h"

#include <dlfcn.h>

#define SIM               "cuda_sim/build/"
#define SIM_DRIVER        SIM "libcuda.so.1"
#define IMAGE             "anaros-sim-image\n"
#define DEFAULT_STREAM    0u
#define PER_THREAD_STREAM 2u
#define KNOWN_VERSION     13000

typedef int (*cu_resolver)(const char *, void **, int, uint64_t);
typedef int (*cu_resolver_v2)(const char *, void **, int, uint64_t, int *);
typedef int (*cu_launch)(void *, unsigned int, unsigned int, unsigned int, unsigned int,
			 unsigned int, unsigned int, unsigned int, void *, void **, void **);

enum sim_way { SIM_H2D, SIM_D2H, SIM_D2D, SIM_H2H };

static inline void *cuda_open(void)
{
	void *driver;

	setenv("ANAROS_SIM_SPEED", "0", 1);
	driver = dlopen(SIM_DRIVER, RTLD_NOW | RTLD_LOCAL);
	if (driver == NULL)
		harness_skip("the simulated driver is not built");
	return driver;
}

static inline void *cuda_symbol(void *driver, const char *name)
{
	void *function = dlsym(driver, name);

	if (function == NULL)
		fprintf(stderr, "%s: ", name);
	CHECK(function != NULL);
	return function;
}

/* CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 16) */
#define CUDA(driver, name, ...) ((int (*)(__VA_ARGS__))cuda_symbol(driver, #name))

#define OK(call) CHECK_EQUAL(call, 0)

/* Initialises the driver and makes device 0 current. */
static inline void cuda_start(void *driver)
{
	void *context;

	OK(CUDA(driver, cuInit, unsigned int)(0));
	OK(CUDA(driver, cuDevicePrimaryCtxRetain, void **, int)(&context, 0));
	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
}

static inline void *cuda_kernel(void *driver, const char *name)
{
	void *module, *function;

	OK(CUDA(driver, cuModuleLoadData, void **, const void *)(&module, IMAGE));
	OK(CUDA(driver, cuModuleGetFunction, void **, void *, const char *)(&function, module,
									    name));
	return function;
}

/* How often the driver itself was entered. */
static inline uint64_t sim_calls(void *driver, const char *symbol)
{
	return ((uint64_t(*)(const char *))cuda_symbol(driver, "anaros_sim_calls"))(symbol);
}

static inline uint64_t sim_bytes(void *driver, enum sim_way way)
{
	return ((uint64_t(*)(int))cuda_symbol(driver, "anaros_sim_bytes"))(way);
}

/* Records of the CUDA driver in this process. */
static inline uint64_t cuda_records(const struct harness *harness, uint16_t kind)
{
	return harness_count(harness, (struct wanted){.pid = (uint32_t)getpid(), .kind = kind});
}

static inline bool lies_in(const void *function, const char *file)
{
	Dl_info info;

	return dladdr(function, &info) != 0 && strstr(info.dli_fname, file) != NULL;
}

#endif
