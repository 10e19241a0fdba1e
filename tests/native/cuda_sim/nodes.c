// SPDX-License-Identifier: Apache-2.0
/* Graphs and their nodes: made, linked, copied, put in order, freed. */
#include <stdlib.h>
#include <string.h>

#include "queue.h"

bool sim_nodes_have(const struct sim_nodes *nodes, const struct sim_node *node)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (nodes->items[i] == node)
			return true;
	return false;
}

void sim_nodes_add(struct sim_nodes *nodes, struct sim_node *node)
{
	if (sim_nodes_have(nodes, node))
		return;
	nodes->items = realloc(nodes->items, (nodes->count + 1) * sizeof(*nodes->items));
	nodes->items[nodes->count++] = node;
}

void sim_nodes_join(struct sim_nodes *nodes, const struct sim_nodes *others)
{
	for (size_t i = 0; i < others->count; i++)
		sim_nodes_add(nodes, others->items[i]);
}

void sim_nodes_clear(struct sim_nodes *nodes)
{
	free(nodes->items);
	*nodes = (struct sim_nodes){0};
}

bool sim_is_graph(const struct sim_graph *graph)
{
	return graph != NULL && graph->magic == SIM_MAGIC_GRAPH;
}

bool sim_is_node(const struct sim_node *node)
{
	return node != NULL && node->magic == SIM_MAGIC_NODE;
}

struct sim_graph *sim_graph_new(void)
{
	static _Atomic uint32_t last_id;
	struct sim_graph *graph = calloc(1, sizeof(*graph));

	graph->magic = SIM_MAGIC_GRAPH;
	graph->id = atomic_fetch_add(&last_id, 1) + 1;
	return graph;
}

struct sim_node *sim_node_new(struct sim_graph *graph, enum sim_node_type type,
			      const struct sim_nodes *depends)
{
	struct sim_node *node = calloc(1, sizeof(*node));

	node->magic = SIM_MAGIC_NODE;
	node->type = type;
	node->graph = graph;
	node->enabled = true;
	node->local_id = ++graph->last_local_id;
	/* Of one graph and one node: what the activity records call it. */
	node->id = (uint64_t)graph->id << 32 | node->local_id;
	if (depends != NULL)
		sim_nodes_join(&node->depends, depends);
	if (graph->last != NULL)
		graph->last->next = node;
	else
		graph->first = node;
	graph->last = node;
	graph->count++;
	return node;
}

static void free_ops(struct sim_op *op)
{
	while (op != NULL) {
		struct sim_op *next = op->next;

		sim_op_free(op);
		op = next;
	}
}

/* Takes the operations over, in place of those that it had. */
void sim_node_set_op(struct sim_node *node, struct sim_op *op)
{
	free_ops(node->ops);
	node->ops = op;
}

static void free_node(struct sim_node *node)
{
	free_ops(node->ops);
	if (node->child != NULL)
		sim_graph_free(node->child);
	if (node->lease != NULL)
		sim_lease_drop(node->lease);
	sim_nodes_clear(&node->depends);
	node->magic = 0;
	free(node);
}

void sim_graph_free(struct sim_graph *graph)
{
	for (struct sim_node *node = graph->first, *next; node != NULL; node = next) {
		next = node->next;
		free_node(node);
	}
	sim_owned_release(graph);
	graph->magic = 0;
	free(graph);
}

static struct sim_node *clone_node(struct sim_graph *graph, struct sim_node *node)
{
	struct sim_node *copy = sim_node_new(graph, node->type, NULL);
	struct sim_op **link = &copy->ops;

	copy->origin = node;
	copy->local_id = node->local_id;
	copy->id = (uint64_t)graph->id << 32 | node->local_id;
	copy->enabled = node->enabled;
	copy->context = node->context;
	copy->address = node->address;
	copy->lease = node->lease;
	if (copy->lease != NULL)
		atomic_fetch_add(&copy->lease->references, 1);
	memcpy(copy->attributes, node->attributes, sizeof(copy->attributes));
	for (const struct sim_op *op = node->ops; op != NULL; op = op->next) {
		*link = sim_op_clone(op);
		link = &(*link)->next;
	}
	if (node->child != NULL) {
		copy->child = sim_graph_clone(node->child);
		copy->child->parent = graph;
	}
	return copy;
}

static struct sim_node *found_in(const struct sim_graph *clone, const struct sim_node *origin)
{
	struct sim_node *node;

	for (node = clone->first; node != NULL; node = node->next)
		if (node->origin == origin)
			break;
	return node;
}

struct sim_graph *sim_graph_clone(const struct sim_graph *graph)
{
	struct sim_graph *copy = sim_graph_new();

	for (struct sim_node *node = graph->first; node != NULL; node = node->next)
		clone_node(copy, node);
	copy->last_local_id = graph->last_local_id;
	for (struct sim_node *node = copy->first; node != NULL; node = node->next)
		for (size_t i = 0; i < node->origin->depends.count; i++)
			sim_nodes_add(&node->depends,
				      found_in(copy, node->origin->depends.items[i]));
	sim_owned_clone(copy, graph);
	return copy;
}

enum { UNSEEN, OPEN, CLOSED };

static bool visit(struct sim_node *node, struct sim_nodes *order)
{
	if (node->mark == CLOSED)
		return true;
	if (node->mark == OPEN)
		return false;
	node->mark = OPEN;
	for (size_t i = 0; i < node->depends.count; i++)
		if (!visit(node->depends.items[i], order))
			return false;
	node->mark = CLOSED;
	order->items[order->count++] = node;
	return true;
}

/* Every node behind all that it depends on; false: there is a circle. */
bool sim_graph_order(struct sim_graph *graph, struct sim_nodes *order)
{
	*order = (struct sim_nodes){calloc(graph->count + 1, sizeof(*order->items)), 0};
	for (struct sim_node *node = graph->first; node != NULL; node = node->next)
		node->mark = UNSEEN;
	for (struct sim_node *node = graph->first; node != NULL; node = node->next)
		if (!visit(node, order))
			return false;
	return true;
}

enum sim_node_type sim_node_type_of(const struct sim_op *op)
{
	switch (op->work) {
	case SIM_WORK_KERNEL:
		return SIM_NODE_KERNEL;
	case SIM_WORK_COPY:
		return SIM_NODE_COPY;
	case SIM_WORK_FILL:
		return SIM_NODE_FILL;
	case SIM_WORK_HOST:
		return SIM_NODE_HOST;
	case SIM_WORK_EVENT:
		return SIM_NODE_RECORD_EVENT;
	case SIM_WORK_WAIT:
		return SIM_NODE_WAIT_EVENT;
	case SIM_WORK_SIGNAL:
		return SIM_NODE_BATCH_MEM_OP;
	case SIM_WORK_FREE:
		return SIM_NODE_FREE;
	default:
		return SIM_NODE_EMPTY;
	}
}
