// SPDX-License-Identifier: Apache-2.0
/* What a capture allows, what spoils it, and what it makes. */
#include <pthread.h>

#include "check.h"

static void *module, *noop, *one, *two, *blocking, *event, *other;
static uint64_t memory;

static void begin(void *stream, int mode)
{
	OK(cuStreamBeginCapture_v2(stream, mode));
}

static void *end(void *stream)
{
	void *graph;

	OK(cuStreamEndCapture(stream, &graph));
	CHECK(graph != NULL);
	return graph;
}

static void spoiled(void *stream, int code)
{
	void *graph = (void *)1;

	EQUAL(cuStreamEndCapture(stream, &graph), code);
	CHECK(graph == NULL);
}

static size_t nodes_of(void *graph)
{
	size_t count;

	OK(cuGraphGetNodes(graph, NULL, &count));
	return count;
}

static void what_is_allowed(void)
{
	void *graph, *extra;
	size_t unused, count;
	int status, type;
	uint64_t id;
	void **depends;

	begin(one, 0);
	check_launch(noop, one, NULL);
	OK(cuMemsetD8Async(memory, 1, 16, one));
	/* Facts may be asked for, and other things be made. */
	OK(cuMemGetInfo_v2(&unused, NULL));
	OK(cuPointerGetAttribute(&type, 2, memory));
	OK(cuEventCreate(&extra, 2));
	OK(cuEventDestroy_v2(extra));
	OK(cuStreamCreate(&extra, 1));
	OK(cuStreamDestroy_v2(extra));
	check_launch(noop, two, NULL);
	OK(cuStreamGetCaptureInfo_v2(one, &status, &id, &graph, &depends, &count));
	EQUAL(status, 1);
	EQUAL(count, 1);
	EQUAL(nodes_of(graph), 2);
	graph = end(one);
	EQUAL(nodes_of(graph), 2);
	OK(cuGraphDestroy(graph));
	OK(cuStreamSynchronize(two));
}

static void forks_and_joins(void)
{
	void *from[8], *to[8], *graph;
	size_t count = 8;

	begin(one, 0);
	check_launch(noop, one, NULL);
	OK(cuEventRecord(event, one));
	OK(cuStreamWaitEvent(two, event, 0));
	check_launch(noop, two, NULL);
	check_launch(noop, one, NULL);
	OK(cuEventRecord(event, two));
	OK(cuStreamWaitEvent(one, event, 0));
	check_launch(noop, one, NULL);
	graph = end(one);
	EQUAL(nodes_of(graph), 4);
	OK(cuGraphGetEdges(graph, from, to, &count));
	EQUAL(count, 4); /* a diamond */
	OK(cuGraphDestroy(graph));

	begin(one, 0);
	OK(cuEventRecord(event, one));
	OK(cuStreamWaitEvent(two, event, 0));
	check_launch(noop, two, NULL);
	EQUAL(cuStreamEndCapture(two, &graph), 903);
	spoiled(one, 904);
	OK(cuStreamQuery(two)); /* it is an ordinary stream again */
}

static void what_spoils(void)
{
	uint64_t address;
	void *graph;

	begin(one, 0);
	EQUAL(cuStreamSynchronize(one), 900);
	EQUAL(cuLaunchKernel(noop, 1, 1, 1, 1, 1, 1, 0, one, NULL, NULL), 901);
	spoiled(one, 901);
	begin(one, 0);
	EQUAL(cuMemAlloc_v2(&address, 16), 900);
	spoiled(one, 901);
	begin(one, 0);
	EQUAL(cuEventQuery(other), 900);
	spoiled(one, 901);
	begin(one, 0);
	EQUAL(cuCtxSynchronize(), 900);
	spoiled(one, 901);
	begin(one, 0);
	OK(cuEventRecord(event, one));
	EQUAL(cuEventSynchronize(event), 907);
	spoiled(one, 901);
	/* What went on before cannot be waited for. */
	OK(cuEventRecord(other, two));
	begin(one, 0);
	EQUAL(cuStreamWaitEvent(one, other, 0), 905);
	spoiled(one, 901);
	/* Two captures are not one. */
	begin(one, 0);
	begin(two, 0);
	OK(cuEventRecord(event, one));
	EQUAL(cuStreamWaitEvent(two, event, 0), 902);
	spoiled(one, 901);
	spoiled(two, 901);
	/* The legacy stream would wait for a blocking one. */
	begin(blocking, 0);
	EQUAL(cuLaunchKernel(noop, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), 906);
	spoiled(blocking, 901);
	EQUAL(cuStreamBeginCapture_v2(NULL, 0), 900);
	EQUAL(cuStreamEndCapture(one, &graph), 401);
}

static void modes(void)
{
	uint64_t address;
	int mode = 2;

	begin(one, 2);
	OK(cuMemAlloc_v2(&address, 16));
	OK(cuGraphDestroy(end(one)));
	OK(cuMemFree_v2(address));
	begin(one, 0);
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	EQUAL(mode, 0);
	OK(cuEventQuery(other));
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	EQUAL(mode, 2);
	OK(cuGraphDestroy(end(one)));
}

static int elsewhere_result;
static void *elsewhere_graph;

static void *query_elsewhere(void *unused)
{
	(void)unused;
	elsewhere_result = cuEventQuery(other);
	return NULL;
}

static void *end_elsewhere(void *unused)
{
	(void)unused;
	elsewhere_result = cuStreamEndCapture(one, &elsewhere_graph);
	return NULL;
}

static void elsewhere(void *(*act)(void *))
{
	pthread_t thread;

	EQUAL(pthread_create(&thread, NULL, act, NULL), 0);
	pthread_join(thread, NULL);
}

static void other_threads(void)
{
	begin(one, 0);
	elsewhere(query_elsewhere);
	EQUAL(elsewhere_result, 900);
	spoiled(one, 901);
	begin(one, 1);
	elsewhere(query_elsewhere);
	EQUAL(elsewhere_result, 0);
	elsewhere(end_elsewhere);
	EQUAL(elsewhere_result, 908);
	OK(cuGraphDestroy(end(one)));
	begin(one, 2);
	elsewhere(end_elsewhere);
	EQUAL(elsewhere_result, 0);
	OK(cuGraphDestroy(elsewhere_graph));
}

/* Into a graph that is there; and dependencies that the caller sets. */
static void by_hand(void)
{
	void *graph, *node, *exec, *from[8], *to[8];
	struct sim_fill_params fill = {memory, 0, 5, 1, 16, 1, NULL};
	size_t count = 8;

	OK(cuGraphCreate(&graph, 0));
	OK(cuGraphAddMemsetNode(&node, graph, NULL, 0, &fill, NULL));
	OK(cuStreamBeginCaptureToGraph(one, graph, &node, NULL, 1, 0));
	check_launch(noop, one, NULL);
	OK(cuStreamUpdateCaptureDependencies(one, &node, 1, 1));
	check_launch(noop, one, NULL);
	CHECK(end(one) == graph);
	OK(cuGraphGetEdges(graph, from, to, &count));
	EQUAL(count, 2);
	CHECK(from[0] == node && from[1] == node);
	OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
	OK(cuGraphLaunch(exec, one));
	OK(cuStreamSynchronize(one));
	EQUAL(check_byte(memory + 15), 5);
	OK(cuGraphExecDestroy(exec));
	OK(cuGraphDestroy(graph));
}

static void counts_are_apart(void)
{
	uint64_t kernels = anaros_sim_total("work", "kernels");
	uint64_t captured = anaros_sim_total("captured", "kernels");
	uint64_t replayed = anaros_sim_total("replayed", "kernels");
	void *graph, *exec;

	begin(one, 0);
	check_launch(noop, one, NULL);
	check_launch(noop, one, NULL);
	graph = end(one);
	OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
	for (int i = 0; i < 3; i++)
		OK(cuGraphLaunch(exec, one));
	OK(cuStreamSynchronize(one));
	EQUAL(anaros_sim_total("work", "kernels"), kernels);
	EQUAL(anaros_sim_total("captured", "kernels"), captured + 2);
	EQUAL(anaros_sim_total("replayed", "kernels"), replayed + 6);
	OK(cuGraphExecDestroy(exec));
	OK(cuGraphDestroy(graph));
}

static void memory_in_a_capture(void)
{
	void *graph, *exec;
	uint64_t address;

	begin(one, 0);
	OK(cuMemAllocAsync(&address, 4096, one));
	OK(cuMemsetD8Async(address, 9, 4096, one));
	OK(cuMemcpyDtoDAsync_v2(memory, address, 16, one));
	OK(cuMemFreeAsync(address, one));
	graph = end(one);
	EQUAL(nodes_of(graph), 4);
	OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
	OK(cuGraphDestroy(graph));
	OK(cuGraphLaunch(exec, one));
	OK(cuStreamSynchronize(one));
	EQUAL(check_byte(memory), 9);
	OK(cuGraphExecDestroy(exec));
}

int main(void)
{
	module = check_start();
	noop = check_kernel(module, "noop");
	OK(cuMemAlloc_v2(&memory, 4096));
	OK(cuStreamCreate(&one, 1));
	OK(cuStreamCreate(&two, 1));
	OK(cuStreamCreate(&blocking, 0));
	OK(cuEventCreate(&event, 2));
	OK(cuEventCreate(&other, 2));
	what_is_allowed();
	forks_and_joins();
	what_spoils();
	modes();
	other_threads();
	by_hand();
	counts_are_apart();
	memory_in_a_capture();
	OK(cuEventDestroy_v2(event));
	OK(cuEventDestroy_v2(other));
	OK(cuMemFree_v2(memory));
	return 0;
}
