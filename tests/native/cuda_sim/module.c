// SPDX-License-Identifier: Apache-2.0
/* Images, modules, libraries, kernels, and their launch. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim.h"

struct function {
	uint32_t magic;
	const struct sim_kernel *kernel;
	struct module *module;
	struct function *next;
};

struct module {
	uint32_t magic;
	void *object; /* NULL: the built-in kernels */
	struct function *functions;
	pthread_mutex_t lock;
};

static int open_object(const char *path, void **object)
{
	*object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	return *object != NULL ? SIM_OK : SIM_INVALID_IMAGE;
}

static int load_elf(const Elf64_Ehdr *image, void **object)
{
	size_t bytes = image->e_shoff + (size_t)image->e_shnum * image->e_shentsize;
	char path[32];
	int fd, result = SIM_INVALID_IMAGE;

	if (image->e_type != ET_DYN)
		return SIM_INVALID_IMAGE; /* a real cubin has no host code */
	fd = memfd_create("anaros-sim-image", MFD_CLOEXEC);
	if (fd < 0)
		return SIM_OUT_OF_MEMORY;
	if (write(fd, image, bytes) == (ssize_t)bytes) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		result = open_object(path, object);
	}
	close(fd);
	return result;
}

static int load_image(const void *image, void **object)
{
	*object = NULL;
	if (image == NULL)
		return SIM_INVALID_VALUE;
	if (memcmp(image, ELFMAG, SELFMAG) == 0)
		return load_elf(image, object);
	return strncmp(image, SIM_IMAGE_TEXT, strlen(SIM_IMAGE_TEXT)) == 0 ? SIM_OK
									   : SIM_INVALID_IMAGE;
}

static int load(void **handle, const void *image, const char *path, bool needs_context)
{
	struct sim_context *context;
	struct module *module;
	void *object;
	int result = needs_context             ? sim_current(&context)
		     : atomic_load(&sim_ready) ? SIM_OK
					       : SIM_NOT_INITIALIZED;

	if (result != SIM_OK)
		return result;
	if (path == NULL)
		result = load_image(image, &object);
	else
		result = access(path, R_OK) == 0 ? open_object(path, &object) : SIM_FILE_NOT_FOUND;
	if (result != SIM_OK)
		return result;
	module = calloc(1, sizeof(*module));
	module->magic = SIM_MAGIC_MODULE;
	module->object = object;
	pthread_mutex_init(&module->lock, NULL);
	*handle = module;
	return SIM_OK;
}

static int unload(void *handle)
{
	struct module *module = handle;

	if (module == NULL || module->magic != SIM_MAGIC_MODULE)
		return SIM_INVALID_HANDLE;
	/* Its code stays mapped: a worker may still run it. */
	module->magic = 0;
	return SIM_OK;
}

static const struct sim_kernel *find_kernel(const struct module *module, const char *name)
{
	char symbol[256];

	if (module->object == NULL)
		return sim_builtin(name);
	snprintf(symbol, sizeof(symbol), SIM_KERNEL_SYMBOL "%s", name);
	return dlsym(module->object, symbol);
}

/* The same name gives the same handle, as with the real driver. */
static int get_function(void **handle, void *module_handle, const char *name)
{
	struct module *module = module_handle;
	const struct sim_kernel *kernel;
	struct function *function;

	if (module == NULL || module->magic != SIM_MAGIC_MODULE)
		return SIM_INVALID_HANDLE;
	if (handle == NULL || name == NULL)
		return SIM_INVALID_VALUE;
	kernel = find_kernel(module, name);
	if (kernel == NULL)
		return SIM_NOT_FOUND;
	pthread_mutex_lock(&module->lock);
	for (function = module->functions; function != NULL; function = function->next)
		if (function->kernel == kernel)
			break;
	if (function == NULL) {
		function = calloc(1, sizeof(*function));
		function->magic = SIM_MAGIC_FUNCTION;
		function->kernel = kernel;
		function->module = module;
		function->next = module->functions;
		module->functions = function;
	}
	pthread_mutex_unlock(&module->lock);
	*handle = function;
	return SIM_OK;
}

static int get_global(uint64_t *address, size_t *bytes, void *module_handle, const char *name)
{
	struct module *module = module_handle;
	const Elf64_Sym *symbol = NULL;
	void *found;
	Dl_info info;

	if (module == NULL || module->magic != SIM_MAGIC_MODULE)
		return SIM_INVALID_HANDLE;
	found = module->object != NULL ? dlsym(module->object, name) : NULL;
	if (found == NULL || !dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT))
		return SIM_NOT_FOUND;
	if (address != NULL)
		*address = (uintptr_t)found;
	if (bytes != NULL)
		*bytes = symbol != NULL ? symbol->st_size : 0;
	return SIM_OK;
}

static int function_of(void *handle, struct function **function)
{
	*function = handle;
	return handle != NULL && (*function)->magic == SIM_MAGIC_FUNCTION ? SIM_OK
									  : SIM_INVALID_HANDLE;
}

static int function_name(const char **name, void *handle)
{
	struct function *function;
	int result = function_of(handle, &function);

	if (result == SIM_OK)
		*name = function->kernel->name;
	return result;
}

static int function_module(void **module, void *handle)
{
	struct function *function;
	int result = function_of(handle, &function);

	if (result == SIM_OK)
		*module = function->module;
	return result;
}

static int function_same(void **out, void *handle)
{
	struct function *function;
	int result = function_of(handle, &function);

	if (result == SIM_OK)
		*out = function;
	return result;
}

static int function_attribute(int *value, int attribute, void *handle)
{
	struct function *function;
	int result = function_of(handle, &function);

	if (result == SIM_OK)
		*value = attribute == 0 ? 1024 : 0; /* 0: threads per block */
	return result;
}

static int occupancy(int *blocks, void *handle, int block_threads)
{
	struct function *function;
	int result = function_of(handle, &function);

	if (result == SIM_OK && (block_threads <= 0 || block_threads > 1024))
		result = SIM_INVALID_VALUE;
	if (result == SIM_OK)
		*blocks = 2048 / block_threads;
	return result;
}

/* Launch */

static void run_launch(struct sim_op *op)
{
	struct sim_launch *launch = &op->launch;
	void *args[SIM_KERNEL_PARAMS];

	for (uint32_t i = 0; i < launch->kernel->param_count; i++)
		args[i] = launch->values + launch->offset[i];
	launch->kernel->run(&launch->grid, args);
}

/* What cuLaunchKernel's `extra` says: key, value, ..., 0. */
static const uint8_t *packed_arguments(void **extra, size_t *bytes)
{
	const uint8_t *buffer = NULL;

	*bytes = 0;
	for (; extra != NULL && *extra != NULL; extra += 2) {
		if ((uintptr_t)extra[0] == 1)
			buffer = extra[1];
		else if ((uintptr_t)extra[0] == 2)
			*bytes = *(const size_t *)extra[1];
	}
	return buffer;
}

/* The values are taken now: the caller may change them after the call. */
static int take_arguments(struct sim_launch *launch, void **params, void **extra)
{
	const struct sim_kernel *kernel = launch->kernel;
	size_t packed_bytes, offset = 0;
	const uint8_t *packed = packed_arguments(extra, &packed_bytes);

	if (kernel->param_count != 0 && params == NULL && packed == NULL)
		return SIM_INVALID_VALUE;
	for (uint32_t i = 0; i < kernel->param_count; i++) {
		size_t bytes = kernel->param_bytes[i];
		size_t align = bytes >= 8 ? 8 : bytes >= 4 ? 4 : bytes >= 2 ? 2 : 1;

		offset = (offset + align - 1) & ~(align - 1);
		if (offset + bytes > sizeof(launch->values))
			return SIM_INVALID_VALUE;
		if (params == NULL && offset + bytes > packed_bytes)
			return SIM_INVALID_VALUE;
		memcpy(launch->values + offset, params != NULL ? params[i] : packed + offset,
		       bytes);
		launch->offset[i] = (uint16_t)offset;
		offset += bytes;
	}
	return SIM_OK;
}

static uint64_t launch_cost_ns(const struct sim_device *device, struct sim_launch *launch)
{
	const struct sim_kernel *kernel = launch->kernel;
	void *args[SIM_KERNEL_PARAMS];
	uint64_t operations;

	if (kernel->operations == NULL) {
		operations = sim_grid_threads(&launch->grid);
	} else {
		for (uint32_t i = 0; i < kernel->param_count; i++)
			args[i] = launch->values + launch->offset[i];
		operations = kernel->operations(&launch->grid, args);
	}
	return sim_scaled_ns(SIM_LAUNCH_NS + (double)operations / device->operations_per_ns);
}

static int launch(void *handle, const struct sim_grid *grid, void *stream_handle, void **params,
		  void **extra, bool per_thread)
{
	uint64_t block = (uint64_t)grid->block[0] * grid->block[1] * grid->block[2];
	struct function *function;
	struct sim_stream *stream;
	struct sim_op *op;
	int result = sim_stream_of(stream_handle, per_thread, &stream);

	if (result == SIM_OK)
		result = function_of(handle, &function);
	if (result != SIM_OK)
		return result;
	if (block == 0 || block > 1024 || sim_grid_threads(grid) == 0)
		return SIM_INVALID_VALUE;
	op = sim_op_new(run_launch, SIM_ENGINE_COMPUTE, 0);
	op->launch.kernel = function->kernel;
	op->launch.grid = *grid;
	result = take_arguments(&op->launch, params, extra);
	if (result != SIM_OK) {
		sim_op_free(op);
		return result;
	}
	op->cost_ns = launch_cost_ns(stream->context->device, &op->launch);
	return sim_submit(stream, op, NULL);
}

/* The layout of the driver's own CUlaunchConfig. */
struct launch_config {
	unsigned int grid[3];
	unsigned int block[3];
	unsigned int shared_bytes;
	void *stream;
	void *attributes;
	unsigned int attribute_count;
};

static int launch_config(const struct launch_config *config, void *function, void **params,
			 void **extra, bool per_thread)
{
	struct sim_grid grid;

	if (config == NULL)
		return SIM_INVALID_VALUE;
	memcpy(grid.grid, config->grid, sizeof(grid.grid));
	memcpy(grid.block, config->block, sizeof(grid.block));
	grid.shared_bytes = config->shared_bytes;
	return launch(function, &grid, config->stream, params, extra, per_thread);
}

static void run_host(struct sim_op *op)
{
	op->host.call(op->host.argument);
}

static int launch_host(void *handle, void (*call)(void *), void *argument, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_op *op;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (call == NULL)
		return SIM_INVALID_VALUE;
	op = sim_op_new(run_host, SIM_ENGINE_NONE, 0);
	op->host.call = call;
	op->host.argument = argument;
	return sim_submit(stream, op, NULL);
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
	op = sim_op_new(run_callback, SIM_ENGINE_NONE, 0);
	op->callback.call = call;
	op->callback.stream = handle;
	op->callback.argument = argument;
	return sim_submit(stream, op, NULL);
}

#define GRID_PARAMS                                                                                \
	unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,       \
	    unsigned int bz, unsigned int shared
#define GRID (&(struct sim_grid){{gx, gy, gz}, {bx, by, bz}, shared})

SIM_FN(cuModuleLoad, (void **module, const char *path), load(module, NULL, path, true))
SIM_FN(cuModuleLoadData, (void **module, const void *image), load(module, image, NULL, true))
SIM_FN(cuModuleLoadDataEx,
       (void **module, const void *image, unsigned int count, int *options, void **values),
       ((void)count, (void)options, (void)values, load(module, image, NULL, true)))
SIM_FN(cuModuleLoadFatBinary, (void **module, const void *image), load(module, image, NULL, true))
SIM_FN(cuModuleUnload, (void *module), unload(module))
SIM_FN(cuModuleGetFunction, (void **function, void *module, const char *name),
       get_function(function, module, name))
SIM_FN(cuModuleGetGlobal_v2, (uint64_t * address, size_t *bytes, void *module, const char *name),
       get_global(address, bytes, module, name))
SIM_FN(cuModuleGetLoadingMode, (int *mode), (*mode = 1, SIM_OK))
SIM_FN(cuLibraryLoadData,
       (void **library, const void *image, int *jit, void **jit_values, unsigned int jit_count,
	int *options, void **values, unsigned int count),
       ((void)jit, (void)jit_values, (void)jit_count, (void)options, (void)values, (void)count,
	load(library, image, NULL, false)))
SIM_FN(cuLibraryLoadFromFile,
       (void **library, const char *path, int *jit, void **jit_values, unsigned int jit_count,
	int *options, void **values, unsigned int count),
       ((void)jit, (void)jit_values, (void)jit_count, (void)options, (void)values, (void)count,
	load(library, NULL, path, false)))
SIM_FN(cuLibraryUnload, (void *library), unload(library))
SIM_FN(cuLibraryGetKernel, (void **kernel, void *library, const char *name),
       get_function(kernel, library, name))
SIM_FN(cuLibraryGetModule, (void **module, void *library), (*module = library, SIM_OK))
SIM_FN(cuKernelGetFunction, (void **function, void *kernel), function_same(function, kernel))
SIM_FN(cuKernelGetName, (const char **name, void *kernel), function_name(name, kernel))
SIM_FN(cuFuncGetName, (const char **name, void *function), function_name(name, function))
SIM_FN(cuFuncGetModule, (void **module, void *function), function_module(module, function))
SIM_FN(cuFuncGetAttribute, (int *value, int attribute, void *function),
       function_attribute(value, attribute, function))
SIM_FN(cuFuncSetAttribute, (void *function, int attribute, int value),
       ((void)attribute, (void)value, function_attribute(&value, attribute, function)))
SIM_FN(cuOccupancyMaxActiveBlocksPerMultiprocessor,
       (int *blocks, void *function, int threads, size_t shared),
       ((void)shared, occupancy(blocks, function, threads)))
SIM_PAIR(cuLaunchKernel, _ptsz,
	 (void *function, GRID_PARAMS, void *stream, void **params, void **extra),
	 launch(function, GRID, stream, params, extra, PER_THREAD))
SIM_PAIR(cuLaunchKernelEx, _ptsz,
	 (const struct launch_config *config, void *function, void **params, void **extra),
	 launch_config(config, function, params, extra, PER_THREAD))
SIM_PAIR(cuLaunchCooperativeKernel, _ptsz,
	 (void *function, GRID_PARAMS, void *stream, void **params),
	 launch(function, GRID, stream, params, NULL, PER_THREAD))
SIM_PAIR(cuLaunchHostFunc, _ptsz, (void *stream, void (*call)(void *), void *argument),
	 launch_host(stream, call, argument, PER_THREAD))
SIM_PAIR(cuStreamAddCallback, _ptsz,
	 (void *stream, void (*call)(void *, int, void *), void *argument, unsigned int flags),
	 ((void)flags, add_callback(stream, call, argument, PER_THREAD)))
