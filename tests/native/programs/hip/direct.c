// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a library in a local scope that was linked with HIP computes
 * what it would without the shim; each call is one record, and a kernel has
 * the name that it was registered with.
 */
#include "hip_test.h"

#define N 1024u

int main(void)
{
	struct harness harness = harness_open();
	void *library, *direct = dlopen(SIM_DIRECT, RTLD_NOW | RTLD_LOCAL);
	float a[N], b[N], sum[N];
	struct harness_search found;

	if (direct == NULL)
		harness_skip("the simulated HIP is not built");
	for (uint32_t i = 0; i < N; i++) {
		a[i] = (float)i / 3;
		b[i] = (float)i * 7;
	}
	OK(((int (*)(const float *, const float *, float *, unsigned int))hip_symbol(
	    direct, "direct"))(a, b, sum, N));
	for (uint32_t i = 0; i < N; i++)
		CHECK(sum[i] == a[i] + b[i]);
	library = hip_open();
	CHECK_EQUAL(sim_calls(library, "hipMemcpy"), 3);
	found = records(&harness, ANAROS_KIND_GPU_LAUNCH);
	CHECK_EQUAL(found.count, sim_calls(library, "hipLaunchKernel"));
	CHECK_EQUAL(found.last.size_bytes, N);
	CHECK_EQUAL(found.last.address, (uintptr_t)hip_symbol(direct, "stub"));
	CHECK_EQUAL(names_of(&harness, hip_symbol(direct, "stub"), "vector_add"), 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_H2D).bytes, sim_bytes(library, SIM_H2D));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_D2H).bytes, sim_bytes(library, SIM_D2H));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_ALLOC).count, 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_FREE).count, 3);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
