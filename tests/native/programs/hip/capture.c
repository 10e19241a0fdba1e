// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a capture of HIP calls is not disturbed; what goes into the
 * graph is marked, on a second stream too, and a launched graph is one record.
 */
#include "hip_test.h"

#define BYTES 64u

int main(void)
{
	struct harness harness = harness_open();
	void *library = hip_open(), *device, *graph, *executable, *one, *two, *event;
	struct wanted captured = {.flags = ANAROS_FLAG_CAPTURE};
	char host[BYTES], back[BYTES] = {0};

	memset(host, 5, sizeof(host));
	OK(HIP(library, hipMalloc, void **, size_t)(&device, BYTES));
	OK(HIP(library, hipStreamCreateWithFlags, void **, unsigned int)(&one, 0));
	OK(HIP(library, hipStreamCreateWithFlags, void **, unsigned int)(&two, 0));
	OK(HIP(library, hipEventCreate, void **)(&event));
	/* The default stream cannot be captured. */
	CHECK(HIP(library, hipStreamBeginCapture, void *, int)(NULL, 0) != 0);
	OK(HIP(library, hipStreamBeginCapture, void *, int)(one, 0));
	OK(HIP(library, hipMemcpyAsync, void *, const void *, size_t, int,
	       void *)(device, host, BYTES, H2D, one));
	OK(HIP(library, hipEventRecord, void *, void *)(event, one));
	OK(HIP(library, hipStreamWaitEvent, void *, void *, unsigned int)(two, event, 0));
	OK(HIP(library, hipMemcpyAsync, void *, const void *, size_t, int,
	       void *)(back, device, BYTES, D2H, two));
	OK(HIP(library, hipStreamEndCapture, void *, void **)(one, &graph));
	CHECK(graph != NULL);
	CHECK_EQUAL(sim_bytes(library, SIM_H2D), 0);
	captured.kind = ANAROS_KIND_GPU_COPY_H2D;
	CHECK_EQUAL(harness_count(&harness, captured), 1);
	captured.kind = ANAROS_KIND_GPU_COPY_D2H;
	CHECK_EQUAL(harness_count(&harness, captured), 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_CAPTURE).count, 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_CAPTURE).last.address, (uintptr_t)graph);

	OK(HIP(library, hipGraphInstantiate, void **, void *, void **, char *,
	       size_t)(&executable, graph, NULL, NULL, 0));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_INSTANTIATE).last.object,
		    (uintptr_t)executable);
	for (int i = 0; i < 3; i++)
		OK(HIP(library, hipGraphLaunch, void *, void *)(executable, one));
	OK(HIP(library, hipStreamSynchronize, void *)(one));
	CHECK(memcmp(host, back, BYTES) == 0);
	CHECK_EQUAL(sim_bytes(library, SIM_H2D), 3 * BYTES);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_GRAPH).count, 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_GRAPH).last.address, (uintptr_t)executable);
	/* Over: a call on the stream runs again. */
	OK(HIP(library, hipMemcpyAsync, void *, const void *, size_t, int,
	       void *)(device, host, BYTES, H2D, one));
	captured.kind = ANAROS_KIND_GPU_COPY_H2D;
	CHECK_EQUAL(harness_count(&harness, captured), 1);
	OK(HIP(library, hipGraphExecDestroy, void *)(executable));
	OK(HIP(library, hipGraphDestroy, void *)(graph));
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
