// SPDX-License-Identifier: Apache-2.0
/*
 * Description: calls on a stream in capture, and on one that joined it, are
 * marked as recorded into a graph; the graph's launch is one record.
 */
#include "cuda_test.h"

static struct harness harness;
static void *driver;

static uint64_t launches(uint16_t flags)
{
	return harness_count(&harness,
			     (struct wanted){.kind = ANAROS_KIND_GPU_LAUNCH, .flags = flags});
}

static void launch(void *kernel, void *stream)
{
	OK(((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0, stream,
							      NULL, NULL));
}

int main(void)
{
	void *kernel, *first, *second, *third, *event, *graph, *program;

	harness = harness_open();
	driver = cuda_open();
	cuda_start(driver);
	kernel = cuda_kernel(driver, "noop");
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&first, 1));
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&second, 1));
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&third, 1));
	OK(CUDA(driver, cuEventCreate, void **, unsigned int)(&event, 0));

	launch(kernel, first);
	CHECK_EQUAL(launches(ANAROS_FLAG_CAPTURE), 0);
	OK(CUDA(driver, cuStreamBeginCapture_v2, void *, int)(first, 0));
	launch(kernel, first);
	OK(CUDA(driver, cuEventRecord, void *, void *)(event, first));
	OK(CUDA(driver, cuStreamWaitEvent, void *, void *, unsigned int)(second, event, 0));
	launch(kernel, second);
	launch(kernel, third);
	CHECK_EQUAL(launches(ANAROS_FLAG_CAPTURE), 2);
	/* What was forked must be joined again. */
	OK(CUDA(driver, cuEventRecord, void *, void *)(event, second));
	OK(CUDA(driver, cuStreamWaitEvent, void *, void *, unsigned int)(first, event, 0));
	OK(CUDA(driver, cuStreamEndCapture, void *, void **)(first, &graph));
	launch(kernel, first);
	launch(kernel, second);
	CHECK_EQUAL(launches(ANAROS_FLAG_CAPTURE), 2);
	CHECK_EQUAL(launches(0), 6);

	OK(CUDA(driver, cuGraphInstantiateWithFlags, void **, void *,
		unsigned long long)(&program, graph, 0));
	OK(CUDA(driver, cuGraphLaunch, void *, void *)(program, first));
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_GRAPH), 1);
	CHECK_EQUAL(launches(0), 6);
	return 0;
}
