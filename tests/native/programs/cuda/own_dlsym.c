// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that has a runtime of its own inside, and a dlsym of
 * its own before all others, is recorded: the driver is found as libcuda.so.1
 * or libcuda.so by the library path, or it is missing and that is all.
 */
#include "cuda_test.h"

/* Static, as nvcc links it: no name of the runtime is seen from outside. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "cudart/runtime.c"

static int lookups;

__attribute__((visibility("default"))) void *dlsym(void *handle, const char *name)
{
	static const char *const libc_versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"};
	static void *(*real)(void *, const char *);

	for (int i = 0; real == NULL && i < 3; i++)
		*(void **)&real = dlvsym(RTLD_NEXT, "dlsym", libc_versions[i]);
	lookups++;
	return real(handle, name);
}

static int use_it(struct harness *harness)
{
	struct runtime_dim3 grid = {1, 1, 1}, block = {32, 1, 1};
	static const char function[] = "noop";
	void *memory, *unused = dlopen("libcuda.so.1", RTLD_NOW);

	if (unused == NULL && getenv("ANAROS_TEST_DRIVER") == NULL)
		return SKIP;
	__cudaRegisterFunction(NULL, function, NULL, "noop", -1, NULL, NULL, NULL, NULL, NULL);
	OK(cudaMalloc(&memory, 4096));
	for (int i = 0; i < 3; i++)
		OK(cudaLaunchKernel(function, grid, block, NULL, 0, NULL));
	CHECK(lookups > 0);
	CHECK_EQUAL(cuda_records(harness, ANAROS_KIND_GPU_ALLOC), 1);
	CHECK_EQUAL(cuda_records(harness, ANAROS_KIND_GPU_LAUNCH), 3);
	CHECK_EQUAL(harness->shared->unhooked, 0);
	return 0;
}

/* The loader's message is that of a program without the shim. */
static int without_driver(struct harness *harness)
{
	void *memory;
	const char *message;

	CHECK(dlopen("libcuda.so.1", RTLD_NOW) == NULL);
	message = dlerror();
	CHECK(message != NULL && strstr(message, "libcuda.so.1: cannot open") != NULL);
	CHECK_EQUAL(cudaMalloc(&memory, 4096), 35);
	CHECK_EQUAL(cuda_records(harness, ANAROS_KIND_GPU_ALLOC), 0);
	CHECK_EQUAL(harness->shared->unhooked, 0);
	return 0;
}

static void run(char *self, const char *what, const char *path, const char *driver)
{
	pid_t pid = fork();

	if (pid == 0) {
		setenv("LD_LIBRARY_PATH", path, 1);
		if (driver != NULL)
			setenv("ANAROS_TEST_DRIVER", driver, 1);
		execl(self, self, what, (char *)NULL);
		_exit(SKIP);
	}
	CHECK_EQUAL(harness_wait(pid), 0);
}

int main(int argc, char **argv)
{
	struct harness harness = harness_open();
	char folder[] = "/tmp/anaros-compat-XXXXXX", here[256], from[512], to[512];

	setenv("ANAROS_SIM_SPEED", "0", 1);
	if (argc > 1)
		return strcmp(argv[1], "use") == 0 ? use_it(&harness) : without_driver(&harness);
	CHECK(getcwd(here, sizeof(here)) != NULL && mkdtemp(folder) != NULL);
	snprintf(from, sizeof(from), "%s/" SIM_DRIVER, here);
	run(argv[0], "none", folder, NULL);
	/* A compat folder, and a folder of stubs that has only the other name. */
	snprintf(to, sizeof(to), "%s/libcuda.so.1", folder);
	CHECK_EQUAL(symlink(from, to), 0);
	run(argv[0], "use", folder, NULL);
	unlink(to);
	snprintf(to, sizeof(to), "%s/libcuda.so", folder);
	CHECK_EQUAL(symlink(from, to), 0);
	run(argv[0], "use", folder, "libcuda.so");
	unlink(to);
	rmdir(folder);
	return 0;
}
