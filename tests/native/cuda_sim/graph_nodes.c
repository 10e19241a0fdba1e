// SPDX-License-Identifier: Apache-2.0
/* The calls that add nodes to graphs, and get and set what they do. */
#include <stdlib.h>
#include <string.h>

#include "queue.h"

static int add(void **out, struct sim_graph *graph, struct sim_node **depends, size_t count,
	       const struct sim_node_params *params)
{
	struct sim_nodes before = {depends, count};
	struct sim_node *node;
	int result;

	if (out == NULL || !sim_is_graph(graph) || (count != 0 && depends == NULL))
		return SIM_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		if (!sim_is_node(depends[i]) || depends[i]->graph != graph)
			return SIM_INVALID_VALUE;
	node = sim_node_new(graph, params->type, &before);
	result = sim_node_fill(node, params);
	if (result == SIM_OK) {
		*out = node;
		return SIM_OK;
	}
	/* It was the last: taken off again. */
	if (graph->first == node) {
		graph->first = graph->last = NULL;
	} else {
		for (graph->last = graph->first; graph->last->next != node;)
			graph->last = graph->last->next;
		graph->last->next = NULL;
	}
	graph->count--;
	sim_node_set_op(node, NULL);
	sim_nodes_clear(&node->depends);
	free(node);
	return result;
}

static int add_any(void **out, struct sim_graph *graph, struct sim_node **depends, size_t count,
		   struct sim_node_params *params)
{
	struct sim_node *node;
	int result;

	if (params == NULL)
		return SIM_INVALID_VALUE;
	result = add(out, graph, depends, count, params);
	if (result != SIM_OK)
		return result;
	node = *out;
	if (node->type == SIM_NODE_ALLOC)
		params->alloc.address = node->address;
	if (node->type == SIM_NODE_GRAPH)
		params->child.graph = node->child;
	return SIM_OK;
}

static struct sim_node_params for_kernel(const struct sim_kernel_params *kernel, bool old)
{
	struct sim_node_params params = {.type = SIM_NODE_KERNEL};

	memcpy(&params.kernel, kernel,
	       old ? offsetof(struct sim_kernel_params, kernel) : sizeof(*kernel));
	return params;
}

static struct sim_node_params for_copy(const struct sim_copy_3d *copy, void *context)
{
	struct sim_node_params params = {.type = SIM_NODE_COPY};

	params.copy.copy = *copy;
	params.copy.context = context;
	return params;
}

static struct sim_node_params for_fill(const struct sim_fill_params *fill, void *context)
{
	struct sim_node_params params = {.type = SIM_NODE_FILL};

	memcpy(&params.fill, fill, offsetof(struct sim_fill_params, context));
	params.fill.context = context;
	return params;
}

static struct sim_node_params for_host(const struct sim_host_params *host)
{
	struct sim_node_params params = {.type = SIM_NODE_HOST};

	params.host.call = host->call;
	params.host.argument = host->argument;
	return params;
}

static struct sim_node_params for_event(void *event, bool record)
{
	struct sim_node_params params = {.type =
					     record ? SIM_NODE_RECORD_EVENT : SIM_NODE_WAIT_EVENT};

	params.event.event = event;
	return params;
}

static struct sim_node_params for_child(void *graph)
{
	struct sim_node_params params = {.type = SIM_NODE_GRAPH};

	params.child.graph = graph;
	return params;
}

static struct sim_node_params for_batch(const struct sim_batch_params *batch)
{
	struct sim_node_params params = {.type = SIM_NODE_BATCH_MEM_OP};

	params.batch = *batch;
	return params;
}

static int add_alloc(void **out, struct sim_graph *graph, struct sim_node **depends, size_t count,
		     struct sim_alloc_params *alloc)
{
	struct sim_node_params params = {.type = SIM_NODE_ALLOC};
	int result;

	if (alloc == NULL)
		return SIM_INVALID_VALUE;
	params.alloc = *alloc;
	result = add_any(out, graph, depends, count, &params);
	if (result == SIM_OK)
		alloc->address = params.alloc.address;
	return result;
}

/* A node's own facts, by the call for one type of node. */
static int get(struct sim_node *node, enum sim_node_type type, struct sim_node_params *params)
{
	if (!sim_is_node(node) || node->type != type)
		return SIM_INVALID_VALUE;
	return sim_node_read(node, params);
}

static int get_part(struct sim_node *node, enum sim_node_type type, void *out, size_t bytes)
{
	struct sim_node_params params;
	int result = out != NULL ? get(node, type, &params) : SIM_INVALID_VALUE;

	if (result == SIM_OK)
		memcpy(out, type == SIM_NODE_COPY ? (void *)&params.copy.copy : params.bytes,
		       bytes);
	return result;
}

static int get_any(struct sim_node *node, struct sim_node_params *params)
{
	if (!sim_is_node(node) || params == NULL)
		return SIM_INVALID_VALUE;
	return sim_node_read(node, params);
}

static int set(struct sim_node *node, struct sim_node_params params)
{
	if (!sim_is_node(node))
		return SIM_INVALID_VALUE;
	if (node->type == SIM_NODE_COPY && params.copy.context == NULL)
		params.copy.context = node->context;
	return sim_node_fill(node, &params);
}

/* The graph in a node is given as it is, not as a copy. */
static int get_child(struct sim_node *node, void **graph)
{
	if (!sim_is_node(node) || node->type != SIM_NODE_GRAPH || graph == NULL)
		return SIM_INVALID_VALUE;
	*graph = node->child;
	return SIM_OK;
}

static int attribute(struct sim_node *node, int number, void *value, bool write)
{
	if (!sim_is_node(node) || node->type != SIM_NODE_KERNEL || value == NULL || number < 0 ||
	    number >= 20)
		return SIM_INVALID_VALUE;
	memcpy(write ? node->attributes[number] : value, write ? value : node->attributes[number],
	       64);
	return SIM_OK;
}

static int copy_attributes(struct sim_node *to, const struct sim_node *from)
{
	if (!sim_is_node(to) || !sim_is_node(from))
		return SIM_INVALID_VALUE;
	memmove(to->attributes, from->attributes, sizeof(to->attributes));
	return SIM_OK;
}

#define WHERE          void **out, void *graph, struct sim_node **depends, size_t count
#define ADD(params)    add(out, graph, depends, count, &(struct sim_node_params[]){params}[0])
#define V1(type, last) offsetof(struct type, last)

SIM_FN(cuGraphAddKernelNode, (WHERE, const struct sim_kernel_params *kernel),
       ADD(for_kernel(kernel, true)))
SIM_FN(cuGraphAddKernelNode_v2, (WHERE, const struct sim_kernel_params *kernel),
       ADD(for_kernel(kernel, false)))
SIM_FN(cuGraphAddMemcpyNode, (WHERE, const struct sim_copy_3d *copy, void *context),
       ADD(for_copy(copy, context)))
SIM_FN(cuGraphAddMemsetNode, (WHERE, const struct sim_fill_params *fill, void *context),
       ADD(for_fill(fill, context)))
SIM_FN(cuGraphAddHostNode, (WHERE, const struct sim_host_params *host), ADD(for_host(host)))
SIM_FN(cuGraphAddChildGraphNode, (WHERE, void *child), ADD(for_child(child)))
SIM_FN(cuGraphAddEmptyNode, (WHERE), ADD({.type = SIM_NODE_EMPTY}))
SIM_FN(cuGraphAddEventRecordNode, (WHERE, void *event), ADD(for_event(event, true)))
SIM_FN(cuGraphAddEventWaitNode, (WHERE, void *event), ADD(for_event(event, false)))
SIM_FN(cuGraphAddBatchMemOpNode, (WHERE, const struct sim_batch_params *batch),
       ADD(for_batch(batch)))
SIM_FN(cuGraphAddMemAllocNode, (WHERE, struct sim_alloc_params *alloc),
       add_alloc(out, graph, depends, count, alloc))
SIM_FN(cuGraphAddMemFreeNode, (WHERE, uint64_t address),
       add(out, graph, depends, count,
	   &(struct sim_node_params){.type = SIM_NODE_FREE, .free = address}))
SIM_FN(cuGraphAddNode, (WHERE, struct sim_node_params *params),
       add_any(out, graph, depends, count, params))
SIM_FN(cuGraphAddNode_v2,
       (void **out, void *graph, struct sim_node **depends, const void *edges, size_t count,
	struct sim_node_params *params),
       ((void)edges, add_any(out, graph, depends, count, params)))
SIM_FN(cuGraphAddNode_v3,
       (void **out, void *graph, struct sim_node **depends, const void *edges, size_t count,
	struct sim_node_params *params),
       ((void)edges, add_any(out, graph, depends, count, params)))
SIM_FN(cuGraphKernelNodeGetParams, (void *node, void *out),
       get_part(node, SIM_NODE_KERNEL, out, V1(sim_kernel_params, kernel)))
SIM_FN(cuGraphKernelNodeGetParams_v2, (void *node, void *out),
       get_part(node, SIM_NODE_KERNEL, out, sizeof(struct sim_kernel_params)))
SIM_FN(cuGraphMemcpyNodeGetParams, (void *node, void *out),
       get_part(node, SIM_NODE_COPY, out, sizeof(struct sim_copy_3d)))
SIM_FN(cuGraphMemsetNodeGetParams, (void *node, void *out),
       get_part(node, SIM_NODE_FILL, out, V1(sim_fill_params, context)))
SIM_FN(cuGraphHostNodeGetParams, (void *node, void *out),
       get_part(node, SIM_NODE_HOST, out, V1(sim_host_params, sync_mode)))
SIM_FN(cuGraphEventRecordNodeGetEvent, (void *node, void *out),
       get_part(node, SIM_NODE_RECORD_EVENT, out, sizeof(void *)))
SIM_FN(cuGraphEventWaitNodeGetEvent, (void *node, void *out),
       get_part(node, SIM_NODE_WAIT_EVENT, out, sizeof(void *)))
SIM_FN(cuGraphMemAllocNodeGetParams, (void *node, void *out),
       get_part(node, SIM_NODE_ALLOC, out, sizeof(struct sim_alloc_params)))
SIM_FN(cuGraphMemFreeNodeGetParams, (void *node, void *out),
       get_part(node, SIM_NODE_FREE, out, sizeof(uint64_t)))
SIM_FN(cuGraphChildGraphNodeGetGraph, (void *node, void **graph), get_child(node, graph))
SIM_FN(cuGraphNodeGetParams, (void *node, struct sim_node_params *params), get_any(node, params))
SIM_FN(cuGraphKernelNodeSetParams, (void *node, const struct sim_kernel_params *kernel),
       set(node, for_kernel(kernel, true)))
SIM_FN(cuGraphKernelNodeSetParams_v2, (void *node, const struct sim_kernel_params *kernel),
       set(node, for_kernel(kernel, false)))
SIM_FN(cuGraphMemcpyNodeSetParams, (void *node, const struct sim_copy_3d *copy),
       set(node, for_copy(copy, NULL)))
SIM_FN(cuGraphMemsetNodeSetParams, (void *node, const struct sim_fill_params *fill),
       set(node, for_fill(fill, NULL)))
SIM_FN(cuGraphHostNodeSetParams, (void *node, const struct sim_host_params *host),
       set(node, for_host(host)))
SIM_FN(cuGraphEventRecordNodeSetEvent, (void *node, void *event), set(node, for_event(event, true)))
SIM_FN(cuGraphEventWaitNodeSetEvent, (void *node, void *event), set(node, for_event(event, false)))
SIM_FN(cuGraphBatchMemOpNodeSetParams, (void *node, const struct sim_batch_params *batch),
       set(node, for_batch(batch)))
SIM_FN(cuGraphNodeSetParams, (void *node, struct sim_node_params *params),
       params == NULL ? SIM_INVALID_VALUE : set(node, *params))
SIM_FN(cuGraphNodeSetParams_v2, (void *node, struct sim_node_params *params),
       params == NULL ? SIM_INVALID_VALUE : set(node, *params))
SIM_FN(cuGraphKernelNodeGetAttribute, (void *node, int number, void *value),
       attribute(node, number, value, false))
SIM_FN(cuGraphKernelNodeSetAttribute, (void *node, int number, const void *value),
       attribute(node, number, (void *)(uintptr_t)value, true))
SIM_FN(cuGraphKernelNodeCopyAttributes, (void *to, void *from), copy_attributes(to, from))
