// SPDX-License-Identifier: Apache-2.0
/*
 * What a graph holds is counted when it is put in, by calls on a stream in
 * capture or node by node, and told when the graph is instantiated and
 * launched: nobody is asked. A node is what runs: a kernel, a copy, a fill,
 * a host function, a signal. Graphs inside nodes count with what they hold.
 *
 * No lock: CUDA asks of programs that one thread at a time changes a graph.
 * The table is searched as far as a handle may lie from its place, so that
 * an entry can go without a trace.
 */
#include <string.h>

#include "cuda/nodes.h"

#define ENTRIES 4096u
#define REACH   16u
/* A capture under way goes by the stream that it began on. */
#define CAPTURE_KEY (1ull << 63)

static struct entry {
	uint64_t handle; /* 0 = free */
	struct anaros_cuda_nodes nodes;
	uint32_t removals; /* when it was made */
	bool unknown;
	bool fixed; /* what is captured stands for nodes that it has */
} entries[ENTRIES];

/* Nodes that were taken out of graphs; of which one, nobody tells. */
static uint32_t removals;

static struct entry *entry_of(uint64_t handle)
{
	unsigned int start = (unsigned int)((handle * 0x9e3779b97f4a7c15ull) >> 52);

	for (unsigned int i = 0; i < REACH; i++) {
		struct entry *entry = &entries[(start + i) % ENTRIES];

		if (__atomic_load_n(&entry->handle, __ATOMIC_ACQUIRE) == handle)
			return entry;
	}
	return NULL;
}

/* An empty one, in place of what had the handle before; NULL: no room. */
static struct entry *fresh_entry(uint64_t handle)
{
	unsigned int start = (unsigned int)((handle * 0x9e3779b97f4a7c15ull) >> 52);
	struct entry *entry = entry_of(handle);

	for (unsigned int i = 0; entry == NULL && i < REACH; i++) {
		struct entry *slot = &entries[(start + i) % ENTRIES];
		uint64_t free = 0;

		if (__atomic_compare_exchange_n(&slot->handle, &free, handle, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			entry = slot;
	}
	if (entry != NULL) {
		memset(&entry->nodes, 0, sizeof(entry->nodes));
		entry->removals = __atomic_load_n(&removals, __ATOMIC_RELAXED);
		entry->unknown = false;
		entry->fixed = false;
	}
	return entry;
}

static void forget(uint64_t handle)
{
	struct entry *entry = entry_of(handle);

	if (handle != 0 && entry != NULL)
		__atomic_store_n(&entry->handle, 0, __ATOMIC_RELEASE);
}

static bool is_known(const struct entry *entry)
{
	return entry != NULL && !entry->unknown &&
	       entry->removals == __atomic_load_n(&removals, __ATOMIC_RELAXED);
}

static void count(struct entry *entry, enum anaros_cuda_node sort, uint32_t many)
{
	if (entry != NULL && !entry->fixed)
		__atomic_fetch_add(&entry->nodes.of[sort], many, __ATOMIC_RELAXED);
}

/* What another graph holds comes in as a whole. */
static void count_all(struct entry *entry, const struct entry *inner)
{
	if (entry == NULL || entry->fixed)
		return;
	if (!is_known(inner)) {
		entry->unknown = true;
		return;
	}
	for (unsigned int sort = 0; sort < ANAROS_CUDA_NODE_COUNT; sort++)
		count(entry, sort, inner->nodes.of[sort]);
}

static void copy_entry(struct entry *to, const struct entry *from)
{
	if (to == NULL)
		return;
	to->unknown = !is_known(from);
	if (!to->unknown)
		to->nodes = from->nodes;
}

bool anaros_cuda_nodes_of(const void *handle, struct anaros_cuda_nodes *nodes)
{
	const struct entry *entry = handle != NULL ? entry_of((uintptr_t)handle) : NULL;

	/* Of an executable graph it is the number that it was made with. */
	if (entry == NULL || entry->unknown)
		return false;
	*nodes = entry->nodes;
	return true;
}

void anaros_cuda_graph_made(const void *graph)
{
	if (graph != NULL)
		fresh_entry((uintptr_t)graph);
}

void anaros_cuda_graph_copied(const void *copy, const void *graph)
{
	if (copy != NULL)
		copy_entry(fresh_entry((uintptr_t)copy), entry_of((uintptr_t)graph));
}

void anaros_cuda_graph_gone(const void *graph)
{
	forget((uintptr_t)graph);
}

void anaros_cuda_graph_unknown(const void *graph)
{
	struct entry *entry = entry_of((uintptr_t)graph);

	if (graph != NULL && entry != NULL)
		entry->unknown = true;
}

void anaros_cuda_node_removed(void)
{
	__atomic_fetch_add(&removals, 1, __ATOMIC_RELAXED);
}

void anaros_cuda_node_added(const void *graph, enum anaros_cuda_node sort, uint32_t many)
{
	count(graph != NULL ? entry_of((uintptr_t)graph) : NULL, sort, many);
}

void anaros_cuda_graph_added(const void *graph, const void *inner)
{
	if (graph != NULL)
		count_all(entry_of((uintptr_t)graph), entry_of((uintptr_t)inner));
}

void anaros_cuda_nodes_begin(uint64_t origin, const void *graph, bool again)
{
	struct entry *capture = fresh_entry(origin | CAPTURE_KEY);

	if (graph == NULL || capture == NULL)
		return;
	copy_entry(capture, entry_of((uintptr_t)graph));
	capture->fixed = again;
}

void anaros_cuda_nodes_end(uint64_t origin, const void *graph)
{
	const struct entry *capture = entry_of(origin | CAPTURE_KEY);

	if (graph != NULL && capture != NULL)
		copy_entry(fresh_entry((uintptr_t)graph), capture);
	forget(origin | CAPTURE_KEY);
}

void anaros_cuda_nodes_captured(uint64_t origin, const struct anaros_fields *fields)
{
	struct entry *capture = origin != 0 ? entry_of(origin | CAPTURE_KEY) : NULL;

	if (capture == NULL || fields->status != CUDA_SUCCESS)
		return;
	switch (fields->kind) {
	case ANAROS_KIND_GPU_LAUNCH:
		count(capture, ANAROS_CUDA_NODE_KERNEL, 1);
		break;
	case ANAROS_KIND_GPU_COPY_H2D:
	case ANAROS_KIND_GPU_COPY_D2H:
	case ANAROS_KIND_GPU_COPY_D2D:
	case ANAROS_KIND_GPU_COPY:
		count(capture, ANAROS_CUDA_NODE_COPY, 1);
		break;
	case ANAROS_KIND_GPU_MEMSET:
		count(capture, ANAROS_CUDA_NODE_FILL, 1);
		break;
	case ANAROS_KIND_GPU_HOST_CALL:
	case ANAROS_KIND_GPU_SIGNAL:
		count(capture, ANAROS_CUDA_NODE_OTHER, 1);
		break;
	case ANAROS_KIND_GPU_GRAPH:
		count_all(capture, entry_of(fields->address));
		break;
	default:
		break;
	}
}
