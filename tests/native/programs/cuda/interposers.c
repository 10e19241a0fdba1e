// SPDX-License-Identifier: Apache-2.0
/*
 * Description: an interposer that wraps dlsym, the resolver and a launch,
 * before or behind the shim: each call passes through both once, by whatever
 * way the program got the function, and none recurses. So it is in a child that
 * was forked after the driver was initialised, which the driver refuses.
 */
#include "cuda_test.h"

#define LAUNCHES        5
#define NOT_INITIALIZED 3

static struct harness harness;
static void *driver, *kernel;
static int *passed;

static uint64_t entered(void)
{
	return sim_calls(driver, "cuLaunchKernel") + sim_calls(driver, "cuLaunchKernel_ptsz");
}

static void launches(void *function)
{
	uint64_t records = cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH), calls = entered();
	int before = *passed;

	for (int i = 0; i < LAUNCHES; i++)
		OK(((cu_launch)function)(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	CHECK_EQUAL(entered() - calls, LAUNCHES);
	CHECK_EQUAL(*passed - before, LAUNCHES);
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH) - records, LAUNCHES);
}

static void *ask(cu_resolver_v2 resolver, const char *name, int version, uint64_t flags)
{
	void *function = NULL;
	int status = -1;

	OK(resolver(name, &function, version, flags, &status));
	CHECK_EQUAL(status, 0);
	return function;
}

/* In which order the program finds out about its functions. */
static void handle_first(void)
{
	cu_resolver_v2 resolver;

	launches(dlsym(driver, "cuLaunchKernel"));
	resolver = (cu_resolver_v2)dlsym(driver, "cuGetProcAddress_v2");
	launches(ask(resolver, "cuLaunchKernel", 4000, DEFAULT_STREAM));
	launches(ask(resolver, "cuLaunchKernel", 7000, PER_THREAD_STREAM));
}

static void resolver_first(void)
{
	cu_resolver first = (cu_resolver)dlsym(driver, "cuGetProcAddress");
	cu_resolver_v2 second = (cu_resolver_v2)dlsym(driver, "cuGetProcAddress_v2");
	void *function = NULL;

	second = (cu_resolver_v2)ask(second, "cuGetProcAddress", 12000, DEFAULT_STREAM);
	launches(ask(second, "cuLaunchKernel", 7000, PER_THREAD_STREAM));
	launches(ask(second, "cuLaunchKernel", 4000, DEFAULT_STREAM));
	OK(first("cuLaunchKernel", &function, 4000, DEFAULT_STREAM));
	launches(function);
	launches(dlsym(driver, "cuLaunchKernel"));
}

/* A library that is linked with the driver calls it by name. */
static void by_name(void)
{
	void *library = dlopen(SIM "direct.so", RTLD_NOW | RTLD_GLOBAL);
	uint64_t records = cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH);
	int (*run)(void), before = *passed;

	CHECK(library != NULL);
	*(void **)&run = dlsym(library, "direct_run");
	OK(run());
	CHECK_EQUAL(*passed - before, 1);
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH) - records, 1);
	launches(dlsym(RTLD_DEFAULT, "cuLaunchKernel"));
}

/* What the parent has asked for, and what nobody has. */
static int in_fork(cu_launch known)
{
	cu_launch launch[] = {known, (cu_launch)dlsym(driver, "cuLaunchKernel"), NULL};
	cu_resolver_v2 resolver = (cu_resolver_v2)dlsym(driver, "cuGetProcAddress_v2");
	uint64_t pointer = 0;

	alarm(120);
	launch[2] = (cu_launch)ask(resolver, "cuLaunchKernel", 7000, PER_THREAD_STREAM);
	for (int i = 0; i < 3; i++) {
		int before = *passed;

		CHECK_EQUAL(launch[i](kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL),
			    NOT_INITIALIZED);
		CHECK_EQUAL(*passed - before, 1);
	}
	CHECK_EQUAL(
	    CUDA(driver, cuMemAllocManaged, uint64_t *, size_t, unsigned int)(&pointer, 64, 1),
	    NOT_INITIALIZED);
	return 0;
}

static void forks(void)
{
	cu_launch launch = (cu_launch)dlsym(driver, "cuLaunchKernel");
	uint64_t records = cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH);
	struct wanted wanted = {.kind = ANAROS_KIND_GPU_LAUNCH};
	pid_t pid = fork();

	if (pid == 0)
		_exit(in_fork(launch));
	CHECK_EQUAL(harness_wait(pid), 0);
	wanted.pid = (uint32_t)pid;
	CHECK_EQUAL(harness_count(&harness, wanted), 3);
	wanted.kind = ANAROS_KIND_GPU_ALLOC;
	CHECK_EQUAL(harness_count(&harness, wanted), 1);
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH), records);
	launches((void *)(uintptr_t)launch);
}

static int child(const char *what)
{
	void *foreign = dlopen(SIM "foreign_resolver.so", RTLD_NOW | RTLD_NOLOAD);

	harness = harness_open();
	driver = cuda_open();
	CHECK(foreign != NULL);
	passed = dlsym(foreign, "foreign_launches");
	cuda_start(driver);
	kernel = cuda_kernel(driver, "noop");
	if (strcmp(what, "handle") == 0)
		handle_first();
	else
		resolver_first();
	by_name();
	forks();
	CHECK(*(int *)dlsym(foreign, "foreign_lookups") > 0);
	CHECK(*(int *)dlsym(foreign, "foreign_requests") > 0);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	return 0;
}

static void run_with(const char *self, const char *what, const char *preload)
{
	pid_t pid = fork();

	if (pid == 0) {
		setenv("LD_PRELOAD", preload, 1);
		execl(self, self, what, (char *)NULL);
		_exit(SKIP);
	}
	CHECK_EQUAL(harness_wait(pid), 0);
}

int main(int argc, char **argv)
{
	static const char *const whats[] = {"handle", "resolver"};
	const char *shim = getenv("LD_PRELOAD");
	char folder[256], preload[1024];

	if (argc > 1)
		return child(argv[1]);
	if (shim == NULL)
		harness_skip("runs under the shim only");
	CHECK(getcwd(folder, sizeof(folder)) != NULL);
	for (int i = 0; i < 2; i++) {
		snprintf(preload, sizeof(preload), "%s:%s/" SIM "foreign_resolver.so", shim,
			 folder);
		run_with(argv[0], whats[i], preload);
		snprintf(preload, sizeof(preload), "%s/" SIM "foreign_resolver.so:%s", folder,
			 shim);
		run_with(argv[0], whats[i], preload);
	}
	return 0;
}
