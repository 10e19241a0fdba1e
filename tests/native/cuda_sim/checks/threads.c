// SPDX-License-Identifier: Apache-2.0
/* Many threads at once, each with streams of its own and some in common. */
#include <pthread.h>

#include "check.h"

#define THREADS 6
#define ROUNDS  60

static void *context, *module, *common;
static int calls;

static void count(void *argument)
{
	__atomic_fetch_add((int *)argument, 1, __ATOMIC_RELAXED);
}

static void one_round(void *noop, void *stream, void *event)
{
	void *graph, *exec;
	uint64_t first, second;
	uint8_t host[256];

	OK(cuMemAlloc_v2(&first, 4096));
	OK(cuMemAllocAsync(&second, 4096, stream));
	memset(host, 7, sizeof(host));
	OK(cuMemcpyHtoDAsync_v2(first, host, sizeof(host), stream));
	OK(cuMemcpyDtoDAsync_v2(second, first, sizeof(host), stream));
	check_launch(noop, stream, NULL);
	check_launch(noop, common, NULL);
	OK(cuEventRecord(event, stream));
	OK(cuStreamWaitEvent(common, event, 0));
	OK(cuLaunchHostFunc(stream, count, &calls));
	memset(host, 0, sizeof(host));
	OK(cuMemcpyDtoHAsync_v2(host, second, sizeof(host), stream));
	EQUAL(host[255], 7);
	OK(cuMemFreeAsync(second, stream));
	OK(cuEventSynchronize(event));
	OK(cuStreamBeginCapture_v2(stream, 2));
	check_launch(noop, stream, NULL);
	OK(cuStreamEndCapture(stream, &graph));
	OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
	OK(cuGraphLaunch(exec, stream));
	OK(cuStreamSynchronize(stream));
	OK(cuGraphExecDestroy(exec));
	OK(cuGraphDestroy(graph));
	OK(cuMemFree_v2(first));
}

static void *thread_main(void *unused)
{
	void *stream, *event, *noop;

	(void)unused;
	OK(cuCtxSetCurrent(context));
	noop = check_kernel(module, "noop");
	OK(cuEventCreate(&event, 0));
	for (int i = 0; i < ROUNDS; i++) {
		OK(cuStreamCreate(&stream, i % 2));
		/* What waits for the legacy stream cannot be captured meanwhile. */
		one_round(noop, stream, event);
		OK(cuStreamDestroy_v2(stream));
	}
	OK(cuEventDestroy_v2(event));
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	module = check_start();
	OK(cuDevicePrimaryCtxRetain(&context, 0));
	OK(cuStreamCreate(&common, 1));
	for (int i = 0; i < THREADS; i++)
		EQUAL(pthread_create(&threads[i], NULL, thread_main, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	OK(cuStreamSynchronize(common));
	EQUAL(calls, THREADS * ROUNDS);
	EQUAL(anaros_sim_total("replayed", "kernels"), THREADS * ROUNDS);
	EQUAL(anaros_sim_total("work", "kernels"), 2 * THREADS * ROUNDS);
	return 0;
}
