// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a launch of a graph tells how many nodes it runs and how many
 * of them are kernels, however the graph was put together; the sum is what
 * the driver itself has run. What cannot be told is not.
 */
#include "cuda_test.h"

#include "cuda_sim/layouts.h"

static struct harness harness;
static void *driver, *kernel, *stream, *other, *event;
static uint64_t device;
static char host[64];

/* The driver's CUgraphNodeType. */
enum { NODE_KERNEL = 0, NODE_GRAPH = 4 };

static uint64_t replayed(const char *what)
{
	return ((uint64_t(*)(const char *, const char *))cuda_symbol(driver, "anaros_sim_total"))(
	    "replayed", what);
}

static uint64_t replayed_all(void)
{
	return replayed("kernels") + replayed("copies") + replayed("fills") +
	       replayed("host_calls") + replayed("signals");
}

struct sums {
	uint64_t launches, nodes, kernels;
};

static void see(const struct anaros_record *record, void *context)
{
	struct sums *sums = context;

	if (record->kind != ANAROS_KIND_GPU_GRAPH)
		return;
	sums->launches += (record->flags & ANAROS_FLAG_CAPTURE) == 0;
	sums->nodes += record->size_bytes;
	sums->kernels += record->context;
}

static struct sums told(void)
{
	struct sums sums = {0};

	harness_each(&harness, see, &sums);
	return sums;
}

static void launch(void *where)
{
	OK(((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0, where,
							      NULL, NULL));
}

static void nothing(void *argument)
{
	(void)argument;
}

static void *instantiate(void *graph)
{
	void *executable;

	OK(CUDA(driver, cuGraphInstantiateWithFlags, void **, void *,
		unsigned long long)(&executable, graph, 0));
	return executable;
}

static void run(void *executable, void *where)
{
	OK(CUDA(driver, cuGraphLaunch, void *, void *)(executable, where));
}

/* Runs it: the record says what the driver did. */
static void check_run(void *executable, uint64_t nodes, uint64_t kernels)
{
	struct sums before = told(), after;
	uint64_t ran = replayed_all(), ran_kernels = replayed("kernels");

	run(executable, stream);
	OK(CUDA(driver, cuCtxSynchronize, void)());
	after = told();
	CHECK_EQUAL(after.launches - before.launches, 1);
	CHECK_EQUAL(after.nodes - before.nodes, nodes);
	CHECK_EQUAL(after.kernels - before.kernels, kernels);
	CHECK_EQUAL(replayed_all() - ran, nodes);
	CHECK_EQUAL(replayed("kernels") - ran_kernels, kernels);
}

/* Runs it: nothing is said of what it holds. */
static void check_unknown(void *executable)
{
	struct sums before = told(), after;

	run(executable, stream);
	after = told();
	CHECK_EQUAL(after.launches - before.launches, 1);
	CHECK_EQUAL(after.nodes - before.nodes, 0);
}

static void begin(void)
{
	OK(CUDA(driver, cuStreamBeginCapture_v2, void *, int)(stream, 0));
}

static void *end(void)
{
	void *graph;

	OK(CUDA(driver, cuStreamEndCapture, void *, void **)(stream, &graph));
	return graph;
}

/* Two streams, a copy, a fill, a host function: five nodes, two of them kernels. */
static void *captured(void)
{
	begin();
	launch(stream);
	OK(CUDA(driver, cuEventRecord, void *, void *)(event, stream));
	OK(CUDA(driver, cuStreamWaitEvent, void *, void *, unsigned int)(other, event, 0));
	launch(other);
	OK(CUDA(driver, cuMemcpyHtoDAsync_v2, uint64_t, const void *, size_t,
		void *)(device, host, sizeof(host), other));
	OK(CUDA(driver, cuMemsetD8Async, uint64_t, unsigned char, size_t, void *)(device, 1, 16,
										  stream));
	OK(CUDA(driver, cuLaunchHostFunc, void *, void (*)(void *), void *)(stream, nothing, NULL));
	OK(CUDA(driver, cuEventRecord, void *, void *)(event, other));
	OK(CUDA(driver, cuStreamWaitEvent, void *, void *, unsigned int)(stream, event, 0));
	return end();
}

static struct sim_kernel_params kernel_params(void)
{
	return (struct sim_kernel_params){
	    .function = kernel, .grid = {1, 1, 1}, .block = {1, 1, 1}};
}

static void *add_kernel(void *graph)
{
	struct sim_kernel_params params = kernel_params();
	void *node;

	OK(CUDA(driver, cuGraphAddKernelNode_v2, void **, void *, void **, size_t,
		const void *)(&node, graph, NULL, 0, &params));
	return node;
}

static void *create(void)
{
	void *graph;

	OK(CUDA(driver, cuGraphCreate, void **, unsigned int)(&graph, 0));
	return graph;
}

/* Node by node, with a graph in a node: 3 + what is inside. */
static void *built(void *inside)
{
	struct sim_host_params call = {.call = nothing};
	struct sim_node_params any = {.type = NODE_KERNEL, .kernel = kernel_params()};
	void *graph = create(), *node;

	add_kernel(graph);
	OK(CUDA(driver, cuGraphAddHostNode, void **, void *, void **, size_t,
		const void *)(&node, graph, NULL, 0, &call));
	OK(CUDA(driver, cuGraphAddNode_v2, void **, void *, void **, const void *, size_t,
		void *)(&node, graph, NULL, NULL, 0, &any));
	OK(CUDA(driver, cuGraphAddEmptyNode, void **, void *, void **, size_t)(&node, graph, NULL,
									       0));
	any = (struct sim_node_params){.type = NODE_GRAPH, .child = {.graph = inside}};
	OK(CUDA(driver, cuGraphAddNode, void **, void *, void **, size_t, void *)(&node, graph,
										  NULL, 0, &any));
	return graph;
}

static void check_changes(void *graph)
{
	void *clone, *node, *executable, *updated = instantiate(graph);
	struct {
		int result;
		void *nodes[2];
	} out;

	OK(CUDA(driver, cuGraphClone, void **, void *)(&clone, graph));
	OK(CUDA(driver, cuGraphExecUpdate_v2, void *, void *, void *)(updated, clone, &out));
	check_run(updated, 5, 2);
	node = add_kernel(clone);
	executable = instantiate(clone);
	check_run(executable, 6, 3);
	OK(CUDA(driver, cuGraphNodeSetEnabled, void *, void *, unsigned int)(executable, node, 0));
	check_unknown(executable);
	OK(CUDA(driver, cuGraphDestroyNode, void *)(node));
	check_unknown(instantiate(clone));
	/* What was made ready before knows what it holds. */
	check_run(updated, 5, 2);
	OK(CUDA(driver, cuGraphDestroy, void *)(clone));
	OK(CUDA(driver, cuGraphExecDestroy, void *)(executable));
}

/* A capture that goes on in a graph, and one that a graph is launched in. */
static void check_nested(void)
{
	void *graph = create(), *inner;

	add_kernel(graph);
	OK(CUDA(driver, cuStreamBeginCaptureToGraph, void *, void *, void **, void *, size_t,
		int)(stream, graph, NULL, NULL, 0, 0));
	launch(stream);
	CHECK(end() == graph);
	inner = instantiate(graph);
	check_run(inner, 2, 2);
	begin();
	launch(stream);
	run(inner, stream);
	graph = end();
	check_run(instantiate(graph), 3, 3);
	OK(CUDA(driver, cuGraphDestroy, void *)(graph));
	/* A new one in its place starts from nothing. */
	begin();
	check_run(instantiate(end()), 0, 0);
}

struct names {
	uint64_t object;
	unsigned int count;
};

static void see_name(const struct anaros_record *record, void *context)
{
	static const char text[] = "graph: 2 kernels, 1 copy, 1 fill, 1 other";
	struct names *names = context;

	if (record->kind == ANAROS_KIND_META_NAME && record->object == names->object &&
	    record->size_bytes == strlen(text) && memcmp(record + 1, text, strlen(text)) == 0)
		names->count++;
}

int main(void)
{
	struct names names = {0};
	void *graph, *executable;

	harness = harness_open();
	driver = cuda_open();
	cuda_start(driver);
	kernel = cuda_kernel(driver, "noop");
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&stream, 1));
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&other, 1));
	OK(CUDA(driver, cuEventCreate, void **, unsigned int)(&event, 0));
	OK(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&device, 64));

	graph = captured();
	executable = instantiate(graph);
	CHECK_EQUAL(harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_INSTANTIATE,
							   .object = (uintptr_t)executable})
			.bytes,
		    5);
	names.object = (uintptr_t)executable;
	harness_each(&harness, see_name, &names);
	CHECK_EQUAL(names.count, 1);
	for (int i = 0; i < 10; i++)
		check_run(executable, 5, 2);
	check_run(instantiate(built(graph)), 8, 4);
	check_changes(graph);
	check_nested();
	return 0;
}
