// SPDX-License-Identifier: Apache-2.0
/* Launches of kernels and of host functions, by every way there is. */
#include <string.h>

#include "green.h"
#include "memory.h"
#include "module.h"

static void arguments(const struct sim_launch *launch, void *args[SIM_KERNEL_PARAMS])
{
	for (uint32_t i = 0; i < launch->kernel->param_count; i++)
		args[i] = (void *)(uintptr_t)(launch->values + launch->offset[i]);
}

/* A kernel faults in the managed memory that its pointers point into. */
static void touch_managed(struct sim_op *op, void *const *args)
{
	int place = sim_index_of(op->stream->context->device) + 1;

	for (uint32_t i = 0; i < op->launch.kernel->param_count; i++) {
		uint64_t pointer;

		if (op->launch.kernel->param_bytes[i] != sizeof(pointer))
			continue;
		memcpy(&pointer, args[i], sizeof(pointer));
		sim_managed_touch(pointer, SIZE_MAX, place, op);
	}
}

static void run_launch(struct sim_op *op)
{
	void *args[SIM_KERNEL_PARAMS];

	arguments(&op->launch, args);
	touch_managed(op, args);
	op->launch.kernel->run(&op->launch.grid, args);
}

/* `extra` is {1, buffer, 2, &bytes, 0}: the parameters as the device lays them
 * out. */
static int take_buffer(struct sim_launch *launch, void **extra)
{
	const uint8_t *buffer = NULL;
	size_t bytes = 0, at = 0;

	for (; extra[0] != NULL; extra += 2) {
		if (extra[0] == (void *)1)
			buffer = extra[1];
		else if (extra[0] == (void *)2)
			bytes = *(size_t *)extra[1];
		else
			return SIM_INVALID_VALUE;
	}
	if (buffer == NULL || bytes > sizeof(launch->values))
		return SIM_INVALID_VALUE;
	memcpy(launch->values, buffer, bytes);
	for (uint32_t i = 0; i < launch->kernel->param_count; i++) {
		size_t size = launch->kernel->param_bytes[i], alignment = 1;

		while (alignment < 8 && size % (2 * alignment) == 0)
			alignment *= 2;
		at = (at + alignment - 1) & ~(alignment - 1);
		if (at + size > bytes)
			return SIM_INVALID_VALUE;
		launch->offset[i] = (uint16_t)at;
		at += size;
	}
	return SIM_OK;
}

static int take_arguments(struct sim_launch *launch, void **params, void **extra)
{
	size_t at = 0;

	if (launch->kernel->param_count == 0)
		return SIM_OK;
	if (params == NULL)
		return extra != NULL ? take_buffer(launch, extra) : SIM_INVALID_VALUE;
	for (uint32_t i = 0; i < launch->kernel->param_count; i++) {
		at = (at + 7) & ~(size_t)7;
		launch->offset[i] = (uint16_t)at;
		memcpy(launch->values + at, params[i], launch->kernel->param_bytes[i]);
		at += launch->kernel->param_bytes[i];
	}
	return SIM_OK;
}

static uint64_t cost_ns(const struct sim_context *context, const struct sim_launch *launch)
{
	double operations = (double)sim_grid_threads(&launch->grid);
	double rate = context->device->operations_per_ns * sim_green_share(context);
	void *args[SIM_KERNEL_PARAMS];

	if (launch->kernel->operations != NULL) {
		arguments(launch, args);
		operations = (double)launch->kernel->operations(&launch->grid, args);
	}
	return sim_scaled_ns(SIM_LAUNCH_NS + operations / rate);
}

int sim_launch_op(struct sim_context *context, void *handle, const struct sim_grid *grid,
		  void **params, void **extra, struct sim_op **out)
{
	uint64_t block = (uint64_t)grid->block[0] * grid->block[1] * grid->block[2];
	struct sim_function *function;
	struct sim_op *op;
	int result = sim_function_of(handle, &function);

	if (result != SIM_OK)
		return result;
	if (block == 0 || block > 1024 || sim_grid_threads(grid) == 0)
		return SIM_INVALID_VALUE;
	op = sim_op_new(SIM_WORK_KERNEL, run_launch, SIM_ENGINE_COMPUTE, 0);
	op->launch.function = handle;
	op->launch.kernel = function->kernel;
	op->launch.grid = *grid;
	result = take_arguments(&op->launch, params, extra);
	if (result != SIM_OK) {
		sim_op_free(op);
		return result;
	}
	function->loaded = true;
	op->cost_ns = cost_ns(context, &op->launch);
	*out = op;
	return SIM_OK;
}

static int launch(void *handle, const struct sim_grid *grid, void *stream_handle, void **params,
		  void **extra, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_op *op;
	int result = sim_stream_of(stream_handle, per_thread, &stream);

	if (result == SIM_OK)
		result = sim_launch_op(stream->context, handle, grid, params, extra, &op);
	return result == SIM_OK ? sim_submit(stream, op, NULL) : result;
}

/* All blocks are on the device at once, or it cannot be. */
static int cooperative(void *handle, const struct sim_grid *grid, void *stream_handle,
		       void **params, void **extra, bool per_thread)
{
	uint64_t blocks = (uint64_t)grid->grid[0] * grid->grid[1] * grid->grid[2];
	uint64_t threads = (uint64_t)grid->block[0] * grid->block[1] * grid->block[2];
	struct sim_stream *stream;
	int result = sim_stream_of(stream_handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (threads != 0 &&
	    blocks > (uint64_t)stream->context->device->multiprocessors * (2048 / threads))
		return SIM_COOPERATIVE_LAUNCH_TOO_LARGE;
	return launch(handle, grid, stream_handle, params, extra, per_thread);
}

static int several(const struct sim_launch_params *list, unsigned int count)
{
	int result = list != NULL && count != 0 ? SIM_OK : SIM_INVALID_VALUE;

	for (unsigned int i = 0; result == SIM_OK && i < count; i++) {
		struct sim_grid grid = {.shared_bytes = list[i].shared_bytes};

		memcpy(grid.grid, list[i].grid, sizeof(grid.grid));
		memcpy(grid.block, list[i].block, sizeof(grid.block));
		result = cooperative(list[i].function, &grid, list[i].stream, list[i].params, NULL,
				     false);
	}
	return result;
}

enum { ATTRIBUTE_COOPERATIVE = 2, ATTRIBUTE_EVENT = 7, ATTRIBUTE_COMPLETION = 12 };

static int launch_config(const struct sim_launch_config *config, void *function, void **params,
			 void **extra, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_grid grid;
	bool together = false;
	void *event = NULL;
	int result;

	if (config == NULL || (config->attribute_count != 0 && config->attributes == NULL))
		return SIM_INVALID_VALUE;
	memcpy(grid.grid, config->grid, sizeof(grid.grid));
	memcpy(grid.block, config->block, sizeof(grid.block));
	grid.shared_bytes = config->shared_bytes;
	for (unsigned int i = 0; i < config->attribute_count; i++) {
		const struct sim_launch_attribute *attribute = &config->attributes[i];
		int value;

		memcpy(&value, attribute->value, sizeof(value));
		if (attribute->id == ATTRIBUTE_COOPERATIVE)
			together = value != 0;
		if (attribute->id == ATTRIBUTE_EVENT || attribute->id == ATTRIBUTE_COMPLETION)
			memcpy(&event, attribute->value, sizeof(event));
	}
	result = (together ? cooperative : launch)(function, &grid, config->stream, params, extra,
						   per_thread);
	if (result != SIM_OK || event == NULL)
		return result;
	result = sim_stream_of(config->stream, per_thread, &stream);
	return result == SIM_OK ? sim_event_record(event, stream, 0) : result;
}

/* Host functions */

static void run_host(struct sim_op *op)
{
	op->host.call(op->host.argument);
}

struct sim_op *sim_host_op(void (*call)(void *), void *argument)
{
	struct sim_op *op = sim_op_new(SIM_WORK_HOST, run_host, SIM_ENGINE_NONE, 0);

	op->host.call = call;
	op->host.argument = argument;
	return op;
}

static int launch_host(void *handle, void (*call)(void *), void *argument, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (call == NULL)
		return SIM_INVALID_VALUE;
	return sim_submit(stream, sim_host_op(call, argument), NULL);
}

static void run_callback(struct sim_op *op)
{
	op->callback.call(op->callback.stream, SIM_OK, op->callback.argument);
}

static int add_callback(void *handle, void (*call)(void *, int, void *), void *argument,
			bool per_thread)
{
	struct sim_stream *stream;
	struct sim_op *op;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (call == NULL)
		return SIM_INVALID_VALUE;
	/* A callback of this kind cannot be a node: it ends the capture. */
	if (sim_is_capturing(stream))
		return sim_synchronize(stream);
	op = sim_op_new(SIM_WORK_HOST, run_callback, SIM_ENGINE_NONE, 0);
	op->callback.call = call;
	op->callback.stream = handle;
	op->callback.argument = argument;
	return sim_submit(stream, op, NULL);
}

/* The oldest way: a function is told its shape and parameters bit by bit. */

static int set_shape(void *handle, int x, int y, int z)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);

	if (result != SIM_OK)
		return result;
	if (x <= 0 || y <= 0 || z <= 0)
		return SIM_INVALID_VALUE;
	function->block[0] = (unsigned int)x;
	function->block[1] = (unsigned int)y;
	function->block[2] = (unsigned int)z;
	return SIM_OK;
}

static int set_shared(void *handle, unsigned int bytes)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);

	if (result == SIM_OK)
		function->shared_bytes = bytes;
	return result;
}

static int set_param(void *handle, int offset, const void *value, unsigned int bytes)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);

	if (result != SIM_OK)
		return result;
	if (offset < 0 || value == NULL || (size_t)offset + bytes > sizeof(function->params))
		return SIM_INVALID_VALUE;
	memcpy(function->params + offset, value, bytes);
	return SIM_OK;
}

static int set_size(void *handle, unsigned int bytes)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);

	if (result == SIM_OK)
		function->param_bytes = bytes;
	return result;
}

static int launch_old(void *handle, int width, int height, void *stream)
{
	struct sim_function *function;
	int result = sim_function_of(handle, &function);
	size_t bytes;

	if (result != SIM_OK)
		return result;
	if (width <= 0 || height <= 0)
		return SIM_INVALID_VALUE;
	bytes = function->param_bytes;
	return launch(
	    handle,
	    &(struct sim_grid){{(uint32_t)width, (uint32_t)height, 1},
			       {function->block[0], function->block[1], function->block[2]},
			       function->shared_bytes},
	    stream, NULL, (void *[]){(void *)1, function->params, (void *)2, &bytes, NULL}, false);
}

#define GRID_PARAMS                                                                                \
	unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,       \
	    unsigned int bz, unsigned int shared
#define GRID (&(struct sim_grid){{gx, gy, gz}, {bx, by, bz}, shared})

SIM_PAIR(cuLaunchKernel, _ptsz,
	 (void *function, GRID_PARAMS, void *stream, void **params, void **extra),
	 launch(function, GRID, stream, params, extra, PER_THREAD))
SIM_PAIR(cuLaunchKernelEx, _ptsz,
	 (const struct sim_launch_config *config, void *function, void **params, void **extra),
	 launch_config(config, function, params, extra, PER_THREAD))
SIM_PAIR(cuLaunchCooperativeKernel, _ptsz,
	 (void *function, GRID_PARAMS, void *stream, void **params),
	 cooperative(function, GRID, stream, params, NULL, PER_THREAD))
SIM_FN(cuLaunchCooperativeKernelMultiDevice,
       (const struct sim_launch_params *list, unsigned int count, unsigned int flags),
       ((void)flags, several(list, count)))
SIM_PAIR(cuLaunchHostFunc, _ptsz, (void *stream, void (*call)(void *), void *argument),
	 launch_host(stream, call, argument, PER_THREAD))
SIM_PAIR(cuLaunchHostFunc_v2, _ptsz,
	 (void *stream, void (*call)(void *), void *argument, unsigned int mode),
	 ((void)mode, launch_host(stream, call, argument, PER_THREAD)))
SIM_PAIR(cuStreamAddCallback, _ptsz,
	 (void *stream, void (*call)(void *, int, void *), void *argument, unsigned int flags),
	 ((void)flags, add_callback(stream, call, argument, PER_THREAD)))
SIM_FN(cuFuncSetBlockShape, (void *function, int x, int y, int z), set_shape(function, x, y, z))
SIM_FN(cuFuncSetSharedSize, (void *function, unsigned int bytes), set_shared(function, bytes))
SIM_FN(cuParamSetSize, (void *function, unsigned int bytes), set_size(function, bytes))
SIM_FN(cuParamSeti, (void *function, int offset, unsigned int value),
       set_param(function, offset, &value, sizeof(value)))
SIM_FN(cuParamSetf, (void *function, int offset, float value),
       set_param(function, offset, &value, sizeof(value)))
SIM_FN(cuParamSetv, (void *function, int offset, void *value, unsigned int bytes),
       set_param(function, offset, value, bytes))
SIM_FN(cuLaunch, (void *function), launch_old(function, 1, 1, NULL))
SIM_FN(cuLaunchGrid, (void *function, int width, int height),
       launch_old(function, width, height, NULL))
SIM_FN(cuLaunchGridAsync, (void *function, int width, int height, void *stream),
       launch_old(function, width, height, stream))
