// SPDX-License-Identifier: Apache-2.0
/*
 * Description: with a second interposer that uses RTLD_NEXT, before or behind
 * the shim, every launch passes through both once, and none recurses.
 */
#include "cuda_test.h"

#define LAUNCHES 5

/* In the child: calls by name (as a linked library does) and by handle. */
static int child(void)
{
	void *library = dlopen(SIM "direct.so", RTLD_NOW | RTLD_GLOBAL);
	void *foreign = dlopen(SIM "foreign.so", RTLD_NOW | RTLD_NOLOAD);
	void *driver = dlopen(SIM_DRIVER, RTLD_NOW | RTLD_NOLOAD);
	struct harness harness;
	int (*run)(void);
	int *passed;
	void *kernel;

	CHECK(library != NULL && foreign != NULL && driver != NULL);
	passed = dlsym(foreign, "foreign_launches");
	*(void **)&run = dlsym(library, "direct_run");
	for (int i = 0; i < LAUNCHES; i++)
		OK(run());
	CHECK_EQUAL(*passed, LAUNCHES);
	CHECK_EQUAL(sim_calls(driver, "cuLaunchKernel"), LAUNCHES);
	/* The handle is the driver's: the foreign one has no part in it. */
	kernel = cuda_kernel(driver, "noop");
	OK(((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0, NULL,
							      NULL, NULL));
	CHECK_EQUAL(*passed, LAUNCHES);
	CHECK_EQUAL(sim_calls(driver, "cuLaunchKernel"), LAUNCHES + 1);
	if (getenv("ANAROS_TEST_ARENA_FIRST") != NULL) {
		harness = harness_open();
		CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH), LAUNCHES + 1);
	}
	return 0;
}

static void run_with(const char *self, const char *preload)
{
	pid_t pid = fork();

	if (pid == 0) {
		setenv("LD_PRELOAD", preload, 1);
		execl(self, self, "child", (char *)NULL);
		_exit(SKIP);
	}
	CHECK_EQUAL(harness_wait(pid), 0);
}

int main(int argc, char **argv)
{
	const char *shim = getenv("LD_PRELOAD");
	char folder[256], preload[1024];

	if (argc > 1)
		return child();
	if (shim == NULL)
		harness_skip("runs under the shim only");
	setenv("ANAROS_SIM_SPEED", "0", 1);
	CHECK(getcwd(folder, sizeof(folder)) != NULL);
	setenv("ANAROS_TEST_ARENA_FIRST", "1", 1);
	snprintf(preload, sizeof(preload), "%s:%s/" SIM "foreign.so", shim, folder);
	run_with(argv[0], preload);
	unsetenv("ANAROS_TEST_ARENA_FIRST");
	snprintf(preload, sizeof(preload), "%s/" SIM "foreign.so:%s", folder, shim);
	run_with(argv[0], preload);
	return 0;
}
