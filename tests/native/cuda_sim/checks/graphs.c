// SPDX-License-Identifier: Apache-2.0
/* Graphs made node by node: order, copies, changes, and what they hold. */
#include "check.h"

static void *module, *stream;
static float *host;
static uint64_t x, y;
static int calls, gone;

static void called(void *argument)
{
	calls += *(int *)argument;
}

static void destroyed(void *argument)
{
	(void)argument;
	gone++;
}

static void launch(void *exec)
{
	OK(cuGraphLaunch(exec, stream));
	OK(cuStreamSynchronize(stream));
}

static float first_of(uint64_t address)
{
	float value;

	OK(cuMemcpyDtoH_v2(&value, address, sizeof(value)));
	return value;
}

static struct sim_fill_params filled_with(float value)
{
	struct sim_fill_params params = {x, 0, 0, 4, 32, 1, NULL};

	memcpy(&params.value, &value, sizeof(value));
	return params;
}

/* y += 2 x, after x was filled, before y goes to the host. */
static void *make(void **nodes, float value)
{
	struct sim_fill_params fill = filled_with(value);
	struct sim_copy_3d copy = {.src_type = 2,
				   .src_device = y,
				   .dst_type = 1,
				   .dst_host = host,
				   .width = 4,
				   .height = 1,
				   .depth = 1};
	static int weight = 3;
	struct sim_host_params call = {called, &weight, 0, NULL};
	uint32_t count = 32;
	float factor = 2;
	void *params[] = {&factor, &x, &y, &count}, *graph;
	struct sim_kernel_params kernel = {
	    check_kernel(module, "saxpy"), {1, 1, 1}, {32, 1, 1}, 0, params, NULL, NULL, NULL};

	OK(cuGraphCreate(&graph, 0));
	/* Made back to front: the edges say what comes first. */
	OK(cuGraphAddMemcpyNode(&nodes[2], graph, NULL, 0, &copy, NULL));
	OK(cuGraphAddKernelNode_v2(&nodes[1], graph, NULL, 0, &kernel));
	OK(cuGraphAddMemsetNode(&nodes[0], graph, NULL, 0, &fill, NULL));
	OK(cuGraphAddHostNode(&nodes[3], graph, &nodes[2], 1, &call));
	OK(cuGraphAddDependencies(graph, &nodes[0], &nodes[1], 2));
	return graph;
}

static void order_and_changes(void)
{
	struct sim_update_result result;
	struct sim_kernel_params kernel;
	struct sim_fill_params fill = filled_with(100);
	void *nodes[4], *others[4], *graph, *second, *exec;
	int type;

	graph = make(nodes, 5);
	EQUAL(cuGraphAddDependencies(graph, &nodes[2], &nodes[0], 1), 1); /* a circle */
	OK(cuGraphNodeGetType(nodes[1], &type));
	EQUAL(type, 0);
	OK(cuGraphKernelNodeGetParams_v2(nodes[1], &kernel));
	CHECK(kernel.function == check_kernel(module, "saxpy") && kernel.block[0] == 32);
	EQUAL(*(float *)kernel.params[0], 2);
	OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
	launch(exec);
	EQUAL(host[0], 10);
	EQUAL(calls, 3);
	launch(exec);
	EQUAL(host[0], 20);
	/* Of the executable only. */
	OK(cuGraphExecMemsetNodeSetParams(exec, nodes[0], &fill, NULL));
	launch(exec);
	EQUAL(host[0], 220);
	OK(cuGraphNodeSetEnabled(exec, nodes[1], 0));
	launch(exec);
	EQUAL(host[0], 220);
	OK(cuGraphNodeSetEnabled(exec, nodes[1], 1));
	/* All of it at once, by a graph of the same shape. */
	second = make(others, 1);
	OK(cuGraphExecUpdate_v2(exec, second, &result));
	launch(exec);
	EQUAL(host[0], 222);
	OK(cuGraphDestroyNode(others[3]));
	EQUAL(cuGraphExecUpdate_v2(exec, second, &result), 910);
	EQUAL(result.result, 2);
	/* The graph may go, the executable stays. */
	OK(cuGraphDestroy(graph));
	OK(cuGraphDestroy(second));
	launch(exec);
	EQUAL(host[0], 224);
	OK(cuGraphExecDestroy(exec));
}

static void children_events_and_memory(void)
{
	struct sim_alloc_params alloc = {.pool = {.type = 1, .location = {1, 0}}, .bytes = 4096};
	void *nodes[4], *inner, *outer, *copy, *child, *recorded, *exec, *event, *object;
	uint64_t graph_bytes;

	calls = 0;
	inner = make(nodes, 5);
	OK(cuMemsetD32_v2(y, 0, 32));
	OK(cuEventCreate(&event, 0));
	OK(cuGraphCreate(&outer, 0));
	OK(cuGraphAddChildGraphNode(&child, outer, NULL, 0, inner));
	OK(cuGraphAddEventRecordNode(&recorded, outer, &child, 1, event));
	OK(cuGraphAddMemAllocNode(&nodes[0], outer, &recorded, 1, &alloc));
	CHECK(alloc.address != 0);
	OK(cuDeviceGetGraphMemAttribute(0, 0, &graph_bytes));
	EQUAL(graph_bytes, 4096);
	OK(cuUserObjectCreate(&object, NULL, destroyed, 1, 1));
	OK(cuGraphRetainUserObject(outer, object, 1, 1));
	OK(cuGraphClone(&copy, outer));
	OK(cuGraphDestroy(inner));
	OK(cuGraphDestroy(outer));
	EQUAL(gone, 0);
	OK(cuGraphInstantiateWithFlags(&exec, copy, 0));
	OK(cuGraphDestroy(copy));
	launch(exec);
	EQUAL(first_of(y), 10);
	EQUAL(calls, 3);
	OK(cuEventSynchronize(event));
	OK(cuMemsetD32_v2(alloc.address, 1, 8));
	OK(cuGraphExecDestroy(exec));
	EQUAL(gone, 1);
	EQUAL(cuMemsetD32_v2(alloc.address, 1, 8), 1); /* it went with the last copy */
	OK(cuDeviceGetGraphMemAttribute(0, 0, &graph_bytes));
	EQUAL(graph_bytes, 0);
	OK(cuEventDestroy_v2(event));
}

int main(void)
{
	module = check_start();
	OK(cuStreamCreate(&stream, 1));
	OK(cuMemAllocHost_v2((void **)&host, 4096));
	OK(cuMemAlloc_v2(&x, 4096));
	OK(cuMemAlloc_v2(&y, 4096));
	OK(cuMemsetD32_v2(y, 0, 1024));
	order_and_changes();
	children_events_and_memory();
	OK(cuMemFree_v2(x));
	OK(cuMemFree_v2(y));
	OK(cuMemFreeHost(host));
	return 0;
}
