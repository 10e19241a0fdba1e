// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a function for per-thread default streams keeps that meaning
 * through its wrapper: it does not wait for the legacy stream.
 */
#include "cuda_test.h"

static void *ask(void *driver, const char *name, uint64_t flags)
{
	void *function;

	OK(((cu_resolver)cuda_symbol(driver, "cuGetProcAddress"))(name, &function, 12000, flags));
	CHECK(function != NULL);
	return function;
}

int main(void)
{
	struct harness harness = harness_open();
	void *driver = cuda_open();
	void *function;

	setenv("ANAROS_SIM_SPEED", "1", 1);
	cuda_start(driver);
	function = cuda_kernel(driver, "busy");
	for (int twin = 0; twin < 2; twin++) {
		uint64_t flags = twin ? PER_THREAD_STREAM : DEFAULT_STREAM;
		cu_launch launch = (cu_launch)ask(driver, "cuLaunchKernel", flags);
		int (*query)(void *) = (int (*)(void *))ask(driver, "cuStreamQuery", flags);
		int (*other)(void *) =
		    (int (*)(void *))ask(driver, "cuStreamQuery", PER_THREAD_STREAM - flags);
		int (*wait)(void *) = (int (*)(void *))ask(driver, "cuStreamSynchronize", flags);
		uint64_t operations = 1200000000000ull; /* 300 ms */
		void *values[] = {&operations};

		OK(launch(function, 1, 1, 1, 1, 1, 1, 0, NULL, values, NULL));
		CHECK_EQUAL(query(NULL), 600);
		OK(other(NULL));
		OK(wait(NULL));
		OK(query(NULL));
	}
	/* 1 is the legacy stream's own handle, 2 the per-thread one's. */
	for (uint64_t stream = 1; stream <= 2; stream++) {
		CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_LAUNCH,
								    .object = stream}),
			    1);
		CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_SYNC,
								    .object = stream}),
			    1);
	}
	CHECK(
	    harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_SYNC}).last.duration_ns >
	    10000000);
	CHECK_EQUAL(sim_calls(driver, "cuLaunchKernel"), 1);
	CHECK_EQUAL(sim_calls(driver, "cuLaunchKernel_ptsz"), 1);
	return 0;
}
