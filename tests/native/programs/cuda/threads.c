// SPDX-License-Identifier: Apache-2.0
/*
 * Description: threads that resolve and launch at the same time lose no
 * record and get no function that was not ready.
 */
#include "cuda_test.h"

#include <pthread.h>

#define THREADS  8
#define LAUNCHES 2000

static void *driver, *context, *kernel;
static pthread_barrier_t barrier;

static void *work(void *unused)
{
	cu_resolver resolve;
	void *launch, *stream;

	pthread_barrier_wait(&barrier);
	resolve = (cu_resolver)cuda_symbol(driver, "cuGetProcAddress");
	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&stream, 1));
	OK(resolve("cuLaunchKernel", &launch, 12000, 0));
	CHECK(lies_in(launch, "libanaros"));
	for (int i = 0; i < LAUNCHES; i++)
		OK(((cu_launch)launch)(kernel, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
	OK(CUDA(driver, cuStreamSynchronize, void *)(stream));
	return unused;
}

int main(void)
{
	struct harness harness = harness_open();
	pthread_t threads[THREADS];

	driver = cuda_open();
	OK(CUDA(driver, cuInit, unsigned int)(0));
	OK(CUDA(driver, cuDevicePrimaryCtxRetain, void **, int)(&context, 0));
	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	kernel = cuda_kernel(driver, "noop");
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, work, NULL));
	for (int i = 0; i < THREADS; i++)
		OK(pthread_join(threads[i], NULL));
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_LAUNCH), THREADS * LAUNCHES);
	CHECK_EQUAL(sim_calls(driver, "cuLaunchKernel"), THREADS * LAUNCHES);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
