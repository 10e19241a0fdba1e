// SPDX-License-Identifier: Apache-2.0
/* Description: a library that was bound past the shim with RTLD_DEEPBIND is recorded. */
#include "opencl_test.h"

int main(void)
{
	struct harness harness = harness_open();
	void *library = dlopen(SIM "direct.so", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND), *driver;
	float x[2] = {1, 2}, y[2];

	if (library == NULL)
		harness_skip("the simulated OpenCL is not built");
	OK(((int (*)(const float *, float *, size_t, unsigned int))cl_symbol(library, "direct"))(
	    x, y, 2, 3));
	CHECK(y[0] == 2 && y[1] == 3);
	driver = cl_open(SIM_DRIVER);
	CHECK_EQUAL(sim_calls(driver, "clEnqueueNDRangeKernel"), 3);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_LAUNCH).count, 3);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_COPY_H2D).bytes, 8);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
