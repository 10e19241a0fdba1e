// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a child of a program that uses CUDA gets what the driver gives
 * to such a child, records under its own number or not at all, and does not
 * hang, although other threads were inside calls when it was made.
 */
#include "cuda_test.h"

#include <pthread.h>
#include <sched.h>

#define NOT_INITIALIZED 3
#define THREADS         4
#define CHILDREN        20

static struct harness harness;
static void *driver, *context, *kernel;
static int done;

static void *launches(void *count)
{
	cu_launch launch = (cu_launch)cuda_symbol(driver, "cuLaunchKernel");

	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		OK(launch(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
		++*(uint64_t *)count;
		sched_yield();
	}
	return NULL;
}

/* What the child asks for: known functions, one new to it, and the resolver. */
static int in_child(void)
{
	uint64_t pointer = 0;
	void *function = NULL;
	int status = -1;

	alarm(120);
	if (CUDA(driver, cuInit, unsigned int)(0) != NOT_INITIALIZED ||
	    CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 64) != NOT_INITIALIZED ||
	    ((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0, NULL,
							       NULL, NULL) != NOT_INITIALIZED ||
	    CUDA(driver, cuCtxSynchronize, void)() != NOT_INITIALIZED)
		return 1;
	return CUDA(driver, cuGetProcAddress_v2, const char *, void **, int, uint64_t,
		    int *)("cuMemFree", &function, 13000, 0, &status) != 0 ||
	       status != 0 || !lies_in(function, "libanaros");
}

static uint64_t of(pid_t pid, uint16_t kind)
{
	return harness_count(&harness, (struct wanted){.pid = (uint32_t)pid, .kind = kind});
}

static void see(const struct anaros_record *record, void *context)
{
	uint64_t *counts = context;

	if ((uint64_t)record->pid == counts[0] && record->kind == ANAROS_KIND_GPU_LAUNCH)
		counts[record->status == 0 ? 1 : 2]++;
}

static void forks(void)
{
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();
		uint64_t counts[3] = {0, 0, 0};

		if (pid == 0)
			_exit(in_child());
		CHECK_EQUAL(harness_wait(pid), 0);
		counts[0] = (uint64_t)pid;
		harness_each(&harness, see, counts);
		/* Nothing that failed is told as a success. */
		CHECK_EQUAL(counts[1], 0);
		CHECK_EQUAL(counts[2], 1);
		CHECK_EQUAL(of(pid, ANAROS_KIND_GPU_ALLOC), 1);
	}
}

/* Its memory is the parent's until it is another program. */
static void vforks(char *self)
{
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			execl(self, self, "child", (char *)NULL);
			_exit(SKIP);
		}
		CHECK_EQUAL(harness_wait(pid), 0);
		CHECK_EQUAL(of(pid, ANAROS_KIND_GPU_ALLOC), 1);
	}
}

/* After exec all is new: the driver can be used. */
static int after_exec(void)
{
	uint64_t pointer;

	driver = cuda_open();
	cuda_start(driver);
	OK(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 64));
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	uint64_t counts[THREADS] = {0}, all = 0;

	if (argc > 1)
		return after_exec();
	harness = harness_open();
	driver = cuda_open();
	OK(CUDA(driver, cuInit, unsigned int)(0));
	OK(CUDA(driver, cuDevicePrimaryCtxRetain, void **, int)(&context, 0));
	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	kernel = cuda_kernel(driver, "noop");
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, launches, &counts[i]));
	forks();
	vforks(argv[0]);
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++) {
		OK(pthread_join(threads[i], NULL));
		all += counts[i];
	}
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH) + harness_drops(&harness), all);
	CHECK_EQUAL(sim_calls(driver, "cuLaunchKernel"), all);
	return 0;
}
