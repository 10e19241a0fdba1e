// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that takes HIP functions with dlsym is recorded, as
 * many calls and bytes are recorded as HIP itself counts, and dlsym finds
 * what it would without the shim.
 */
#include "hip_test.h"

#define N 4096u

static void not_found(void *handle, const char *name)
{
	const char *message;

	dlerror();
	CHECK(dlsym(handle, name) == NULL);
	message = dlerror();
	CHECK(message != NULL && strstr(message, name) != NULL);
}

static void scopes(void)
{
	void *own = dlopen(NULL, RTLD_NOW), *library;

	not_found(RTLD_DEFAULT, "hipMalloc");
	not_found(RTLD_NEXT, "hipMalloc");
	not_found(own, "hipLaunchKernel");
	not_found(own, "__hipRegisterFunction");
	not_found(RTLD_DEFAULT, "hipblasCreate");
	/* Loaded for itself: the global scope still has no such name. */
	library = hip_open();
	not_found(own, "hipMalloc");
	not_found(library, "hipMallocX");
	CHECK(lies_in(hip_symbol(library, "hipModuleLaunchKernel"), "libanaros"));
	CHECK(lies_in(hip_symbol(library, "hipGetDevice"), "libamdhip64"));
}

int main(void)
{
	struct harness harness = harness_open();
	float *a = malloc(4 * N), *b = malloc(4 * N), *sum = malloc(4 * N);
	void *library, *function, *pointer[3];
	uint32_t n = N;
	void *values[] = {&pointer[0], &pointer[1], &pointer[2], &n};
	struct harness_search found;

	scopes();
	library = hip_open();
	OK(HIP(library, hipInit, unsigned int)(0));
	function = hip_kernel(library, "vector_add");
	CHECK_EQUAL(names_of(&harness, function, "vector_add"), 1);
	for (uint32_t i = 0; i < N; i++) {
		a[i] = (float)i;
		b[i] = 1.0f;
	}
	for (int i = 0; i < 3; i++)
		OK(HIP(library, hipMalloc, void **, size_t)(&pointer[i], 4 * N));
	OK(HIP(library, hipMemcpy, void *, const void *, size_t, int)(pointer[0], a, 4 * N, H2D));
	OK(HIP(library, hipMemcpyHtoD, void *, void *, size_t)(pointer[1], b, 4 * N));
	for (int i = 0; i < 10; i++)
		OK(hip_launch(library, function, N / 256, 256, NULL, values));
	OK(HIP(library, hipMemcpy, void *, const void *, size_t, int)(sum, pointer[2], 4 * N, D2H));
	for (uint32_t i = 0; i < N; i++)
		CHECK(sum[i] == (float)i + 1.0f);
	/* Refused: recorded with the result that the program gets. */
	CHECK_EQUAL(HIP(library, hipFree, void *)(&n), 1);

	CHECK_EQUAL(sim_calls(library, "hipModuleLaunchKernel"), 10);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_ALLOC).count, 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_BUILD).count, 1);
	found = records(&harness, ANAROS_KIND_GPU_COPY_H2D);
	CHECK_EQUAL(found.count, 2);
	CHECK_EQUAL(found.bytes, sim_bytes(library, SIM_H2D));
	CHECK_EQUAL(found.last.address, (uintptr_t)b);
	CHECK_EQUAL(found.last.flags, 0);
	found = records(&harness, ANAROS_KIND_GPU_COPY_D2H);
	CHECK_EQUAL(found.bytes, sim_bytes(library, SIM_D2H));
	CHECK_EQUAL(found.last.address, (uintptr_t)sum);
	found = records(&harness, ANAROS_KIND_GPU_LAUNCH);
	CHECK_EQUAL(found.count, 10);
	CHECK_EQUAL(found.last.address, (uintptr_t)function);
	CHECK_EQUAL(found.last.size_bytes, N);
	CHECK_EQUAL(found.last.object, 1);
	CHECK_EQUAL(found.last.flags, ANAROS_FLAG_ASYNC);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_FREE).last.status, 1);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
