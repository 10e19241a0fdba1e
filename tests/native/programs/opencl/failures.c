// SPDX-License-Identifier: Apache-2.0
/*
 * Description: calls that fail say so in their records, and leave errno and
 * what they answer as they are.
 */
#include "calls.h"

static void failures(void *kernel)
{
	size_t items = 4;
	int status = 0;

	sim_faults(cl.driver, "clEnqueueNDRangeKernel@1=-5;clDeviceMemAllocINTEL@1=-4");
	errno = 99;
	CHECK_EQUAL(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *,
		       size_t *, void *, WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, NONE),
		    -5);
	CHECK_EQUAL(errno, 99);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).status, -5);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).size_bytes, 0);
	CHECK(CLEP(cl.library, clDeviceMemAllocINTEL, void *, void *, void *, size_t, int,
		   int *)(cl.context, cl.devices[0], NULL, 64, 0, &status) == NULL);
	CHECK_EQUAL(status, -4);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).status, -4);
	sim_faults(cl.driver, NULL);
}

int main(void)
{
	begin();
	failures(cl_kernel(&cl));
	ran(0, 0);
	return 0;
}
