// SPDX-License-Identifier: Apache-2.0
/* Devices, modules, kernels, host functions, and functions that are asked for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define DEVICES    2
#define REGISTERED 64

static __thread int device;

static void vector_add(const struct op *op)
{
	const float *a = (const float *)(uintptr_t)op->values[0];
	const float *b = (const float *)(uintptr_t)op->values[1];
	float *sum = (float *)(uintptr_t)op->values[2];

	for (uint64_t i = 0; i < op->threads && i < (uint32_t)op->values[3]; i++)
		sum[i] = a[i] + b[i];
}

static void noop(const struct op *op)
{
	(void)op;
}

struct kernel {
	const char *name;
	void (*run)(const struct op *op);
	unsigned int sizes[ARGUMENTS];
};

static const struct kernel kernels[] = {
    {"vector_add", vector_add, {8, 8, 8, 4}},
    {"noop", noop, {0}},
};

static const struct kernel *kernel_named(const char *name)
{
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++)
		if (strcmp(kernels[i].name, name) == 0)
			return &kernels[i];
	return NULL;
}

static struct {
	const void *function;
	const struct kernel *kernel;
} registered[REGISTERED];

static const struct kernel *kernel_of(const void *function)
{
	for (int i = 0; i < REGISTERED; i++)
		if (function != NULL && registered[i].function == function)
			return registered[i].kernel;
	return NULL;
}

int hipInit(unsigned int flags);
int hipInit(unsigned int flags)
{
	COUNT(hipInit);
	return flags == 0 ? SUCCESS : INVALID_VALUE;
}

int hipRuntimeGetVersion(int *version);
int hipRuntimeGetVersion(int *version)
{
	COUNT(hipRuntimeGetVersion);
	*version = 60300000;
	return SUCCESS;
}

int hipGetDeviceCount(int *count);
int hipGetDeviceCount(int *count)
{
	COUNT(hipGetDeviceCount);
	*count = DEVICES;
	return SUCCESS;
}

int hipGetDevice(int *ordinal);
int hipGetDevice(int *ordinal)
{
	COUNT(hipGetDevice);
	*ordinal = device;
	return SUCCESS;
}

int hipSetDevice(int ordinal);
int hipSetDevice(int ordinal)
{
	COUNT(hipSetDevice);
	if (ordinal < 0 || ordinal >= DEVICES)
		return INVALID_DEVICE;
	device = ordinal;
	return SUCCESS;
}

int hipModuleLoadData(void **module, const void *image);
int hipModuleLoadData(void **module, const void *image)
{
	COUNT(hipModuleLoadData);
	if (image == NULL)
		return INVALID_VALUE;
	*module = strdup(image);
	return SUCCESS;
}

int hipModuleUnload(void *module);
int hipModuleUnload(void *module)
{
	COUNT(hipModuleUnload);
	free(module);
	return SUCCESS;
}

int hipModuleGetFunction(void **function, void *module, const char *name);
int hipModuleGetFunction(void **function, void *module, const char *name)
{
	COUNT(hipModuleGetFunction);
	(void)module;
	*function = (void *)kernel_named(name);
	return *function != NULL ? SUCCESS : NOT_FOUND;
}

static int launch(const struct kernel *kernel, struct stream *stream, uint64_t threads,
		  void **arguments)
{
	struct op op = {.threads = threads};
	int result;

	if (kernel == NULL)
		return INVALID_VALUE;
	op.run = kernel->run;
	for (int i = 0; i < ARGUMENTS && kernel->sizes[i] != 0; i++)
		memcpy(&op.values[i], arguments[i], kernel->sizes[i]);
	sim_lock();
	result = sim_enqueue(stream, &op);
	sim_unlock();
	return result;
}

int hipModuleLaunchKernel(void *function, unsigned int grid_x, unsigned int grid_y,
			  unsigned int grid_z, unsigned int block_x, unsigned int block_y,
			  unsigned int block_z, unsigned int shared, void *stream, void **arguments,
			  void **extra);
int hipModuleLaunchKernel(void *function, unsigned int grid_x, unsigned int grid_y,
			  unsigned int grid_z, unsigned int block_x, unsigned int block_y,
			  unsigned int block_z, unsigned int shared, void *stream, void **arguments,
			  void **extra)
{
	COUNT(hipModuleLaunchKernel);
	(void)shared;
	(void)extra;
	return launch(function, sim_stream(stream, false),
		      (uint64_t)grid_x * grid_y * grid_z * block_x * block_y * block_z, arguments);
}

int hipExtModuleLaunchKernel(void *function, uint32_t x, uint32_t y, uint32_t z, uint32_t local_x,
			     uint32_t local_y, uint32_t local_z, size_t shared, void *stream,
			     void **arguments, void **extra, void *start, void *stop,
			     uint32_t flags);
int hipExtModuleLaunchKernel(void *function, uint32_t x, uint32_t y, uint32_t z, uint32_t local_x,
			     uint32_t local_y, uint32_t local_z, size_t shared, void *stream,
			     void **arguments, void **extra, void *start, void *stop,
			     uint32_t flags)
{
	COUNT(hipExtModuleLaunchKernel);
	(void)shared;
	(void)extra;
	(void)start;
	(void)stop;
	(void)flags;
	if (local_x * local_y * local_z == 0)
		return INVALID_VALUE;
	return launch(function, sim_stream(stream, false), (uint64_t)x * y * z, arguments);
}

#define LAUNCH(name, twin)                                                                         \
	int name(const void *function, struct dim3 grid, struct dim3 block, void **arguments,      \
		 size_t shared, void *stream);                                                     \
	int name(const void *function, struct dim3 grid, struct dim3 block, void **arguments,      \
		 size_t shared, void *stream)                                                      \
	{                                                                                          \
		COUNT(name);                                                                       \
		(void)shared;                                                                      \
		return launch(kernel_of(function), sim_stream(stream, twin),                       \
			      (uint64_t)grid.x * grid.y * grid.z * block.x * block.y * block.z,    \
			      arguments);                                                          \
	}

LAUNCH(hipLaunchKernel, false)
LAUNCH(hipLaunchKernel_spt, true)

void __hipRegisterFunction(void **modules, const void *function, char *device_function,
			   const char *name, unsigned int threads, void *tid, void *bid,
			   void *block, void *grid, int *warp);
void __hipRegisterFunction(void **modules, const void *function, char *device_function,
			   const char *name, unsigned int threads, void *tid, void *bid,
			   void *block, void *grid, int *warp)
{
	COUNT(__hipRegisterFunction);
	(void)modules;
	(void)device_function;
	(void)threads;
	(void)tid;
	(void)bid;
	(void)block;
	(void)grid;
	(void)warp;
	for (int i = 0; i < REGISTERED; i++)
		if (registered[i].function == NULL) {
			registered[i].function = function;
			registered[i].kernel = kernel_named(name);
			return;
		}
}

static void call_host(const struct op *op)
{
	((void (*)(void *))op->target)((void *)(uintptr_t)op->values[0]);
}

int hipLaunchHostFunc(void *stream, void *function, void *data);
int hipLaunchHostFunc(void *stream, void *function, void *data)
{
	struct op op = {.run = call_host, .target = function};
	int result;

	COUNT(hipLaunchHostFunc);
	op.values[0] = (uintptr_t)data;
	sim_lock();
	result = sim_enqueue(sim_stream(stream, false), &op);
	sim_unlock();
	return result;
}

/* Of a release that is still to come. */
int hipAnarosLater(void);
int hipAnarosLater(void)
{
	COUNT(hipAnarosLater);
	return SUCCESS;
}

/* Not by dlsym: the answers lie in this library, whatever stands before it. */
#define OWN(name)                                                                                  \
	extern __typeof__(name) own_##name __attribute__((alias(#name), visibility("hidden")));
OWN(hipInit)
OWN(hipGetDevice)
OWN(hipGetDeviceCount)
OWN(hipSetDevice)
OWN(hipModuleLaunchKernel)
OWN(hipLaunchKernel)
OWN(hipLaunchKernel_spt)
OWN(hipAnarosLater)

int hipGetProcAddress(const char *symbol, void **function, int version, uint64_t flags,
		      int *status);
int hipGetProcAddress(const char *symbol, void **function, int version, uint64_t flags, int *status)
{
#define GIVEN(name)                                                                                \
	{                                                                                          \
#name, (void *)name                                                                \
	}
	static const struct {
		const char *name;
		void *function;
	} given[] = {
	    GIVEN(hipInit),         GIVEN(hipGetDeviceCount),   GIVEN(hipModuleLaunchKernel),
	    GIVEN(hipLaunchKernel), GIVEN(hipLaunchKernel_spt), GIVEN(hipAnarosLater),
	    GIVEN(hipSetDevice),    GIVEN(hipGetDevice),
	};
	char twin[96];

	COUNT(hipGetProcAddress);
	(void)version;
	snprintf(twin, sizeof(twin), "%s%s", symbol, (flags & 2) != 0 ? "_spt" : "");
	*function = NULL;
	for (int plain = 0; plain < 2 && *function == NULL; plain++)
		for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
			if (strcmp(given[i].name, plain != 0 ? symbol : twin) == 0)
				*function = given[i].function;
	if (status != NULL)
		*status = *function != NULL ? 0 : 1;
	return *function != NULL ? SUCCESS : NOT_FOUND;
}
