// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program computes what it would without the shim, and each
 * call is one record, by every way to OpenCL: by name from a library in a
 * local scope, the same bound past the shim, through a loader inside the
 * program, by dlsym from a loader, and from a driver opened directly.
 */
#include "opencl_test.h"

#define N     256u
#define TIMES 5u

static struct harness harness;
static void *driver;

static void matches(uint16_t kind, const char *function)
{
	CHECK_EQUAL(calls_of(&harness, kind).count, sim_calls(driver, function));
}

static void all_match(void)
{
	matches(ANAROS_KIND_GPU_LAUNCH, "clEnqueueNDRangeKernel");
	matches(ANAROS_KIND_GPU_COPY_H2D, "clEnqueueWriteBuffer");
	matches(ANAROS_KIND_GPU_COPY_D2H, "clEnqueueReadBuffer");
	matches(ANAROS_KIND_GPU_SYNC, "clFinish");
	matches(ANAROS_KIND_GPU_ALLOC, "clCreateBuffer");
	matches(ANAROS_KIND_GPU_STREAM, "clCreateCommandQueue");
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_COPY_H2D).bytes, sim_bytes(driver, SIM_H2D));
	CHECK_EQUAL(harness.shared->unhooked, 0);
}

static void computes(const char *path, int flags)
{
	void *library = dlopen(path, RTLD_NOW | flags);
	int (*direct)(const float *, float *, size_t, unsigned int);
	float x[N], y[N];

	if (library == NULL)
		harness_skip("the simulated OpenCL is not built");
	*(void **)&direct = dlsym(library, "direct");
	for (unsigned int i = 0; i < N; i++)
		x[i] = (float)i / 3;
	OK(direct(x, y, N, TIMES));
	for (unsigned int i = 0; i < N; i++)
		CHECK(y[i] == x[i] + 1);
	driver = cl_open(SIM_DRIVER);
	all_match();
}

static void by_dlsym(void)
{
	struct cl cl = cl_begin(SIM_LOADER, 0);
	void *kernel = cl_kernel(&cl);
	size_t items = N;

	for (unsigned int i = 0; i < TIMES; i++)
		OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *,
		      size_t *, void *, WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, NONE));
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	all_match();
}

/* One that exports all its functions, beside the loader: what comes by either is told once. */
static void directly(void)
{
	struct cl cl = cl_begin(SIM_FULL, 0);
	uint64_t before = calls_of(&harness, ANAROS_KIND_GPU_SYNC).count;

	OK(CL(cl.library, clFinish, void *)(cl.queue));
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	CHECK_EQUAL(sim_calls(cl.library, "clFinish"), 2);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_SYNC).count, before + 2);
	/* A function of both libraries has an entry of each. */
	CHECK(cl_symbol(cl.library, "clFinish") != dlsym(cl_open(SIM_LOADER), "clFinish"));
}

int main(void)
{
	harness = harness_open();
	computes(SIM "direct.so", RTLD_LOCAL);
	computes(SIM "inside.so", RTLD_LOCAL);
	/* Again through the loader, when the driver's table has wrappers. */
	computes(SIM "direct.so", RTLD_LOCAL);
	by_dlsym();
	directly();
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
