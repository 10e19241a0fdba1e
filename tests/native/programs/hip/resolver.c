// SPDX-License-Identifier: Apache-2.0
/*
 * Description: hipGetProcAddress gives out wrappers for what HIP gave, the
 * twin for the stream of a thread where HIP did; its refusals stay, and what
 * this release does not know is passed and counted.
 */
#include "hip_test.h"

#define PER_THREAD 2u

typedef int (*resolver)(const char *, void **, int, uint64_t, int *);
typedef int (*launch)(const void *, struct dim3, struct dim3, void **, size_t, void *);
typedef void (*registrar)(void **, const void *, char *, const char *, unsigned int, void *, void *,
			  void *, void *, int *);

static void stub(void)
{
}

int main(void)
{
	struct harness harness = harness_open();
	void *library = hip_open(), *function;
	resolver resolve = (resolver)hip_symbol(library, "hipGetProcAddress");
	const struct dim3 one = {1, 1, 1};
	int status = 9;

	CHECK(lies_in(*(void **)&resolve, "libanaros"));
	((registrar)hip_symbol(library, "__hipRegisterFunction"))(
	    NULL, (const void *)stub, NULL, "noop", 0, NULL, NULL, NULL, NULL, NULL);
	OK(resolve("hipLaunchKernel", &function, 600, 0, &status));
	CHECK_EQUAL(status, 0);
	CHECK(lies_in(function, "libanaros"));
	OK(((launch)function)((const void *)stub, one, one, NULL, 0, NULL));
	CHECK_EQUAL(sim_calls(library, "hipLaunchKernel"), 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_LAUNCH).last.object, 1);
	/* The stream of this thread, which a NULL stream stands for here. */
	OK(resolve("hipLaunchKernel", &function, 600, PER_THREAD, NULL));
	OK(((launch)function)((const void *)stub, one, one, NULL, 0, NULL));
	CHECK_EQUAL(sim_calls(library, "hipLaunchKernel_spt"), 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_LAUNCH).last.object, 2);
	CHECK_EQUAL(names_of(&harness, (const void *)stub, "noop"), 1);
	/* Has no twin: HIP gives the one function that there is. */
	OK(resolve("hipSetDevice", &function, 600, PER_THREAD, NULL));
	OK(((int (*)(int))function)(1));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_CONTEXT).count, 1);
	OK(resolve("hipGetDevice", &function, 600, 0, NULL));
	CHECK(lies_in(function, "libamdhip64"));
	CHECK_EQUAL(harness.shared->unhooked, 0);

	CHECK_EQUAL(resolve("hipNothing", &function, 600, 0, &status), 500);
	CHECK_EQUAL(status, 1);
	CHECK(function == NULL);
	OK(resolve("hipAnarosLater", &function, 600, 0, NULL));
	OK(((int (*)(void))function)());
	CHECK_EQUAL(harness.shared->unhooked, 1);
	CHECK(lies_in(hip_symbol(library, "hipAnarosLater"), "libamdhip64"));
	CHECK_EQUAL(harness.shared->unhooked, 2);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_UNKNOWN).count, 2);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
