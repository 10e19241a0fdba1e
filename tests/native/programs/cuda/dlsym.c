// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that takes driver functions with dlsym is recorded,
 * and as many calls and bytes are recorded as the driver itself counts.
 */
#include "cuda_test.h"

#define N 4096u

int main(void)
{
	struct harness harness = harness_open();
	void *driver = cuda_open();
	float *a = malloc(4 * N), *b = malloc(4 * N), *sum = malloc(4 * N);
	uint64_t pointer[3];
	uint32_t n = N;
	void *values[] = {&pointer[0], &pointer[1], &pointer[2], &n};
	struct harness_search found;
	void *function;

	CHECK(lies_in(cuda_symbol(driver, "cuLaunchKernel"), "libanaros"));
	CHECK(lies_in(cuda_symbol(driver, "cuDeviceGetName"), "libcuda"));
	cuda_start(driver);
	function = cuda_kernel(driver, "vector_add");
	for (uint32_t i = 0; i < N; i++) {
		a[i] = (float)i;
		b[i] = 1.0f;
	}
	for (int i = 0; i < 3; i++)
		OK(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer[i], 4 * N));
	OK(CUDA(driver, cuMemcpyHtoD_v2, uint64_t, const void *, size_t)(pointer[0], a, 4 * N));
	OK(CUDA(driver, cuMemcpyHtoD_v2, uint64_t, const void *, size_t)(pointer[1], b, 4 * N));
	for (int i = 0; i < 10; i++)
		OK(((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(function, N / 256, 1, 1, 256,
								      1, 1, 0, NULL, values, NULL));
	OK(CUDA(driver, cuMemcpyDtoH_v2, void *, uint64_t, size_t)(sum, pointer[2], 4 * N));
	for (uint32_t i = 0; i < N; i++)
		CHECK(sum[i] == (float)i + 1.0f);
	/* Refused by the driver: recorded with its result. */
	CHECK_EQUAL(CUDA(driver, cuMemFree_v2, uint64_t)(12345), 1);

	CHECK_EQUAL(sim_calls(driver, "cuLaunchKernel"), 10);
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH), 10);
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_ALLOC), 3);
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_BUILD), 1);
	found = harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_COPY_H2D});
	CHECK_EQUAL(found.count, sim_calls(driver, "cuMemcpyHtoD_v2"));
	CHECK_EQUAL(found.bytes, sim_bytes(driver, SIM_H2D));
	CHECK_EQUAL(found.last.address, (uintptr_t)b);
	CHECK_EQUAL(found.last.flags & ANAROS_FLAG_ASYNC, 0);
	found = harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_COPY_D2H});
	CHECK_EQUAL(found.bytes, sim_bytes(driver, SIM_D2H));
	CHECK_EQUAL(found.last.address, (uintptr_t)sum);
	found = harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_LAUNCH});
	CHECK_EQUAL(found.last.address, (uintptr_t)function);
	CHECK_EQUAL(found.last.size_bytes, N);
	CHECK_EQUAL(found.last.flags, ANAROS_FLAG_ASYNC);
	CHECK_EQUAL(found.last.tid, syscall(SYS_gettid));
	found = harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_FREE});
	CHECK_EQUAL(found.last.status, 1);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
