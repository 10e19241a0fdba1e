/* SPDX-License-Identifier: Apache-2.0 */
/* For the OpenCL programs: the simulated loader and driver, and what the driver counts itself. */
#ifndef OPENCL_TEST_H
#define OPENCL_TEST_H

#include "harness.h"

#include <dlfcn.h>

#define SIM        "opencl_sim/build/"
#define SIM_LOADER SIM "libOpenCL.so.1"
#define SIM_DRIVER SIM "libsimcl.so"
#define SIM_FULL   SIM "libsimcl-full.so"

enum sim_way { SIM_H2D, SIM_D2H, SIM_D2D, SIM_ANY, SIM_FILL };

#define OK(call) CHECK_EQUAL(call, 0)

static inline void *cl_open(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		harness_skip("the simulated OpenCL is not built");
	return library;
}

static inline void *cl_symbol(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (function == NULL)
		fprintf(stderr, "%s: ", name);
	CHECK(function != NULL);
	return function;
}

/* CL(library, clFinish, void *)(queue); CLP for functions that give a pointer. */
#define CL(library, name, ...)  ((int (*)(__VA_ARGS__))cl_symbol(library, #name))
#define CLP(library, name, ...) ((void *(*)(__VA_ARGS__))cl_symbol(library, #name))

/* The same of an extension: the library tells where it is. */
static inline void *cl_extension(void *library, const char *name)
{
	void *function = CLP(library, clGetExtensionFunctionAddress, const char *)(name);

	CHECK(function != NULL);
	return function;
}
#define CLE(library, name, ...)  ((int (*)(__VA_ARGS__))cl_extension(library, #name))
#define CLEP(library, name, ...) ((void *(*)(__VA_ARGS__))cl_extension(library, #name))

#define WAITS unsigned int, void *, void *
#define NONE  0, NULL, NULL

/* A platform with its devices, a context, and a queue of the first device. */
struct cl {
	void *library, *driver;
	void *platform, *devices[2], *context, *queue;
};

static inline struct cl cl_begin(const char *path, uint64_t properties)
{
	struct cl cl = {.library = cl_open(path), .driver = cl_open(SIM_DRIVER)};
	int status = 1;

	OK(CL(cl.library, clGetPlatformIDs, unsigned int, void **, void *)(1, &cl.platform, NULL));
	OK(CL(cl.library, clGetDeviceIDs, void *, uint64_t, unsigned int, void **,
	      void *)(cl.platform, 0xffffffff, 2, cl.devices, NULL));
	cl.context = CLP(cl.library, clCreateContext, void *, unsigned int, void **, void *, void *,
			 int *)(NULL, 2, cl.devices, NULL, NULL, &status);
	OK(status);
	cl.queue = CLP(cl.library, clCreateCommandQueue, void *, void *, uint64_t,
		       int *)(cl.context, cl.devices[0], properties, &status);
	OK(status);
	return cl;
}

static inline void *cl_buffer(const struct cl *cl, uint64_t flags, size_t bytes)
{
	return CLP(cl->library, clCreateBuffer, void *, uint64_t, size_t, void *,
		   void *)(cl->context, flags, bytes, NULL, NULL);
}

static inline void *cl_kernel(const struct cl *cl)
{
	const char *text = "add";
	void *program = CLP(cl->library, clCreateProgramWithSource, void *, unsigned int,
			    const char **, void *, void *)(cl->context, 1, &text, NULL, NULL);

	return CLP(cl->library, clCreateKernel, void *, const char *, void *)(program, "add", NULL);
}

static inline uint64_t sim_calls(void *driver, const char *name)
{
	return ((uint64_t(*)(const char *))cl_symbol(driver, "anaros_sim_calls"))(name);
}

static inline uint64_t sim_bytes(void *driver, enum sim_way way)
{
	return ((uint64_t(*)(int))cl_symbol(driver, "anaros_sim_bytes"))(way);
}

static inline void sim_faults(void *driver, const char *text)
{
	((int (*)(const char *))cl_symbol(driver, "anaros_sim_faults"))(text);
}

/* Calls, without the device's times of them. */
struct calls {
	uint16_t kind;
	uint64_t count, bytes;
	struct anaros_record last;
};

static inline void calls_look(const struct anaros_record *record, void *context)
{
	struct calls *calls = context;

	if (record->kind != calls->kind || (record->flags & ANAROS_FLAG_DEVICE_TIME) != 0)
		return;
	calls->count++;
	calls->bytes += record->size_bytes;
	if (record->start_ns >= calls->last.start_ns)
		calls->last = *record;
}

static inline struct calls calls_of(const struct harness *harness, uint16_t kind)
{
	struct calls calls = {.kind = kind};

	harness_each(harness, calls_look, &calls);
	return calls;
}

#endif
