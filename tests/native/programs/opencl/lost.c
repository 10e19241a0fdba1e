// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that loses its device gets from each OpenCL call what
 * the driver answers, each result is in the record of its call, no event is
 * made for what did not run, and what needs no device goes on.
 */
#include "calls.h"

#define LOST     (-2) /* the device is not available */
#define LOST_TOO (-5) /* out of resources: as some drivers say it */
#define LOST_FOR_ALL                                                                               \
	"clEnqueueNDRangeKernel@2=-2;clEnqueueNDRangeKernel@3=-5;"                                 \
	"clEnqueueWriteBuffer@2=-2;clEnqueueReadBuffer@1=-5;clFinish@1=-2"

static void *buffer, *kernel;
static char host[BYTES];

static int launch(void **event)
{
	size_t items = 4;

	return CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *,
		  size_t *, void *, unsigned int, void *,
		  void **)(cl.queue, kernel, 1, NULL, &items, NULL, 0, NULL, event);
}

static int copy(const char *name)
{
	return ((int (*)(void *, void *, int, size_t, size_t, void *, unsigned int, void *,
			 void *))cl_symbol(cl.library, name))(cl.queue, buffer, 1, 0, BYTES, host,
							      0, NULL, NULL);
}

static int finish(void)
{
	return CL(cl.library, clFinish, void *)(cl.queue);
}

int main(void)
{
	void *none = NULL;

	begin();
	kernel = cl_kernel(&cl);
	buffer = cl_buffer(&cl, 1, BYTES);
	sim_faults(cl.driver, LOST_FOR_ALL);
	OK(launch(NULL));
	OK(copy("clEnqueueWriteBuffer"));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).status, 0);

	errno = 99;
	CHECK_EQUAL(launch(&none), LOST);
	CHECK(none == NULL);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).status, LOST);
	CHECK_EQUAL(launch(NULL), LOST_TOO);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).status, LOST_TOO);
	CHECK_EQUAL(copy("clEnqueueWriteBuffer"), LOST);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_H2D).status, LOST);
	CHECK_EQUAL(copy("clEnqueueReadBuffer"), LOST_TOO);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_D2H).status, LOST_TOO);
	CHECK_EQUAL(finish(), LOST);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).status, LOST);
	CHECK_EQUAL(errno, 99);

	sim_faults(cl.driver, NULL);
	CHECK(cl_buffer(&cl, 1, BYTES) != NULL);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).status, 0);
	/* Of three launches one ran, and one copy of three. */
	ran(1, 1);
	return 0;
}
