// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program and a library that are linked with the driver are
 * recorded, also where the library was loaded for itself only and RTLD_NEXT
 * does not see its driver.
 */
#include "cuda_test.h"

static void recorded(const struct harness *harness, uint32_t pid, uint64_t times)
{
	struct harness_search copies =
	    harness_find(harness, (struct wanted){.pid = pid, .kind = ANAROS_KIND_GPU_COPY_H2D});

	CHECK_EQUAL(
	    harness_count(harness, (struct wanted){.pid = pid, .kind = ANAROS_KIND_GPU_LAUNCH}),
	    times);
	CHECK_EQUAL(copies.count, 2 * times);
	CHECK_EQUAL(copies.bytes, 2 * 4096 * times);
	CHECK_EQUAL(
	    harness_count(harness, (struct wanted){.pid = pid, .kind = ANAROS_KIND_GPU_FREE}),
	    3 * times);
}

int main(void)
{
	struct harness harness = harness_open();
	int (*run)(void);
	void *library;
	pid_t pid;

	setenv("ANAROS_SIM_SPEED", "0", 1);
	pid = fork();
	if (pid == 0) {
		execl(SIM "direct", "direct", (char *)NULL);
		_exit(SKIP);
	}
	CHECK_EQUAL(harness_wait(pid), 0);
	recorded(&harness, (uint32_t)pid, 1);

	library = dlopen(SIM "direct.so", RTLD_NOW | RTLD_LOCAL);
	CHECK(library != NULL);
	*(void **)&run = dlsym(library, "direct_run");
	OK(run());
	recorded(&harness, (uint32_t)getpid(), 1);
	OK(run());
	recorded(&harness, (uint32_t)getpid(), 2);
	return 0;
}
