// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program of the runtime counts and chooses devices by the map
 * of the control page, which is applied once, at the driver.
 */
#include "cuda_test.h"

#include "cudart/runtime.h"

int main(void)
{
	struct harness harness = harness_open();
	struct runtime_facts *facts;
	char driver[512];
	void *runtime;
	int count;

	CHECK(getcwd(driver, sizeof(driver) - 64) != NULL);
	strcat(driver, "/" SIM_DRIVER);
	setenv("ANAROS_TEST_DRIVER", driver, 1);
	dlclose(cuda_open());
	harness.control->cuda.order[0] = 1;
	harness.control->cuda.count = 1;
	__atomic_store_n(&harness.control->cuda.active, 1, __ATOMIC_RELEASE);
	runtime = dlopen("cudart/build/one/libcudart.so.13", RTLD_NOW | RTLD_LOCAL);
	if (runtime == NULL)
		harness_skip("the stub of the runtime is not built");
	facts = dlsym(runtime, "runtime_facts");
	OK(CUDA(runtime, cudaGetDeviceCount, int *)(&count));
	CHECK_EQUAL(count, 1);
	OK(CUDA(runtime, cudaSetDevice, int)(0));
	CHECK_EQUAL(facts->device, 1);
	CHECK_EQUAL(CUDA(runtime, cudaSetDevice, int)(1), 101);
	CHECK(cuda_records(&harness, ANAROS_KIND_GPU_CONTEXT) >= 4);
	return 0;
}
