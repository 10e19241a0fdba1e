// SPDX-License-Identifier: Apache-2.0
/* The calls that make graphs, and ask for and change their shape. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue.h"

static int create(void **handle, unsigned int flags)
{
	if (handle == NULL || flags != 0)
		return SIM_INVALID_VALUE;
	*handle = sim_graph_new();
	return SIM_OK;
}

static int destroy(struct sim_graph *graph)
{
	if (!sim_is_graph(graph) || graph->parent != NULL)
		return SIM_INVALID_VALUE;
	sim_graph_free(graph);
	return SIM_OK;
}

static int clone(void **handle, const struct sim_graph *graph)
{
	if (!sim_is_graph(graph) || handle == NULL)
		return SIM_INVALID_VALUE;
	*handle = sim_graph_clone(graph);
	return SIM_OK;
}

static int find_in_clone(void **out, const struct sim_node *node, const struct sim_graph *graph)
{
	if (!sim_is_node(node) || !sim_is_graph(graph))
		return SIM_INVALID_VALUE;
	for (struct sim_node *copy = graph->first; copy != NULL; copy = copy->next) {
		if (copy->origin != node)
			continue;
		*out = copy;
		return SIM_OK;
	}
	return SIM_INVALID_VALUE;
}

static int destroy_node(struct sim_node *node)
{
	struct sim_graph *graph;
	struct sim_node **link;

	if (!sim_is_node(node))
		return SIM_INVALID_VALUE;
	graph = node->graph;
	for (struct sim_node *other = graph->first; other != NULL; other = other->next)
		for (size_t i = 0; i < other->depends.count; i++)
			if (other->depends.items[i] == node)
				other->depends.items[i] =
				    other->depends.items[--other->depends.count];
	for (link = &graph->first; *link != node; link = &(*link)->next)
		;
	*link = node->next;
	graph->last = NULL;
	for (struct sim_node *other = graph->first; other != NULL; other = other->next)
		graph->last = other;
	graph->count--;
	node->next = NULL;
	/* It may lie in a capture's frontier still: dead, but not gone. */
	node->magic = 0;
	sim_node_set_op(node, NULL);
	sim_nodes_clear(&node->depends);
	free(node);
	return SIM_OK;
}

/* Hands out a list: all that there is room for, and how many there are. */
struct list {
	void **items;
	size_t room, count;
};

static void put(struct list *list, void *item)
{
	if (list->items != NULL && list->count < list->room)
		list->items[list->count] = item;
	list->count++;
}

static int finish(const struct list *list, size_t *count)
{
	if (list->items != NULL)
		for (size_t i = list->count; i < list->room; i++)
			list->items[i] = NULL;
	*count = list->items != NULL && list->room < list->count ? list->room : list->count;
	return SIM_OK;
}

static int get_nodes(struct sim_graph *graph, void **nodes, size_t *count, bool roots)
{
	struct list list = {nodes, nodes != NULL && count != NULL ? *count : 0, 0};

	if (!sim_is_graph(graph) || count == NULL)
		return SIM_INVALID_VALUE;
	for (struct sim_node *node = graph->first; node != NULL; node = node->next)
		if (!roots || node->depends.count == 0)
			put(&list, node);
	return finish(&list, count);
}

static int get_edges(struct sim_graph *graph, void **from, void **to, struct sim_edge *edges,
		     size_t *count)
{
	struct list sources, targets;

	if (!sim_is_graph(graph) || count == NULL || (from == NULL) != (to == NULL))
		return SIM_INVALID_VALUE;
	sources = (struct list){from, from != NULL ? *count : 0, 0};
	targets = (struct list){to, to != NULL ? *count : 0, 0};
	for (struct sim_node *node = graph->first; node != NULL; node = node->next) {
		for (size_t i = 0; i < node->depends.count; i++) {
			put(&sources, node->depends.items[i]);
			put(&targets, node);
		}
	}
	finish(&sources, count);
	finish(&targets, count);
	if (edges != NULL && from != NULL)
		memset(edges, 0, *count * sizeof(*edges));
	return SIM_OK;
}

static int get_depends(struct sim_node *node, void **nodes, struct sim_edge *edges, size_t *count)
{
	struct list list = {nodes, nodes != NULL && count != NULL ? *count : 0, 0};

	if (!sim_is_node(node) || count == NULL)
		return SIM_INVALID_VALUE;
	for (size_t i = 0; i < node->depends.count; i++)
		put(&list, node->depends.items[i]);
	finish(&list, count);
	if (edges != NULL && nodes != NULL)
		memset(edges, 0, *count * sizeof(*edges));
	return SIM_OK;
}

static int get_dependents(struct sim_node *node, void **nodes, struct sim_edge *edges,
			  size_t *count)
{
	struct list list = {nodes, nodes != NULL && count != NULL ? *count : 0, 0};

	if (!sim_is_node(node) || count == NULL)
		return SIM_INVALID_VALUE;
	for (struct sim_node *other = node->graph->first; other != NULL; other = other->next)
		if (sim_nodes_have(&other->depends, node))
			put(&list, other);
	finish(&list, count);
	if (edges != NULL && nodes != NULL)
		memset(edges, 0, *count * sizeof(*edges));
	return SIM_OK;
}

static int add_edges(struct sim_graph *graph, struct sim_node **from, struct sim_node **to,
		     size_t count)
{
	struct sim_nodes order;
	bool straight;

	if (!sim_is_graph(graph) || (count != 0 && (from == NULL || to == NULL)))
		return SIM_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		if (!sim_is_node(from[i]) || !sim_is_node(to[i]) || from[i]->graph != graph ||
		    to[i]->graph != graph || from[i] == to[i] ||
		    sim_nodes_have(&to[i]->depends, from[i]))
			return SIM_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		sim_nodes_add(&to[i]->depends, from[i]);
	straight = sim_graph_order(graph, &order);
	sim_nodes_clear(&order);
	if (straight)
		return SIM_OK;
	for (size_t i = 0; i < count; i++)
		to[i]->depends.count--; /* added last, taken away first */
	return SIM_INVALID_VALUE;
}

static int remove_edges(struct sim_graph *graph, struct sim_node **from, struct sim_node **to,
			size_t count)
{
	if (!sim_is_graph(graph))
		return SIM_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		if (!sim_is_node(to[i]) || !sim_nodes_have(&to[i]->depends, from[i]))
			return SIM_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		struct sim_nodes *depends = &to[i]->depends;

		for (size_t k = 0; k < depends->count; k++)
			if (depends->items[k] == from[i])
				depends->items[k] = depends->items[--depends->count];
	}
	return SIM_OK;
}

enum fact { FACT_TYPE, FACT_LOCAL_ID, FACT_TOOLS_ID, FACT_GRAPH };

static int node_fact(struct sim_node *node, enum fact fact, void *out)
{
	if (!sim_is_node(node) || out == NULL)
		return SIM_INVALID_VALUE;
	switch (fact) {
	case FACT_TYPE:
		*(int *)out = node->type;
		break;
	case FACT_LOCAL_ID:
		*(unsigned int *)out = node->local_id;
		break;
	case FACT_TOOLS_ID:
		*(uint64_t *)out = node->id;
		break;
	case FACT_GRAPH:
		*(void **)out = node->graph;
		break;
	}
	return SIM_OK;
}

static int graph_id(struct sim_graph *graph, unsigned int *id)
{
	if (!sim_is_graph(graph) || id == NULL)
		return SIM_INVALID_VALUE;
	*id = graph->id;
	return SIM_OK;
}

static int print_dot(struct sim_graph *graph, const char *path)
{
	FILE *out;

	if (!sim_is_graph(graph) || path == NULL)
		return SIM_INVALID_VALUE;
	out = fopen(path, "we");
	if (out == NULL)
		return SIM_OPERATING_SYSTEM;
	fputs("digraph dot {\n", out);
	for (struct sim_node *node = graph->first; node != NULL; node = node->next) {
		fprintf(out, "n%u [label=\"%d\"];\n", node->local_id, node->type);
		for (size_t i = 0; i < node->depends.count; i++)
			fprintf(out, "n%u -> n%u;\n", node->depends.items[i]->local_id,
				node->local_id);
	}
	fputs("}\n", out);
	fclose(out);
	return SIM_OK;
}

SIM_FN(cuGraphCreate, (void **graph, unsigned int flags), create(graph, flags))
SIM_FN(cuGraphDestroy, (void *graph), destroy(graph))
SIM_FN(cuGraphClone, (void **copy, void *graph), clone(copy, graph))
SIM_FN(cuGraphNodeFindInClone, (void **out, void *node, void *graph),
       find_in_clone(out, node, graph))
SIM_FN(cuGraphDestroyNode, (void *node), destroy_node(node))
SIM_FN(cuGraphGetNodes, (void *graph, void **nodes, size_t *count),
       get_nodes(graph, nodes, count, false))
SIM_FN(cuGraphGetRootNodes, (void *graph, void **nodes, size_t *count),
       get_nodes(graph, nodes, count, true))
SIM_FN(cuGraphGetEdges, (void *graph, void **from, void **to, size_t *count),
       get_edges(graph, from, to, NULL, count))
SIM_FN(cuGraphGetEdges_v2,
       (void *graph, void **from, void **to, struct sim_edge *edges, size_t *count),
       get_edges(graph, from, to, edges, count))
SIM_FN(cuGraphNodeGetDependencies, (void *node, void **nodes, size_t *count),
       get_depends(node, nodes, NULL, count))
SIM_FN(cuGraphNodeGetDependencies_v2,
       (void *node, void **nodes, struct sim_edge *edges, size_t *count),
       get_depends(node, nodes, edges, count))
SIM_FN(cuGraphNodeGetDependentNodes, (void *node, void **nodes, size_t *count),
       get_dependents(node, nodes, NULL, count))
SIM_FN(cuGraphNodeGetDependentNodes_v2,
       (void *node, void **nodes, struct sim_edge *edges, size_t *count),
       get_dependents(node, nodes, edges, count))
SIM_FN(cuGraphAddDependencies,
       (void *graph, struct sim_node **from, struct sim_node **to, size_t count),
       add_edges(graph, from, to, count))
SIM_FN(cuGraphAddDependencies_v2,
       (void *graph, struct sim_node **from, struct sim_node **to, const void *edges, size_t count),
       ((void)edges, add_edges(graph, from, to, count)))
SIM_FN(cuGraphRemoveDependencies,
       (void *graph, struct sim_node **from, struct sim_node **to, size_t count),
       remove_edges(graph, from, to, count))
SIM_FN(cuGraphRemoveDependencies_v2,
       (void *graph, struct sim_node **from, struct sim_node **to, const void *edges, size_t count),
       ((void)edges, remove_edges(graph, from, to, count)))
SIM_FN(cuGraphNodeGetType, (void *node, int *type), node_fact(node, FACT_TYPE, type))
SIM_FN(cuGraphNodeGetLocalId, (void *node, unsigned int *id), node_fact(node, FACT_LOCAL_ID, id))
SIM_FN(cuGraphNodeGetToolsId, (void *node, unsigned long long *id),
       node_fact(node, FACT_TOOLS_ID, id))
SIM_FN(cuGraphNodeGetContainingGraph, (void *node, void **graph),
       node_fact(node, FACT_GRAPH, graph))
SIM_FN(cuGraphGetId, (void *graph, unsigned int *id), graph_id(graph, id))
SIM_FN(cuGraphDebugDotPrint, (void *graph, const char *path, unsigned int flags),
       ((void)flags, print_dot(graph, path)))
