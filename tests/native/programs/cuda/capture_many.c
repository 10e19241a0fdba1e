// SPDX-License-Identifier: Apache-2.0
/*
 * Description: more streams in capture at once than the shim can follow: calls
 * of those that it follows are marked, the others are counted, and once they
 * have ended there is room again.
 */
#include "cuda_test.h"

#define FOLLOWED 256u
#define STREAMS  (FOLLOWED + 44)

static struct harness harness;
static void *driver, *kernel, *streams[STREAMS];

static uint64_t launches(uint16_t flags)
{
	return harness_count(&harness,
			     (struct wanted){.kind = ANAROS_KIND_GPU_LAUNCH, .flags = flags});
}

static void capture(unsigned int count)
{
	cu_launch launch = (cu_launch)cuda_symbol(driver, "cuLaunchKernel");
	void *graph;

	for (unsigned int i = 0; i < count; i++) {
		OK(CUDA(driver, cuStreamBeginCapture_v2, void *, int)(streams[i], 2));
		OK(launch(kernel, 1, 1, 1, 1, 1, 1, 0, streams[i], NULL, NULL));
	}
	for (unsigned int i = 0; i < count; i++) {
		OK(CUDA(driver, cuStreamEndCapture, void *, void **)(streams[i], &graph));
		OK(CUDA(driver, cuGraphDestroy, void *)(graph));
	}
}

int main(void)
{
	harness = harness_open();
	driver = cuda_open();
	cuda_start(driver);
	kernel = cuda_kernel(driver, "noop");
	for (unsigned int i = 0; i < STREAMS; i++)
		OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&streams[i], 1));
	capture(FOLLOWED);
	CHECK_EQUAL(harness.shared->captures_lost, 0);
	CHECK_EQUAL(launches(ANAROS_FLAG_CAPTURE), FOLLOWED);
	capture(STREAMS);
	CHECK_EQUAL(harness.shared->captures_lost, STREAMS - FOLLOWED);
	CHECK_EQUAL(launches(ANAROS_FLAG_CAPTURE), 2 * FOLLOWED);
	CHECK_EQUAL(launches(0), FOLLOWED + STREAMS);
	capture(FOLLOWED);
	CHECK_EQUAL(harness.shared->captures_lost, STREAMS - FOLLOWED);
	CHECK_EQUAL(launches(ANAROS_FLAG_CAPTURE), 3 * FOLLOWED);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
