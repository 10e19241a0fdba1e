// SPDX-License-Identifier: Apache-2.0
/* Functions and kernels: names, attributes, parameters, occupancy. */
#include <stdlib.h>
#include <string.h>

#include "module.h"

int sim_function_of(void *handle, struct sim_function **function)
{
	*function = handle;
	return handle != NULL && (*function)->magic == SIM_MAGIC_FUNCTION ? SIM_OK
									  : SIM_INVALID_HANDLE;
}

enum fact { FACT_NAME, FACT_MODULE, FACT_PARAMS, FACT_LOADED };

static int get_fact(void *handle, enum fact fact, void *out)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);

	if (result != SIM_OK)
		return result;
	if (out == NULL)
		return SIM_INVALID_VALUE;
	switch (fact) {
	case FACT_NAME:
		*(const char **)out = function->kernel->name;
		break;
	case FACT_MODULE:
		*(void **)out = function->module;
		break;
	case FACT_PARAMS:
		*(size_t *)out = function->kernel->param_count;
		break;
	case FACT_LOADED:
		*(int *)out = function->loaded;
		break;
	}
	return SIM_OK;
}

/* A kernel of a library, as a function of the current context. */
static int of_kernel(void **out, void *handle)
{
	struct sim_function *kernel;
	struct sim_context *context;
	int result = sim_function_of(handle, &kernel);

	if (result == SIM_OK)
		result = sim_current(&context);
	if (result == SIM_OK && !kernel->is_kernel)
		result = SIM_INVALID_HANDLE;
	if (result != SIM_OK)
		return result;
	return sim_function_get(out, kernel->module, kernel->kernel->name, false);
}

/* Offsets as a compiler would lay the parameters out. */
static int param_info(void *handle, size_t index, size_t *offset, size_t *bytes)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);
	size_t at = 0;

	if (result != SIM_OK)
		return result;
	if (index >= function->kernel->param_count || offset == NULL)
		return SIM_INVALID_VALUE;
	for (size_t i = 0;; i++) {
		size_t size = function->kernel->param_bytes[i], alignment = 1;

		while (alignment < 8 && size % (2 * alignment) == 0)
			alignment *= 2;
		at = (at + alignment - 1) & ~(alignment - 1);
		if (i == index)
			break;
		at += size;
	}
	*offset = at;
	if (bytes != NULL)
		*bytes = function->kernel->param_bytes[index];
	return SIM_OK;
}

enum attribute {
	ATTRIBUTE_MAX_THREADS = 0,
	ATTRIBUTE_REGISTERS = 4,
	ATTRIBUTE_PTX = 5,
	ATTRIBUTE_BINARY = 6,
	ATTRIBUTE_DYNAMIC_SHARED = 8
};

static int attribute(int *value, int number, void *handle)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);

	if (result != SIM_OK)
		return result;
	if (value == NULL || number < 0 || number >= SIM_FUNCTION_ATTRIBUTES)
		return SIM_INVALID_VALUE;
	*value = function->attributes[number];
	if (*value == 0 && number == ATTRIBUTE_MAX_THREADS)
		*value = 1024;
	else if (*value == 0 && number == ATTRIBUTE_REGISTERS)
		*value = 32;
	else if (*value == 0 && (number == ATTRIBUTE_PTX || number == ATTRIBUTE_BINARY))
		*value = 90;
	else if (*value == 0 && number == ATTRIBUTE_DYNAMIC_SHARED)
		*value = 49152;
	return SIM_OK;
}

static int set_attribute(void *handle, int number, int value)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);

	if (result != SIM_OK)
		return result;
	if (number < ATTRIBUTE_DYNAMIC_SHARED || number >= SIM_FUNCTION_ATTRIBUTES || value < 0)
		return SIM_INVALID_VALUE;
	function->attributes[number] = value;
	return SIM_OK;
}

static int load_now(void *handle)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);

	if (result == SIM_OK)
		function->loaded = true;
	return result;
}

static int check(void *handle)
{
	struct sim_function *function;

	return sim_function_of(handle, &function);
}

static int check_kernel(void *handle, int ordinal)
{
	struct sim_device *device;
	int result = check(handle);

	return result == SIM_OK ? sim_device_of(ordinal, &device) : result;
}

/* Occupancy: 2048 threads and 96 KiB for each multiprocessor. */

static int occupancy(int *blocks, void *handle, int threads, size_t shared_bytes)
{
	int result = check(handle);

	if (result != SIM_OK)
		return result;
	if (blocks == NULL || threads <= 0 || threads > 1024 || shared_bytes > 98304)
		return SIM_INVALID_VALUE;
	*blocks = 2048 / threads;
	if (shared_bytes != 0 && 98304 / shared_bytes < (size_t)*blocks)
		*blocks = (int)(98304 / shared_bytes);
	return SIM_OK;
}

static int best_block(int *grid, int *block, void *handle, int limit)
{
	struct sim_context *context;
	int result = check(handle);

	if (result == SIM_OK)
		result = sim_current(&context);
	if (result != SIM_OK)
		return result;
	*block = limit > 0 && limit < 1024 ? limit : 1024;
	*grid = context->device->multiprocessors * (2048 / *block);
	return SIM_OK;
}

static int shared_left(size_t *bytes, void *handle, int blocks)
{
	int result = check(handle);

	if (result != SIM_OK)
		return result;
	if (bytes == NULL || blocks <= 0)
		return SIM_INVALID_VALUE;
	*bytes = 98304u / (unsigned int)blocks;
	return SIM_OK;
}

static int clusters(int *out, void *handle, const struct sim_launch_config *config, int value)
{
	int result = check(handle);

	if (result != SIM_OK)
		return result;
	if (out == NULL || config == NULL)
		return SIM_INVALID_VALUE;
	*out = value;
	return SIM_OK;
}

SIM_FN(cuFuncGetName, (const char **name, void *function), get_fact(function, FACT_NAME, name))
SIM_FN(cuFuncGetModule, (void **module, void *function), get_fact(function, FACT_MODULE, module))
SIM_FN(cuFuncGetParamCount, (void *function, size_t *count), get_fact(function, FACT_PARAMS, count))
SIM_FN(cuFuncGetParamInfo, (void *function, size_t index, size_t *offset, size_t *bytes),
       param_info(function, index, offset, bytes))
SIM_FN(cuFuncIsLoaded, (int *state, void *function), get_fact(function, FACT_LOADED, state))
SIM_FN(cuFuncLoad, (void *function), load_now(function))
SIM_FN(cuFuncGetAttribute, (int *value, int number, void *function),
       attribute(value, number, function))
SIM_FN(cuFuncSetAttribute, (void *function, int number, int value),
       set_attribute(function, number, value))
SIM_FN(cuFuncSetCacheConfig, (void *function, int config), ((void)config, check(function)))
SIM_FN(cuFuncSetSharedMemConfig, (void *function, int config), ((void)config, check(function)))
SIM_FN(cuKernelGetFunction, (void **function, void *kernel), of_kernel(function, kernel))
SIM_FN(cuKernelGetLibrary, (void **library, void *kernel), get_fact(kernel, FACT_MODULE, library))
SIM_FN(cuKernelGetName, (const char **name, void *kernel), get_fact(kernel, FACT_NAME, name))
SIM_FN(cuKernelGetParamCount, (void *kernel, size_t *count), get_fact(kernel, FACT_PARAMS, count))
SIM_FN(cuKernelGetParamInfo, (void *kernel, size_t index, size_t *offset, size_t *bytes),
       param_info(kernel, index, offset, bytes))
SIM_FN(cuKernelGetAttribute, (int *value, int number, void *kernel, int device),
       ((void)device, attribute(value, number, kernel)))
SIM_FN(cuKernelSetAttribute, (int number, int value, void *kernel, int device),
       ((void)device, set_attribute(kernel, number, value)))
SIM_FN(cuKernelSetCacheConfig, (void *kernel, int config, int device),
       ((void)config, check_kernel(kernel, device)))
SIM_FN(cuOccupancyMaxActiveBlocksPerMultiprocessor,
       (int *blocks, void *function, int threads, size_t shared),
       occupancy(blocks, function, threads, shared))
SIM_FN(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags,
       (int *blocks, void *function, int threads, size_t shared, unsigned int flags),
       ((void)flags, occupancy(blocks, function, threads, shared)))
SIM_FN(cuOccupancyMaxPotentialBlockSize,
       (int *grid, int *block, void *function, void *sizes, size_t shared, int limit),
       ((void)sizes, (void)shared, best_block(grid, block, function, limit)))
SIM_FN(cuOccupancyMaxPotentialBlockSizeWithFlags,
       (int *grid, int *block, void *function, void *sizes, size_t shared, int limit,
	unsigned int flags),
       ((void)sizes, (void)shared, (void)flags, best_block(grid, block, function, limit)))
SIM_FN(cuOccupancyAvailableDynamicSMemPerBlock,
       (size_t * bytes, void *function, int blocks, int threads),
       ((void)threads, shared_left(bytes, function, blocks)))
SIM_FN(cuOccupancyMaxActiveClusters,
       (int *count, void *function, const struct sim_launch_config *config),
       clusters(count, function, config, 16))
SIM_FN(cuOccupancyMaxPotentialClusterSize,
       (int *size, void *function, const struct sim_launch_config *config),
       clusters(size, function, config, 8))
