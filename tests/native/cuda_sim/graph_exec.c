// SPDX-License-Identifier: Apache-2.0
/* Executable graphs: made, launched, changed. */
#include <stdlib.h>
#include <string.h>

#include "watch.h"

struct exec {
	uint32_t magic;
	uint64_t flags;
	struct sim_graph *graph; /* its own copy */
	struct sim_nodes order;
};

/* When the launch of a whole graph began. */
struct sim_span {
	_Atomic int references;
	uint64_t start_ns;
};

static bool is_exec(const struct exec *exec)
{
	return exec != NULL && exec->magic == SIM_MAGIC_EXEC;
}

/* Circles in the graphs inside nodes count as well. */
static bool is_straight(struct sim_graph *graph)
{
	struct sim_nodes order;
	bool straight = sim_graph_order(graph, &order);

	sim_nodes_clear(&order);
	for (struct sim_node *node = graph->first; straight && node != NULL; node = node->next)
		if (node->child != NULL)
			straight = is_straight(node->child);
	return straight;
}

static int instantiate(void **handle, struct sim_graph *graph, uint64_t flags)
{
	struct exec *exec;

	if (handle == NULL || !sim_is_graph(graph) || flags > 15)
		return SIM_INVALID_VALUE;
	if (!is_straight(graph))
		return SIM_INVALID_VALUE;
	exec = calloc(1, sizeof(*exec));
	exec->magic = SIM_MAGIC_EXEC;
	exec->flags = flags;
	exec->graph = sim_graph_clone(graph);
	sim_graph_order(exec->graph, &exec->order);
	*handle = exec;
	return SIM_OK;
}

static int instantiate_with(void **handle, struct sim_graph *graph,
			    struct sim_instantiate_params *params)
{
	int result;

	if (params == NULL)
		return SIM_INVALID_VALUE;
	params->error_node = NULL;
	result = instantiate(handle, graph, params->flags);
	params->result = result == SIM_OK ? 0 : 2; /* 2: not a good structure */
	return result;
}

static int destroy(struct exec *exec)
{
	if (!is_exec(exec))
		return SIM_INVALID_VALUE;
	sim_nodes_clear(&exec->order);
	sim_graph_free(exec->graph);
	exec->magic = 0;
	free(exec);
	return SIM_OK;
}

/* Launch */

static void let_go(struct sim_op *op)
{
	if (atomic_fetch_sub(&op->span->references, 1) == 1)
		free(op->span);
}

static void begin_span(struct sim_op *op)
{
	op->span->start_ns = sim_now_ns();
}

static void end_span(struct sim_op *op)
{
	const struct sim_observer *observer = sim_observer();
	struct sim_activity activity = {
	    .work = SIM_WORK_GRAPH,
	    .correlation = op->correlation,
	    .queued_ns = op->queued_ns,
	    .start_ns = op->span->start_ns,
	    .end_ns = sim_now_ns(),
	    .device = (uint32_t)sim_ordinal_of(op->stream->context->device),
	    .context = (uint32_t)op->stream->context->id,
	    .stream = (uint32_t)op->stream->id,
	    .graph = op->graph_id,
	};

	if (observer != NULL)
		observer->work(&activity);
}

static struct sim_op *span_op(struct sim_span *span, uint32_t exec_id, void (*run)(struct sim_op *))
{
	struct sim_op *op = sim_op_new(SIM_WORK_GRAPH, run, SIM_ENGINE_NONE, 0);

	op->span = span;
	op->release = let_go;
	op->graph_id = exec_id;
	return op;
}

static int submit_op(struct sim_op *op, struct sim_stream *stream)
{
	struct sim_event *event =
	    op->work == SIM_WORK_EVENT || op->work == SIM_WORK_WAIT ? op->event : NULL;
	bool records = op->work == SIM_WORK_EVENT;
	struct sim_ticket ticket;
	int result;

	if (event != NULL && !records) {
		pthread_mutex_lock(&sim_lock);
		if (event->recorded.stream != NULL) {
			op->depends = malloc(sizeof(*op->depends));
			op->depends[0] = event->recorded;
			op->depends_count = 1;
		}
		pthread_mutex_unlock(&sim_lock);
	}
	result = sim_submit(stream, op, &ticket);
	if (result == SIM_OK && records) {
		pthread_mutex_lock(&sim_lock);
		event->recorded = ticket;
		event->capture_id = 0;
		pthread_mutex_unlock(&sim_lock);
	}
	return result;
}

static int submit_nodes(const struct sim_nodes *order, struct sim_stream *stream, uint32_t exec_id)
{
	int result = SIM_OK;

	for (size_t i = 0; result == SIM_OK && i < order->count; i++) {
		struct sim_node *node = order->items[i];

		if (!node->enabled)
			continue;
		if (node->child != NULL) {
			struct sim_nodes inner;

			sim_graph_order(node->child, &inner);
			result = submit_nodes(&inner, stream, exec_id);
			sim_nodes_clear(&inner);
		}
		for (struct sim_op *op = node->ops; result == SIM_OK && op != NULL; op = op->next) {
			struct sim_op *copy = sim_op_clone(op);

			copy->graph_id = exec_id;
			copy->node_id = node->id;
			result = submit_op(copy, stream);
		}
	}
	return result;
}

static int launch(struct exec *exec, void *stream_handle, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_span *span;
	int result = sim_stream_of(stream_handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (!is_exec(exec))
		return SIM_INVALID_VALUE;
	if (sim_is_capturing(stream)) {
		struct sim_op *op = sim_op_new(SIM_WORK_NOTHING, NULL, SIM_ENGINE_NONE, 0);

		/* A node of the capture that holds this graph. */
		result = sim_submit(stream, op, NULL);
		if (result != SIM_OK)
			return result;
		pthread_mutex_lock(&sim_lock);
		stream->frontier.items[0]->type = SIM_NODE_GRAPH;
		stream->frontier.items[0]->child = sim_graph_clone(exec->graph);
		stream->frontier.items[0]->child->parent = stream->frontier.items[0]->graph;
		pthread_mutex_unlock(&sim_lock);
		return SIM_OK;
	}
	sim_count(SIM_EVENT_graph_launches, 1);
	span = calloc(1, sizeof(*span));
	span->references = 2;
	result = sim_submit(stream, span_op(span, exec->graph->id, begin_span), NULL);
	if (result == SIM_OK)
		result = submit_nodes(&exec->order, stream, exec->graph->id);
	if (result != SIM_OK) {
		if (atomic_fetch_sub(&span->references, 1) == 1)
			free(span);
		return result;
	}
	return sim_submit(stream, span_op(span, exec->graph->id, end_span), NULL);
}

static int upload(struct exec *exec, void *stream_handle, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(stream_handle, per_thread, &stream);

	return result == SIM_OK && !is_exec(exec) ? SIM_INVALID_VALUE : result;
}

/* Changes */

static struct sim_node *node_of(const struct exec *exec, const struct sim_node *origin)
{
	struct sim_node *node;

	if (!is_exec(exec))
		return NULL;
	for (node = exec->graph->first; node != NULL; node = node->next)
		if (node->origin == origin)
			break;
	return node;
}

static int set(const struct exec *exec, const struct sim_node *origin,
	       const struct sim_node_params *params)
{
	struct sim_node *node = node_of(exec, origin);

	if (node == NULL || params == NULL)
		return SIM_INVALID_VALUE;
	return sim_node_fill(node, params);
}

static int set_part(const struct exec *exec, const struct sim_node *origin, enum sim_node_type type,
		    const void *part, size_t bytes)
{
	struct sim_node_params params = {.type = type};

	if (part == NULL)
		return SIM_INVALID_VALUE;
	memcpy(params.bytes, part, bytes);
	return set(exec, origin, &params);
}

static int set_copy(const struct exec *exec, const struct sim_node *origin,
		    const struct sim_copy_3d *copy, void *context)
{
	struct sim_node_params params = {.type = SIM_NODE_COPY};

	if (copy == NULL)
		return SIM_INVALID_VALUE;
	params.copy.copy = *copy;
	params.copy.context = context;
	return set(exec, origin, &params);
}

static int set_fill(const struct exec *exec, const struct sim_node *origin,
		    const struct sim_fill_params *fill, void *context)
{
	struct sim_node_params params = {.type = SIM_NODE_FILL};

	if (fill == NULL)
		return SIM_INVALID_VALUE;
	memcpy(&params.fill, fill, offsetof(struct sim_fill_params, context));
	params.fill.context = context;
	return set(exec, origin, &params);
}

static int enabled(const struct exec *exec, const struct sim_node *origin, unsigned int *out,
		   unsigned int value)
{
	struct sim_node *node = node_of(exec, origin);

	if (node == NULL || node->type > SIM_NODE_FILL)
		return SIM_INVALID_VALUE;
	if (out != NULL)
		*out = node->enabled;
	else
		node->enabled = value != 0;
	return SIM_OK;
}

enum change { CHANGE_NONE, CHANGE_ERROR, CHANGE_TOPOLOGY, CHANGE_TYPE };

/* Two graphs of the same shape, node by node in the order of their making. */
static enum change compare(const struct sim_graph *old, const struct sim_graph *new,
			   struct sim_node **at)
{
	struct sim_node *left = old->first, *right = new->first;

	*at = NULL;
	if (old->count != new->count)
		return CHANGE_TOPOLOGY;
	for (; left != NULL && right != NULL; left = left->next, right = right->next) {
		*at = right;
		if (left->type != right->type)
			return CHANGE_TYPE;
		if (left->depends.count != right->depends.count)
			return CHANGE_TOPOLOGY;
		if (left->child != NULL) {
			enum change inner = compare(left->child, right->child, at);

			if (inner != CHANGE_NONE)
				return inner;
		}
	}
	*at = NULL;
	return CHANGE_NONE;
}

static int update(struct exec *exec, struct sim_graph *graph, struct sim_update_result *out)
{
	enum change change;
	struct sim_node *at, *old, *node;
	struct sim_graph *copy;

	if (!is_exec(exec) || !sim_is_graph(graph))
		return SIM_INVALID_VALUE;
	change = compare(exec->graph, graph, &at);
	*out = (struct sim_update_result){change, at, NULL};
	if (change != CHANGE_NONE)
		return SIM_GRAPH_EXEC_UPDATE_FAILURE;
	copy = sim_graph_clone(graph);
	/* The nodes go by the names of the graph that was instantiated. */
	for (old = exec->graph->first, node = copy->first; old != NULL;
	     old = old->next, node = node->next) {
		node->origin = old->origin;
		node->id = old->id;
	}
	copy->id = exec->graph->id;
	sim_graph_free(exec->graph);
	sim_nodes_clear(&exec->order);
	exec->graph = copy;
	sim_graph_order(copy, &exec->order);
	return SIM_OK;
}

static int update_old(struct exec *exec, struct sim_graph *graph, void **node, int *result)
{
	struct sim_update_result out = {CHANGE_ERROR, NULL, NULL};
	int answer = update(exec, graph, &out);

	if (node != NULL)
		*node = out.node;
	if (result != NULL)
		*result = out.result;
	return answer;
}

static int get_flags(const struct exec *exec, uint64_t *flags)
{
	if (!is_exec(exec) || flags == NULL)
		return SIM_INVALID_VALUE;
	*flags = exec->flags;
	return SIM_OK;
}

static int get_id(const struct exec *exec, unsigned int *id)
{
	if (!is_exec(exec) || id == NULL)
		return SIM_INVALID_VALUE;
	*id = exec->graph->id;
	return SIM_OK;
}

uint64_t sim_exec_id(const void *handle)
{
	return is_exec(handle) ? ((const struct exec *)handle)->graph->id : UINT64_MAX;
}

SIM_FN(cuGraphInstantiate, (void **exec, void *graph, void **node, char *log, size_t bytes),
       ((void)node, (void)log, (void)bytes, instantiate(exec, graph, 0)))
SIM_FN(cuGraphInstantiate_v2, (void **exec, void *graph, void **node, char *log, size_t bytes),
       ((void)node, (void)log, (void)bytes, instantiate(exec, graph, 0)))
SIM_FN(cuGraphInstantiateWithFlags, (void **exec, void *graph, unsigned long long flags),
       instantiate(exec, graph, flags))
SIM_PAIR(cuGraphInstantiateWithParams, _ptsz,
	 (void **exec, void *graph, struct sim_instantiate_params *params),
	 ((void)PER_THREAD, instantiate_with(exec, graph, params)))
SIM_FN(cuGraphExecDestroy, (void *exec), destroy(exec))
SIM_PAIR(cuGraphUpload, _ptsz, (void *exec, void *stream), upload(exec, stream, PER_THREAD))
SIM_PAIR(cuGraphLaunch, _ptsz, (void *exec, void *stream), launch(exec, stream, PER_THREAD))
SIM_FN(cuGraphExecUpdate, (void *exec, void *graph, void **node, int *result),
       update_old(exec, graph, node, result))
SIM_FN(cuGraphExecUpdate_v2, (void *exec, void *graph, struct sim_update_result *result),
       result == NULL ? SIM_INVALID_VALUE : update(exec, graph, result))
SIM_FN(cuGraphExecNodeSetParams, (void *exec, void *node, struct sim_node_params *params),
       set(exec, node, params))
SIM_FN(cuGraphExecKernelNodeSetParams, (void *exec, void *node, const void *kernel),
       set_part(exec, node, SIM_NODE_KERNEL, kernel, offsetof(struct sim_kernel_params, kernel)))
SIM_FN(cuGraphExecKernelNodeSetParams_v2, (void *exec, void *node, const void *kernel),
       set_part(exec, node, SIM_NODE_KERNEL, kernel, sizeof(struct sim_kernel_params)))
SIM_FN(cuGraphExecMemcpyNodeSetParams,
       (void *exec, void *node, const struct sim_copy_3d *copy, void *context),
       set_copy(exec, node, copy, context))
SIM_FN(cuGraphExecMemsetNodeSetParams,
       (void *exec, void *node, const struct sim_fill_params *fill, void *context),
       set_fill(exec, node, fill, context))
SIM_FN(cuGraphExecHostNodeSetParams, (void *exec, void *node, const void *host),
       set_part(exec, node, SIM_NODE_HOST, host, 2 * sizeof(void *)))
SIM_FN(cuGraphExecEventRecordNodeSetEvent, (void *exec, void *node, void *event),
       set_part(exec, node, SIM_NODE_RECORD_EVENT, &event, sizeof(event)))
SIM_FN(cuGraphExecEventWaitNodeSetEvent, (void *exec, void *node, void *event),
       set_part(exec, node, SIM_NODE_WAIT_EVENT, &event, sizeof(event)))
SIM_FN(cuGraphExecChildGraphNodeSetParams, (void *exec, void *node, void *graph),
       set_part(exec, node, SIM_NODE_GRAPH, &graph, sizeof(graph)))
SIM_FN(cuGraphExecBatchMemOpNodeSetParams, (void *exec, void *node, const void *batch),
       set_part(exec, node, SIM_NODE_BATCH_MEM_OP, batch, sizeof(struct sim_batch_params)))
SIM_FN(cuGraphNodeGetEnabled, (void *exec, void *node, unsigned int *out),
       enabled(exec, node, out, 0))
SIM_FN(cuGraphNodeSetEnabled, (void *exec, void *node, unsigned int value),
       enabled(exec, node, NULL, value))
SIM_FN(cuGraphExecGetFlags, (void *exec, uint64_t *flags), get_flags(exec, flags))
SIM_FN(cuGraphExecGetId, (void *exec, unsigned int *id), get_id(exec, id))
