// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a tool that the driver itself loads inside cuInit works beside
 * the shim: it is called once, and the program is recorded as without it.
 */
#include "cuda_test.h"

int main(void)
{
	struct harness harness = harness_open();
	char path[512];
	void *driver, *tool, *kernel;

	CHECK(getcwd(path, sizeof(path) - 64) != NULL);
	strcat(path, "/" SIM "injected.so");
	setenv("CUDA_INJECTION64_PATH", path, 1);
	driver = cuda_open();
	cuda_start(driver);
	OK(CUDA(driver, cuInit, unsigned int)(0));
	tool = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	CHECK(tool != NULL);
	CHECK_EQUAL(*(int *)cuda_symbol(tool, "injected_begins"), 1);
	kernel = cuda_kernel(driver, "noop");
	for (int i = 0; i < 3; i++)
		OK(((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0,
								      NULL, NULL, NULL));
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH), 3);
	CHECK_EQUAL(sim_calls(driver, "cuLaunchKernel"), 3);
	CHECK_EQUAL(sim_calls(driver, "cuInit"), 2);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	return 0;
}
