// SPDX-License-Identifier: Apache-2.0
/* What a node does: read from the caller's structures, and told again. */
#include <string.h>

#include "memory.h"

static int context_of(void *handle, struct sim_node *node, struct sim_context **context)
{
	int result = sim_context_of(handle != NULL ? handle : node->context, context);

	if (result == SIM_OK)
		node->context = *context;
	return result;
}

static int fill_kernel(struct sim_node *node, const struct sim_kernel_params *params)
{
	void *function = params->function != NULL ? params->function : params->kernel;
	struct sim_context *context;
	struct sim_grid grid;
	struct sim_op *op;
	int result = context_of(params->context, node, &context);

	if (result != SIM_OK)
		return result;
	memcpy(grid.grid, params->grid, sizeof(grid.grid));
	memcpy(grid.block, params->block, sizeof(grid.block));
	grid.shared_bytes = params->shared_bytes;
	result = sim_launch_op(context, function, &grid, params->params, params->extra, &op);
	if (result == SIM_OK)
		sim_node_set_op(node, op);
	return result;
}

static int fill_copy(struct sim_node *node, const struct sim_copy_3d *params, void *handle)
{
	struct sim_context *context;
	struct sim_copy copy;
	int result = context_of(handle, node, &context);

	if (result == SIM_OK)
		result = sim_copy_resolve(params, &copy);
	if (result == SIM_OK)
		result = sim_copy_check(&copy);
	if (result == SIM_OK)
		sim_node_set_op(node, sim_copy_op(context, &copy));
	return result;
}

static int fill_fill(struct sim_node *node, const struct sim_fill_params *params)
{
	struct sim_fill fill = {params->dst,    params->pitch, params->width,
				params->height, params->value, params->element_bytes};
	struct sim_context *context;
	int result = context_of(params->context, node, &context);

	if (result == SIM_OK)
		result = sim_fill_check(&fill);
	if (result == SIM_OK)
		sim_node_set_op(node, sim_fill_op(context, &fill));
	return result;
}

static int fill_host(struct sim_node *node, const struct sim_host_params *params)
{
	if (params->call == NULL)
		return SIM_INVALID_VALUE;
	sim_node_set_op(node, sim_host_op(params->call, params->argument));
	return SIM_OK;
}

static int fill_event(struct sim_node *node, void *handle, bool record)
{
	struct sim_event *event;
	int result = sim_event_of(handle, &event);

	if (result == SIM_OK)
		sim_node_set_op(node,
				record ? sim_event_record_op(event) : sim_event_wait_op(event));
	return result;
}

static int fill_batch(struct sim_node *node, const struct sim_batch_params *params)
{
	struct sim_op *first = NULL, **link = &first;

	if (params->count == 0 || params->ops == NULL)
		return SIM_INVALID_VALUE;
	for (unsigned int i = 0; i < params->count; i++) {
		struct sim_signal signal;
		int result = sim_signal_read(params->ops, i, &signal);

		if (result != SIM_OK)
			return result;
		*link = sim_signal_op(&signal);
		link = &(*link)->next;
	}
	sim_node_set_op(node, first);
	return SIM_OK;
}

static int fill_child(struct sim_node *node, const struct sim_graph *graph)
{
	if (!sim_is_graph(graph))
		return SIM_INVALID_VALUE;
	if (node->child != NULL)
		sim_graph_free(node->child);
	node->child = sim_graph_clone(graph);
	node->child->parent = node->graph;
	return SIM_OK;
}

static int fill_alloc(struct sim_node *node, const struct sim_alloc_params *params)
{
	struct sim_context *context;
	int result = context_of(NULL, node, &context);

	if (result != SIM_OK || node->lease != NULL)
		return result != SIM_OK ? result : SIM_NOT_SUPPORTED;
	return sim_node_alloc(node, context, params->bytes);
}

static int fill_free(struct sim_node *node, uint64_t address)
{
	struct sim_range range;

	if (!sim_find(address, &range) || range.start != address)
		return SIM_INVALID_VALUE;
	node->address = address;
	return SIM_OK;
}

int sim_node_fill(struct sim_node *node, const struct sim_node_params *params)
{
	if ((int)node->type != params->type)
		return SIM_INVALID_VALUE;
	switch (node->type) {
	case SIM_NODE_KERNEL:
		return fill_kernel(node, &params->kernel);
	case SIM_NODE_COPY:
		return fill_copy(node, &params->copy.copy, params->copy.context);
	case SIM_NODE_FILL:
		return fill_fill(node, &params->fill);
	case SIM_NODE_HOST:
		return fill_host(node, &params->host);
	case SIM_NODE_GRAPH:
		return fill_child(node, params->child.graph);
	case SIM_NODE_EMPTY:
		return SIM_OK;
	case SIM_NODE_WAIT_EVENT:
		return fill_event(node, params->event.event, false);
	case SIM_NODE_RECORD_EVENT:
		return fill_event(node, params->event.event, true);
	case SIM_NODE_ALLOC:
		return fill_alloc(node, &params->alloc);
	case SIM_NODE_FREE:
		return fill_free(node, params->free);
	case SIM_NODE_BATCH_MEM_OP:
		return fill_batch(node, &params->batch);
	default:
		return SIM_NOT_SUPPORTED;
	}
}

static void read_kernel(struct sim_node *node, struct sim_kernel_params *params)
{
	struct sim_launch *launch = &node->ops->launch;

	for (uint32_t i = 0; i < launch->kernel->param_count; i++)
		node->args[i] = launch->values + launch->offset[i];
	params->function = launch->function;
	memcpy(params->grid, launch->grid.grid, sizeof(params->grid));
	memcpy(params->block, launch->grid.block, sizeof(params->block));
	params->shared_bytes = launch->grid.shared_bytes;
	params->params = node->args;
	params->extra = NULL;
}

static void read_copy(const struct sim_copy *copy, struct sim_copy_3d *params)
{
	*params = (struct sim_copy_3d){
	    .src_type = copy->src_type,
	    .dst_type = copy->dst_type,
	    .src_pitch = copy->src_pitch,
	    .dst_pitch = copy->dst_pitch,
	    .src_height = copy->src_pitch != 0 ? copy->src_slice / copy->src_pitch : 0,
	    .dst_height = copy->dst_pitch != 0 ? copy->dst_slice / copy->dst_pitch : 0,
	    .width = copy->width,
	    .height = copy->height,
	    .depth = copy->depth,
	};
	if (copy->src_type == SIM_TYPE_HOST)
		params->src_host = (void *)(uintptr_t)copy->src;
	else
		params->src_device = copy->src;
	if (copy->dst_type == SIM_TYPE_HOST)
		params->dst_host = (void *)(uintptr_t)copy->dst;
	else
		params->dst_device = copy->dst;
}

int sim_node_read(struct sim_node *node, struct sim_node_params *params)
{
	int type = node->type;

	memset(params, 0, sizeof(*params));
	params->type = type;
	switch (node->type) {
	case SIM_NODE_KERNEL:
		read_kernel(node, &params->kernel);
		params->kernel.context = node->context;
		return SIM_OK;
	case SIM_NODE_COPY:
		read_copy(&node->ops->copy, &params->copy.copy);
		params->copy.context = node->context;
		return SIM_OK;
	case SIM_NODE_FILL: {
		const struct sim_fill *fill = &node->ops->fill;

		params->fill = (struct sim_fill_params){
		    fill->dst,   fill->pitch,  fill->value,  fill->element_bytes,
		    fill->width, fill->height, node->context};
		return SIM_OK;
	}
	case SIM_NODE_HOST:
		params->host.call = node->ops->host.call;
		params->host.argument = node->ops->host.argument;
		return SIM_OK;
	case SIM_NODE_GRAPH:
		params->child.graph = node->child;
		return SIM_OK;
	case SIM_NODE_WAIT_EVENT:
	case SIM_NODE_RECORD_EVENT:
		params->event.event = node->ops->event;
		return SIM_OK;
	case SIM_NODE_ALLOC:
		params->alloc.pool.type = 1;
		params->alloc.pool.location.type = SIM_LOCATION_DEVICE;
		params->alloc.bytes = node->lease->bytes;
		params->alloc.address = node->address;
		return SIM_OK;
	case SIM_NODE_FREE:
		params->free = node->address;
		return SIM_OK;
	case SIM_NODE_EMPTY:
		return SIM_OK;
	default:
		return SIM_NOT_SUPPORTED;
	}
}
