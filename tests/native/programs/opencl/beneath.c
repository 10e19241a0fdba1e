// SPDX-License-Identifier: Apache-2.0
/*
 * Description: an OpenCL that stands on Level Zero is recorded once, as the
 * program calls it: what it asks Level Zero for, for a call or for a question
 * of the shim's, is counted and is no record. What a function of the program
 * does that OpenCL calls in the midst of a call is the program's own.
 */
#include "opencl_test.h"

#define N        64u
#define TIMES    5u
#define OVER     SIM "libsimcl-over.so"
#define BELOW    "level_zero_sim/build/libze_loader.so.1"
#define PROFILES 2u

static struct harness harness;
static struct cl cl;
static void *below;

/* What the simulated Level Zero counts. */
enum { BELOW_COPY = 2, BELOW_FILL, BELOW_LAUNCH };

static uint64_t below_calls(int call)
{
	return ((uint64_t(*)(int))cl_symbol(below, "anaros_sim_calls"))(call);
}

static uint64_t all(uint16_t kind)
{
	return calls_of(&harness, kind).count;
}

static void matches(uint16_t kind, const char *function)
{
	CHECK_EQUAL(all(kind), sim_calls(cl.library, function));
}

static void matches_calls(void)
{
	matches(ANAROS_KIND_GPU_LAUNCH, "clEnqueueNDRangeKernel");
	matches(ANAROS_KIND_GPU_COPY_H2D, "clEnqueueWriteBuffer");
	matches(ANAROS_KIND_GPU_COPY_D2H, "clEnqueueReadBuffer");
	matches(ANAROS_KIND_GPU_MEMSET, "clEnqueueFillBuffer");
	matches(ANAROS_KIND_GPU_SYNC, "clFinish");
	matches(ANAROS_KIND_GPU_STREAM, "clCreateCommandQueue");
	matches(ANAROS_KIND_GPU_CONTEXT, "clCreateContext");
	matches(ANAROS_KIND_GPU_ALLOC, "clCreateBuffer");
	matches(ANAROS_KIND_GPU_BUILD, "clCreateProgramWithSource");
	CHECK_EQUAL(all(ANAROS_KIND_GPU_COPY), 0);
}

static void computes(void)
{
	void *kernel = cl_kernel(&cl), *x = cl_buffer(&cl, 0, 4 * N), *y = cl_buffer(&cl, 0, 4 * N);
	float in[N], out[N], zero = 0;
	size_t items = N;

	for (unsigned int i = 0; i < N; i++)
		in[i] = (float)i / 3;
	OK(CL(cl.library, clSetKernelArg, void *, unsigned int, size_t, void *)(kernel, 0, 8, &x));
	OK(CL(cl.library, clSetKernelArg, void *, unsigned int, size_t, void *)(kernel, 1, 8, &y));
	OK(CL(cl.library, clEnqueueWriteBuffer, void *, void *, int, size_t, size_t, const void *,
	      WAITS)(cl.queue, x, 1, 0, 4 * N, in, NONE));
	OK(CL(cl.library, clEnqueueFillBuffer, void *, void *, const void *, size_t, size_t, size_t,
	      WAITS)(cl.queue, y, &zero, 4, 0, 4 * N, NONE));
	for (unsigned int i = 0; i < TIMES; i++)
		OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *,
		      size_t *, void *, WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, NONE));
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	OK(CL(cl.library, clEnqueueReadBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(cl.queue, y, 1, 0, 4 * N, out, NONE));
	for (unsigned int i = 0; i < N; i++)
		CHECK(out[i] == in[i] + 1);
	CHECK_EQUAL(below_calls(BELOW_LAUNCH), TIMES);
	CHECK_EQUAL(below_calls(BELOW_COPY), 2);
	CHECK_EQUAL(below_calls(BELOW_FILL), TIMES + 1);
	matches_calls();
	/* The shim asked for the times of the device, and the driver asked below. */
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.flags = ANAROS_FLAG_DEVICE_TIME,
							    .kind = ANAROS_KIND_GPU_EXECUTE}),
		    TIMES);
	CHECK_EQUAL(all(ANAROS_KIND_GPU_QUERY), 0);
	OK(CL(cl.library, clReleaseMemObject, void *)(x));
	OK(CL(cl.library, clReleaseMemObject, void *)(y));
	CHECK_EQUAL(all(ANAROS_KIND_GPU_FREE), 2);
	/* Each command there is three calls at least. */
	CHECK(harness.shared->device_calls_beneath > 3 * (2 + TIMES));
}

/* The program asks Level Zero itself, which it knows too. */
static void ask_below(void)
{
	void *memory = NULL;

	OK(CL(below, zeMemAllocShared, void *, const void *, const void *, size_t, size_t, void *,
	      void **)(NULL, NULL, NULL, 128, 64, NULL, &memory));
	OK(CL(below, zeMemFree, void *, void *)(NULL, memory));
}

static void native(void *arguments)
{
	++*(int *)arguments;
	ask_below();
	OK(CL(cl.library, clFlush, void *)(cl.queue));
}

static void ended(void *memory, void *count)
{
	CHECK(memory != NULL);
	++*(int *)count;
	ask_below();
}

static void notified(void *event, int status, void *count)
{
	CHECK(event != NULL);
	OK(status);
	++*(int *)count;
	ask_below();
	/* And in it another call, which calls a function of the program again. */
	OK(CL(cl.library, clEnqueueNativeKernel, void *, void *, void *, size_t, unsigned int,
	      void *, void *, WAITS)(cl.queue, (void *)native, count, 4, 0, NULL, NULL, NONE));
}

/* The shared memory is what these functions ask for, and nothing else is recorded of them. */
static void own(uint64_t times, uint64_t flushes)
{
	struct calls made = calls_of(&harness, ANAROS_KIND_GPU_ALLOC);

	CHECK_EQUAL(made.count, sim_calls(cl.library, "clCreateBuffer") + times);
	CHECK_EQUAL(made.last.flags, ANAROS_MEMORY_MANAGED);
	CHECK_EQUAL(made.last.size_bytes, 128);
	CHECK_EQUAL(all(ANAROS_KIND_GPU_FLUSH), flushes);
	CHECK_EQUAL(all(ANAROS_KIND_GPU_QUERY), 0);
}

static void functions_of_the_program(void)
{
	void *event = NULL, *memory = cl_buffer(&cl, 0, 64);
	uint64_t frees = all(ANAROS_KIND_GPU_FREE);
	int count = 0;

	OK(CL(cl.library, clEnqueueNativeKernel, void *, void *, void *, size_t, unsigned int,
	      void *, void *, unsigned int, void *,
	      void **)(cl.queue, (void *)native, &count, 4, 0, NULL, NULL, 0, NULL, &event));
	CHECK_EQUAL(count, 1);
	own(1, 1);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_HOST_CALL).last.address, (uintptr_t)native);
	OK(CL(cl.library, clSetEventCallback, void *, int, void *,
	      void *)(event, 0, (void *)notified, &count));
	CHECK_EQUAL(count, 3);
	own(3, 2);
	OK(CL(cl.library, clSetMemObjectDestructorCallback, void *, void *,
	      void *)(memory, (void *)ended, &count));
	OK(CL(cl.library, clReleaseMemObject, void *)(memory));
	CHECK_EQUAL(count, 4);
	own(4, 2);
	CHECK_EQUAL(all(ANAROS_KIND_GPU_FREE), frees + 4 + 1);
	/* Afterwards OpenCL's own calls are part of its calls as before. */
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	CHECK_EQUAL(all(ANAROS_KIND_GPU_SYNC), sim_calls(cl.library, "clFinish"));
	OK(CL(cl.library, clReleaseEvent, void *)(event));
}

int main(void)
{
	unsigned int count = 0;

	harness = harness_open();
	if (access(OVER, R_OK) != 0)
		harness_skip("the simulated OpenCL is not built");
	below = cl_open(BELOW);
	/* The driver begins with the first question, by whatever way it comes. */
	OK(CL(cl_open(OVER), clIcdGetPlatformIDsKHR, unsigned int, void *, unsigned int *)(0, NULL,
											   &count));
	CHECK_EQUAL(count, 1);
	cl = cl_begin(OVER, PROFILES);
	computes();
	functions_of_the_program();
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
