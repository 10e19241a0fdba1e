// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what goes wrong with HIP goes wrong as without the shim: a
 * library that lacks functions, a device that is lost, a child of fork that
 * goes on, a library that comes and goes.
 */
#include "hip_test.h"

#define OLDER       SIM "over.so" /* has four functions */
#define ECHO        "device_echo/build/libamdhip64.so.6"
#define LOST_DEVICE 719

static struct harness harness;

static void older(void)
{
	void *library = dlopen(OLDER, RTLD_NOW | RTLD_LOCAL);
	int version = 0;

	CHECK(library != NULL);
	dlerror();
	CHECK(dlsym(library, "hipLaunchKernelExC") == NULL);
	CHECK(dlerror() != NULL);
	OK(HIP(library, hipRuntimeGetVersion, int *)(&version));
	CHECK_EQUAL(version, 60300000);
	CHECK_EQUAL(dlclose(library), 0);
}

static void lost(void)
{
	void *library = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL);
	const struct dim3 one = {1, 1, 1};
	int *answer;

	CHECK(library != NULL);
	answer = dlsym(library, "echo_answer");
	*answer = LOST_DEVICE;
	CHECK_EQUAL(HIP(library, hipLaunchKernel, const void *, struct dim3, struct dim3, void **,
			size_t, void *)((const void *)lost, one, one, NULL, 0, NULL),
		    LOST_DEVICE);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_LAUNCH).last.status, LOST_DEVICE);
	CHECK_EQUAL(HIP(library, hipDeviceSynchronize, void)(), LOST_DEVICE);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_SYNC).last.status, LOST_DEVICE);
	CHECK_EQUAL(dlclose(library), 0);
}

/* Spans and streams that the parent knew are known; the child has records of its own. */
static void forked(void)
{
	void *library = hip_open(), *memory;
	char host[64] = {0};
	pid_t child;

	OK(HIP(library, hipMalloc, void **, size_t)(&memory, 64));
	child = fork();
	if (child == 0) {
		OK(HIP(library, hipMemcpy, void *, const void *, size_t, int)(memory, host, 64, 4));
		CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_H2D).bytes, 64);
		OK(HIP(library, hipFree, void *)(memory));
		_exit(0);
	}
	CHECK_EQUAL(harness_wait(child), 0);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_FREE).count, 0);
	OK(HIP(library, hipFree, void *)(memory));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_FREE).count, 1);
}

int main(void)
{
	harness = harness_open();
	if (access(OLDER, R_OK) != 0 || access(ECHO, R_OK) != 0)
		harness_skip("the libraries are not built");
	CHECK(dlsym(RTLD_DEFAULT, "hipMalloc") == NULL);
	older();
	lost();
	/* Another library of the family, now that the last one is gone. */
	forked();
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
