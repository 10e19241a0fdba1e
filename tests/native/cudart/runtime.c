// SPDX-License-Identifier: Apache-2.0
/*
 * A runtime that reaches the driver as NVIDIA's does: it opens the library,
 * takes one function by name, and asks that one for all others, first for an
 * empty name. What it offers is what the tests use. It links no driver.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime.h"

#define EXPORT    __attribute__((visibility("default")))
#define FUNCTIONS 64
#define IMAGE     "anaros-sim-image\n"

static const struct {
	const char *name;
	int version;
	uint64_t flags;
} requests[] = {
#define REQUEST(name, version, flags) {#name, version, flags},
#include "requests.def"
};

#define REQUESTS (sizeof(requests) / sizeof(*requests))

static void *answers[REQUESTS];
static int (*resolver)(const char *, void **, int, uint64_t, int *);
static void *module;

EXPORT struct runtime_facts runtime_facts;

static uint64_t worked_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *driver(const char *name, int version, uint64_t flags)
{
	for (size_t i = 0; i < REQUESTS; i++)
		if (strcmp(requests[i].name, name) == 0 && requests[i].version == version &&
		    requests[i].flags == flags)
			return answers[i];
	return NULL;
}

/* Looked up once for each place that calls it. */
#define DRIVER(name, version, flags, ...)                                                          \
	((int (*)(__VA_ARGS__))({                                                                  \
		static void *kept;                                                                 \
                                                                                                   \
		if (kept == NULL)                                                                  \
			kept = driver(#name, version, flags);                                      \
		kept;                                                                              \
	}))

static int start(void)
{
	const char *path;
	void *library, *context, *nothing;
	uint64_t begin_ns;

	if (resolver != NULL)
		return 0;
	path = getenv("ANAROS_TEST_DRIVER");
	library = dlopen(path != NULL ? path : "libcuda.so.1", RTLD_NOW);
	if (library == NULL)
		return 35; /* the driver is insufficient */
	begin_ns = worked_ns();
	*(void **)&resolver = dlsym(library, "cuGetProcAddress_v2");
	resolver("", &nothing, 0, 0, NULL);
	for (size_t i = 0; i < REQUESTS; i++) {
		resolver(requests[i].name, &answers[i], requests[i].version, requests[i].flags,
			 NULL);
		runtime_facts.answered += answers[i] != NULL;
	}
	runtime_facts.start_ns = worked_ns() - begin_ns;
	DRIVER(cuInit, 2000, 0, unsigned int)(0);
	DRIVER(cuDevicePrimaryCtxRetain, 7000, 0, void **, int)(&context, 0);
	DRIVER(cuCtxSetCurrent, 4000, 0, void *)(context);
	DRIVER(cuModuleLoadData, 2000, 0, void **, const void *)(&module, IMAGE);
	return 0;
}

/* Every call says that it came here: two runtimes are told apart by it. */
#define ENTER                                                                                      \
	runtime_facts.calls++;                                                                     \
	if (start() != 0)                                                                          \
	return 35

EXPORT int cudaGetDeviceCount(int *count)
{
	ENTER;
	return DRIVER(cuDeviceGetCount, 2000, 0, int *)(count);
}

EXPORT int cudaSetDevice(int ordinal)
{
	void *context;
	int device, result;

	ENTER;
	result = DRIVER(cuDeviceGet, 2000, 0, int *, int)(&device, ordinal);
	if (result != 0)
		return result;
	DRIVER(cuDevicePrimaryCtxRetain, 7000, 0, void **, int)(&context, device);
	runtime_facts.device = device;
	return DRIVER(cuCtxSetCurrent, 4000, 0, void *)(context);
}

EXPORT int cudaMalloc(void **pointer, size_t bytes)
{
	ENTER;
	return DRIVER(cuMemAlloc, 3020, 0, void **, size_t)(pointer, bytes);
}

EXPORT int cudaMemcpy(void *to, const void *from, size_t bytes, int direction)
{
	ENTER;
	return DRIVER(cuMemcpy, 4000, 0, void *, const void *, size_t)(to, from, bytes);
}

EXPORT int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int direction, void *stream)
{
	ENTER;
	return DRIVER(cuMemcpyAsync, 4000, 0, void *, const void *, size_t, void *)(to, from, bytes,
										    stream);
}

EXPORT int cudaMemcpyAsync_ptsz(void *to, const void *from, size_t bytes, int direction,
				void *stream)
{
	ENTER;
	return DRIVER(cuMemcpyAsync, 7000, 2, void *, const void *, size_t, void *)(to, from, bytes,
										    stream);
}

/* Both sides by unified addresses: the driver is not told the direction. */
EXPORT int cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
			     size_t width, size_t height, int direction, void *stream)
{
	struct side {
		size_t x, y;
		unsigned int type;
		const void *host;
		uint64_t device;
		void *array;
		size_t pitch;
	};
	struct {
		struct side from, to;
		size_t width, height;
	} copy = {
	    {.type = 4, .device = (uintptr_t)from, .pitch = from_pitch},
	    {.type = 4, .device = (uintptr_t)to, .pitch = to_pitch},
	    width,
	    height,
	};

	ENTER;
	return DRIVER(cuMemcpy2DAsync, 3020, 0, void *, void *)(&copy, stream);
}

static struct function {
	const void *host;
	const char *name;
	void *kernel;
} functions[FUNCTIONS];

EXPORT void __cudaRegisterFunction(void **image, const char *host, char *device, const char *name,
				   int threads, void *tid, void *bid, void *block, void *grid,
				   int *warp)
{
	for (int i = 0; i < FUNCTIONS; i++)
		if (functions[i].host == NULL) {
			functions[i].host = host;
			functions[i].name = name;
			return;
		}
}

/* By the address of the program's function, or by our own handle. */
static struct function *find(const void *what)
{
	for (int i = 0; i < FUNCTIONS; i++)
		if (what != NULL && (functions[i].host == what || &functions[i] == what))
			return &functions[i];
	return NULL;
}

EXPORT int __cudaGetKernel(void **kernel, const void *host)
{
	*kernel = find(host);
	return *kernel != NULL ? 0 : 98;
}

/* A handle to launch by the driver; nobody has named it. */
EXPORT int cudaGetFuncBySymbol(void **out, const void *host)
{
	struct function *function = find(host);

	ENTER;
	if (function == NULL)
		return 98;
	if (function->kernel == NULL)
		function->kernel = &function->kernel;
	*out = function->kernel;
	return 0;
}

#define LAUNCH                                                                                     \
	void *, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,              \
	    unsigned int, unsigned int, void *, void **, void **

/* Where the driver has no modules, a kernel is a handle that nobody named. */
static int launch(const void *what, struct runtime_dim3 grid, struct runtime_dim3 block,
		  void **values, void *stream, bool per_thread)
{
	struct function *function = find(what);

	if (function == NULL)
		return 98; /* no such function */
	if (function->kernel == NULL && module != NULL)
		DRIVER(cuModuleGetFunction, 2000, 0, void **, void *, const char *)
	(&function->kernel, module, function->name);
	if (function->kernel == NULL)
		function->kernel = &function->kernel;
	runtime_facts.kernel = function->kernel;
	return (per_thread ? DRIVER(cuLaunchKernel, 7000, 2, LAUNCH)
			   : DRIVER(cuLaunchKernel, 4000, 0, LAUNCH))(
	    function->kernel, grid.x, grid.y, grid.z, block.x, block.y, block.z, 0, stream, values,
	    NULL);
}

EXPORT int cudaLaunchKernel(const void *what, struct runtime_dim3 grid, struct runtime_dim3 block,
			    void **values, size_t shared, void *stream)
{
	ENTER;
	return launch(what, grid, block, values, stream, false);
}

/* Since CUDA 13 <<<...>>> comes in here, and goes on by a jump that no wrapper sees. */
EXPORT int __cudaLaunchKernel(const void *what, struct runtime_dim3 grid, struct runtime_dim3 block,
			      void **values, size_t shared, void *stream)
{
	ENTER;
	return launch(what, grid, block, values, stream, false);
}

EXPORT int __cudaLaunchKernel_ptsz(const void *what, struct runtime_dim3 grid,
				   struct runtime_dim3 block, void **values, size_t shared,
				   void *stream)
{
	ENTER;
	return launch(what, grid, block, values, stream, true);
}

/* A runtime may have the driver's own resolver, by a way that nobody sees. */
static int entry_point(const char *name, void **function, int version, uint64_t flags, int *status)
{
	int (*own)(const char *, void **, int, uint64_t, int *) = runtime_facts.own_resolver;

	return (own != NULL ? own : resolver)(name, function, version, flags, status);
}

EXPORT int cudaGetDriverEntryPoint(const char *name, void **function, uint64_t flags, int *status)
{
	ENTER;
	return entry_point(name, function, RUNTIME_VERSION, flags, status);
}

EXPORT int cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned int version,
					    uint64_t flags, int *status)
{
	ENTER;
	return entry_point(name, function, (int)version, flags, status);
}
