// SPDX-License-Identifier: Apache-2.0
/*
 * Description: in all three modes of capture the driver is entered for the
 * program's own calls and for nothing else, what it refuses is refused as
 * bare, and the graph is whole at the end.
 */
#include "cuda_test.h"

#include "cuda/abi.h"

#define UNSUPPORTED 900 /* a call that a capture does not allow */
#define INVALIDATED 901 /* what became of a capture in which it was made */

enum mode { GLOBAL, THREAD_LOCAL, RELAXED };

static struct harness harness;
static void *driver, *kernel;

static const char *const symbols[] = {
#define ROW(base, symbol, version, per_thread) #symbol,
    ANAROS_CUDA_ABI(ROW)
#undef ROW
};

/* Of all functions together. */
static uint64_t all_calls(void)
{
	uint64_t calls = 0;

	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++)
		calls += sim_calls(driver, symbols[i]);
	return calls;
}

static int launch(void *stream)
{
	return ((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0,
								  stream, NULL, NULL);
}

/* A thread says by its own mode that it knows what it does. */
static int exchange(int mode)
{
	OK(CUDA(driver, cuThreadExchangeStreamCaptureMode, int *)(&mode));
	return mode;
}

static void in_mode(enum mode mode)
{
	uint64_t pointer, before, nodes = 0, *number = &nodes;
	int own;
	void *stream, *graph = NULL, *program;

	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&stream, 1));
	before = all_calls();
	OK(CUDA(driver, cuStreamBeginCapture_v2, void *, int)(stream, mode));
	OK(launch(stream));
	own = exchange(RELAXED);
	OK(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 64));
	exchange(own);
	OK(launch(stream));
	OK(CUDA(driver, cuStreamEndCapture, void *, void **)(stream, &graph));
	CHECK_EQUAL(all_calls() - before, 7);
	CHECK(graph != NULL);
	OK(CUDA(driver, cuGraphGetNodes, void *, void **, uint64_t *)(graph, NULL, number));
	CHECK_EQUAL(nodes, 2);
	OK(CUDA(driver, cuGraphInstantiateWithFlags, void **, void *, uint64_t)(&program, graph,
										0));
	OK(CUDA(driver, cuGraphLaunch, void *, void *)(program, stream));
	OK(CUDA(driver, cuStreamSynchronize, void *)(stream));
	/* It is over: the stream works at once again. */
	OK(launch(stream));
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_LAUNCH,
							    .flags = ANAROS_FLAG_CAPTURE,
							    .object = (uintptr_t)stream}),
		    2);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_LAUNCH,
							    .object = (uintptr_t)stream}),
		    3);
}

/* What the program itself makes invalid stays so: the shim neither heals nor adds. */
static void invalidated(void)
{
	void *stream, *graph = &graph;
	uint64_t pointer;

	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&stream, 1));
	OK(CUDA(driver, cuStreamBeginCapture_v2, void *, int)(stream, GLOBAL));
	OK(launch(stream));
	CHECK_EQUAL(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 64), UNSUPPORTED);
	CHECK_EQUAL(CUDA(driver, cuStreamEndCapture, void *, void **)(stream, &graph), INVALIDATED);
	CHECK(graph == NULL);
	OK(launch(stream));
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_LAUNCH,
							    .flags = ANAROS_FLAG_CAPTURE,
							    .object = (uintptr_t)stream}),
		    1);
}

int main(void)
{
	harness = harness_open();
	driver = cuda_open();
	cuda_start(driver);
	kernel = cuda_kernel(driver, "noop");
	in_mode(GLOBAL);
	in_mode(THREAD_LOCAL);
	in_mode(RELAXED);
	invalidated();
	return 0;
}
