// SPDX-License-Identifier: Apache-2.0
/* User objects: counted, and held by graphs. */
#include <stdlib.h>

#include "queue.h"

struct object {
	uint32_t magic;
	_Atomic int64_t references;
	void (*destroy)(void *value);
	void *value;
};

struct sim_owned {
	struct sim_owned *next;
	struct object *object;
	int64_t references;
};

static bool is_object(const struct object *object)
{
	return object != NULL && object->magic == SIM_MAGIC_OBJECT;
}

static void drop(struct object *object, int64_t count)
{
	if (atomic_fetch_sub(&object->references, count) > count)
		return;
	object->destroy(object->value);
	object->magic = 0;
	free(object);
}

static void own(struct sim_graph *graph, struct object *object, int64_t count)
{
	struct sim_owned *owned = graph->owned;

	while (owned != NULL && owned->object != object)
		owned = owned->next;
	if (owned == NULL) {
		owned = calloc(1, sizeof(*owned));
		owned->object = object;
		owned->next = graph->owned;
		graph->owned = owned;
	}
	owned->references += count;
}

void sim_owned_clone(struct sim_graph *copy, const struct sim_graph *graph)
{
	for (struct sim_owned *owned = graph->owned; owned != NULL; owned = owned->next) {
		atomic_fetch_add(&owned->object->references, owned->references);
		own(copy, owned->object, owned->references);
	}
}

void sim_owned_release(struct sim_graph *graph)
{
	for (struct sim_owned *owned = graph->owned, *next; owned != NULL; owned = next) {
		next = owned->next;
		drop(owned->object, owned->references);
		free(owned);
	}
	graph->owned = NULL;
}

static int create(void **handle, void *value, void (*destroy)(void *), unsigned int count,
		  unsigned int flags)
{
	struct object *object;

	if (handle == NULL || destroy == NULL || count == 0 || flags != 1)
		return SIM_INVALID_VALUE;
	object = calloc(1, sizeof(*object));
	object->magic = SIM_MAGIC_OBJECT;
	object->references = count;
	object->destroy = destroy;
	object->value = value;
	*handle = object;
	return SIM_OK;
}

static int change(struct object *object, unsigned int count, bool more)
{
	if (!is_object(object) || count == 0)
		return SIM_INVALID_VALUE;
	if (more)
		atomic_fetch_add(&object->references, count);
	else
		drop(object, count);
	return SIM_OK;
}

/* Flags 1: the graph takes the caller's references. */
static int retain(struct sim_graph *graph, struct object *object, unsigned int count,
		  unsigned int flags)
{
	if (!sim_is_graph(graph) || !is_object(object) || count == 0 || flags > 1)
		return SIM_INVALID_VALUE;
	if (flags == 0)
		atomic_fetch_add(&object->references, count);
	own(graph, object, count);
	return SIM_OK;
}

static int release(struct sim_graph *graph, struct object *object, unsigned int count)
{
	if (!sim_is_graph(graph) || !is_object(object))
		return SIM_INVALID_VALUE;
	for (struct sim_owned **link = &graph->owned; *link != NULL; link = &(*link)->next) {
		struct sim_owned *owned = *link;

		if (owned->object != object || owned->references < count)
			continue;
		owned->references -= count;
		if (owned->references == 0) {
			*link = owned->next;
			free(owned);
		}
		drop(object, count);
		return SIM_OK;
	}
	return SIM_INVALID_VALUE;
}

SIM_FN(cuUserObjectCreate,
       (void **handle, void *value, void (*destroy)(void *), unsigned int count,
	unsigned int flags),
       create(handle, value, destroy, count, flags))
SIM_FN(cuUserObjectRetain, (void *object, unsigned int count), change(object, count, true))
SIM_FN(cuUserObjectRelease, (void *object, unsigned int count), change(object, count, false))
SIM_FN(cuGraphRetainUserObject, (void *graph, void *object, unsigned int count, unsigned int flags),
       retain(graph, object, count, flags))
SIM_FN(cuGraphReleaseUserObject, (void *graph, void *object, unsigned int count),
       release(graph, object, count))
