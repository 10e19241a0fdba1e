// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what a host function of a stream asks another device library
 * for is recorded, although HIP calls it while a wait is recorded. Into a
 * graph goes the program's own function.
 */
#include "hip_test.h"

#include "device_echo/echo.h"

#define LOADER "level_zero_sim/build/libze_loader.so.1"
#define ECHO   "device_echo/build/libamdhip64.so.6"

static struct harness harness;
static void *below;

static void asks(void *data)
{
	void *memory = NULL;

	++*(int *)data;
	OK(HIP(below, zeMemAllocDevice, void *, const void *, size_t, size_t, void *,
	       void **)(NULL, NULL, 64, 64, NULL, &memory));
	OK(HIP(below, zeMemFree, void *, void *)(NULL, memory));
}

static void runs(void)
{
	void *library = hip_open(), *stream;
	int called = 0;

	below = dlopen(LOADER, RTLD_NOW | RTLD_LOCAL);
	if (below == NULL)
		harness_skip("the simulated Level Zero is not built");
	OK(HIP(below, zeInit, unsigned int)(0));
	OK(HIP(library, hipStreamCreateWithFlags, void **, unsigned int)(&stream, 1));
	for (int i = 0; i < 3; i++)
		OK(HIP(library, hipLaunchHostFunc, void *, void *, void *)(stream, (void *)asks,
									   &called));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_HOST_CALL).last.address, (uintptr_t)asks);
	OK(HIP(library, hipStreamSynchronize, void *)(stream));
	CHECK_EQUAL(called, 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_ALLOC).count, 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_FREE).count, 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_SYNC).count, 1);
	CHECK_EQUAL(dlclose(library), 0);
}

static void captured(void)
{
	void *library = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL), *stream = (void *)0x5000, *graph;
	const struct echo_seen *seen;

	if (library == NULL)
		harness_skip("the echo is not built");
	seen = dlsym(library, "echo_seen");
	OK(HIP(library, hipLaunchHostFunc, void *, void *, void *)(stream, (void *)asks, NULL));
	CHECK(lies_in((void *)(uintptr_t)seen->words[1], "libanaros"));
	OK(HIP(library, hipStreamBeginCapture, void *, int)(stream, 0));
	OK(HIP(library, hipLaunchHostFunc, void *, void *, void *)(stream, (void *)asks, NULL));
	CHECK_EQUAL(seen->words[1], (uintptr_t)asks);
	OK(HIP(library, hipStreamEndCapture, void *, void **)(stream, &graph));
	OK(HIP(library, hipLaunchHostFunc, void *, void *, void *)(stream, NULL, NULL));
	CHECK_EQUAL(seen->words[1], 0);
}

int main(void)
{
	harness = harness_open();
	runs();
	captured();
	CHECK_EQUAL(harness.shared->device_calls_beneath, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
