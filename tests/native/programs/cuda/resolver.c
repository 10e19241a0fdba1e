// SPDX-License-Identifier: Apache-2.0
/*
 * Description: cuGetProcAddress keeps the driver's results and status words
 * in both of its ABIs, and gives the wrapper of the ABI that was asked for.
 */
#include "cuda_test.h"

#define NOTHING ((void *)(uintptr_t)0x1234)

static cu_resolver first;
static cu_resolver_v2 second;

static void *ask(const char *name, int version, uint64_t flags)
{
	void *function = NOTHING;
	int status = -1;

	OK(second(name, &function, version, flags, &status));
	CHECK_EQUAL(status, 0);
	CHECK(function != NULL);
	return function;
}

static void refusals_stay(void)
{
	void *function;
	int status;

	/* The runtime's first request: an empty name, version 0, no status. */
	function = NOTHING;
	CHECK_EQUAL(second("", &function, 0, 0, NULL), 1);
	CHECK(function == NOTHING);
	CHECK_EQUAL(first("", &function, 0, 0), 1);
	CHECK_EQUAL(second(NULL, &function, 12000, 0, &status), 1);
	CHECK_EQUAL(second("cuLaunchKernel", NULL, 12000, 0, &status), 1);
	/* Newer than the driver. */
	CHECK_EQUAL(second("cuLaunchKernel", &function, 99000, 0, &status), 1);
	/* Unknown, and too old for the version: success, NULL, and a status. */
	status = -1;
	OK(second("cuNoSuchFunction", &function, 12000, 0, &status));
	CHECK(function == NULL);
	CHECK_EQUAL(status, 1);
	status = -1;
	OK(second("cuLaunchKernelEx", &function, 11000, 0, &status));
	CHECK(function == NULL);
	CHECK_EQUAL(status, 2);
	OK(first("cuLaunchKernelEx", &function, 11000, 0));
	CHECK(function == NULL);
	OK(second("cuLaunchKernelEx", &function, 11000, 0, NULL));
}

static void answers_are_exchanged(void)
{
	void *function = NOTHING;

	CHECK(lies_in(ask("cuLaunchKernel", 4000, DEFAULT_STREAM), "libanaros"));
	CHECK(lies_in(ask("cuDeviceGetName", 4000, DEFAULT_STREAM), "libcuda"));
	OK(first("cuMemAlloc", &function, 11030, 0));
	CHECK(lies_in(function, "libanaros"));
	/* The same way twice gives the same function. */
	CHECK(function == ask("cuMemAlloc", 12000, DEFAULT_STREAM));
	CHECK(ask("cuLaunchKernel", 4000, DEFAULT_STREAM) ==
	      ask("cuLaunchKernel", KNOWN_VERSION, DEFAULT_STREAM));
}

static void versions_and_flags_choose(void)
{
	void *legacy = ask("cuMemcpyHtoDAsync", 7000, DEFAULT_STREAM);
	void *per_thread = ask("cuMemcpyHtoDAsync", 7000, PER_THREAD_STREAM);

	CHECK(lies_in(legacy, "libanaros") && lies_in(per_thread, "libanaros"));
	CHECK(legacy != per_thread);
	CHECK(ask("cuMemcpyBatchAsync", 12080, 0) != ask("cuMemcpyBatchAsync", 13000, 0));
	CHECK(ask("cuMemcpyBatchAsync", 13000, 0) !=
	      ask("cuMemcpyBatchAsync", 13000, PER_THREAD_STREAM));
	CHECK(ask("cuCtxSynchronize", 2000, 0) != ask("cuCtxSynchronize", 13000, 0));
	/* What has no variant for threads is what it always is. */
	CHECK(ask("cuMemAlloc", 12000, 0) == ask("cuMemAlloc", 12000, PER_THREAD_STREAM));
}

static void the_resolver_resolves_itself(void)
{
	cu_resolver older = (cu_resolver)ask("cuGetProcAddress", 11030, 0);
	cu_resolver_v2 newer = (cu_resolver_v2)ask("cuGetProcAddress", 12000, 0);
	void *function = NOTHING;
	int status = -1;

	CHECK((void *)older != (void *)newer);
	OK(older("cuLaunchKernel", &function, 12000, 0));
	CHECK(lies_in(function, "libanaros"));
	function = NOTHING;
	OK(newer("cuLaunchKernel", &function, 12000, 0, &status));
	CHECK_EQUAL(status, 0);
	CHECK(lies_in(function, "libanaros"));
}

int main(void)
{
	struct harness harness = harness_open();
	void *driver = cuda_open();

	first = (cu_resolver)cuda_symbol(driver, "cuGetProcAddress");
	second = (cu_resolver_v2)cuda_symbol(driver, "cuGetProcAddress_v2");
	refusals_stay();
	answers_are_exchanged();
	versions_and_flags_choose();
	the_resolver_resolves_itself();
	CHECK_EQUAL(harness.shared->unhooked, 0);
	return 0;
}
