/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loops on the simulated CUDA driver share: it is found at run time, as
 * runtimes do. With RUNTIME the loop is linked with a runtime, and launches by
 * that: nvcc 13 makes of <<<...>>> what is here.
 */
#ifndef ANAROS_BENCH_CUDA_H
#define ANAROS_BENCH_CUDA_H

#include <dlfcn.h>
#include <stddef.h>

#include "bench.h"
#ifdef RUNTIME
#include "../native/cudart/runtime.h"
#endif

struct driver {
	int (*init)(unsigned int flags);
	int (*retain)(void **context, int device);
	int (*set_current)(void *context);
	int (*load)(void **module, const void *image);
	int (*get_function)(void **function, void *module, const char *name);
	int (*launch)(void *function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
		      unsigned int block_x, unsigned int block_y, unsigned int block_z,
		      unsigned int shared_bytes, void *stream, void **params, void **extra);
	int (*synchronize)(void);
	int (*create_stream)(void **stream, unsigned int flags);
	int (*allocate)(uint64_t *pointer, size_t bytes);
	int (*copy)(uint64_t to, const void *from, size_t bytes, void *stream);
	void *context, *function;
};

static inline void *cuda_find(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (!function) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return function;
}

static inline void *cuda_library(const char *name)
{
	void *library = dlopen(name, RTLD_NOW);

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return library;
}

static inline void cuda_expect(const char *call, int result)
{
	if (result) {
		fprintf(stderr, "%s returned %d\n", call, result);
		exit(1);
	}
}

static inline int cuda_launch(const struct driver *cuda, void *stream)
{
#ifdef RUNTIME
	struct runtime_dim3 one = {1, 1, 1};

	return __cudaLaunchKernel(cuda->function, one, one, NULL, 0, stream);
#else
	return cuda->launch(cuda->function, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL);
#endif
}

#ifdef RUNTIME
/* The runtime asks for its functions at the first launch: not while others launch too. */
static inline void cuda_begin_runtime(struct driver *cuda)
{
	static const char here;

	__cudaRegisterFunction(NULL, &here, NULL, "noop", -1, NULL, NULL, NULL, NULL, NULL);
	cuda_expect("__cudaGetKernel", __cudaGetKernel(&cuda->function, &here));
	cuda_expect("__cudaLaunchKernel", cuda_launch(cuda, NULL));
	cuda_expect("cuCtxSynchronize", cuda->synchronize());
}
#endif

/* Initialises the driver, makes device 0 current and loads a kernel that does nothing. */
static inline void cuda_begin(struct driver *cuda)
{
	void *library = cuda_library("libcuda.so.1"), *module;

	*(void **)&cuda->init = cuda_find(library, "cuInit");
	*(void **)&cuda->retain = cuda_find(library, "cuDevicePrimaryCtxRetain");
	*(void **)&cuda->set_current = cuda_find(library, "cuCtxSetCurrent");
	*(void **)&cuda->load = cuda_find(library, "cuModuleLoadData");
	*(void **)&cuda->get_function = cuda_find(library, "cuModuleGetFunction");
	*(void **)&cuda->launch = cuda_find(library, "cuLaunchKernel");
	*(void **)&cuda->synchronize = cuda_find(library, "cuCtxSynchronize");
	*(void **)&cuda->create_stream = cuda_find(library, "cuStreamCreate");
	*(void **)&cuda->allocate = cuda_find(library, "cuMemAlloc_v2");
	*(void **)&cuda->copy = cuda_find(library, "cuMemcpyHtoDAsync_v2");
	cuda_expect("cuInit", cuda->init(0));
	cuda_expect("cuDevicePrimaryCtxRetain", cuda->retain(&cuda->context, 0));
	cuda_expect("cuCtxSetCurrent", cuda->set_current(cuda->context));
	cuda_expect("cuModuleLoadData", cuda->load(&module, "anaros-sim-image\n"));
	cuda_expect("cuModuleGetFunction", cuda->get_function(&cuda->function, module, "noop"));
#ifdef RUNTIME
	cuda_begin_runtime(cuda);
#endif
}

/* As many launches as are timed together. */
static inline void cuda_launch_batch(const struct driver *cuda, uint64_t count, void *stream)
{
	for (uint64_t i = 0; i < count; i++)
		if (cuda_launch(cuda, stream))
			bench_fail("the launch of a kernel");
}

#endif
