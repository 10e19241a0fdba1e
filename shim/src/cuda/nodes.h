/* SPDX-License-Identifier: Apache-2.0 */
/* What graphs hold: see nodes.c. */
#ifndef ANAROS_CUDA_NODES_H
#define ANAROS_CUDA_NODES_H

#include "cuda/cuda.h"

enum anaros_cuda_node {
	ANAROS_CUDA_NODE_KERNEL,
	ANAROS_CUDA_NODE_COPY,
	ANAROS_CUDA_NODE_FILL,
	ANAROS_CUDA_NODE_OTHER, /* host functions, and each word or semaphore signalled */
	ANAROS_CUDA_NODE_COUNT
};

struct anaros_cuda_nodes {
	uint32_t of[ANAROS_CUDA_NODE_COUNT];
};

/* What a launch of an executable graph runs; false: not known. */
bool anaros_cuda_nodes_of(const void *executable, struct anaros_cuda_nodes *nodes);

/* The handle of a graph or an executable one; NULL is none. */
void anaros_cuda_graph_made(const void *graph) COLD;
void anaros_cuda_graph_copied(const void *copy, const void *graph) COLD;
void anaros_cuda_graph_gone(const void *graph) COLD;
/* From now on it is not known what it holds. */
void anaros_cuda_graph_unknown(const void *graph) COLD;

void anaros_cuda_node_added(const void *graph, enum anaros_cuda_node sort, uint32_t many) COLD;
void anaros_cuda_graph_added(const void *graph, const void *inner) COLD;
void anaros_cuda_node_removed(void) COLD;

/* A capture from `origin` on, into a graph that is there or (NULL) a new one. */
void anaros_cuda_nodes_begin(uint64_t origin, const void *graph, bool again) COLD;
void anaros_cuda_nodes_end(uint64_t origin, const void *graph) COLD;
void anaros_cuda_nodes_captured(uint64_t origin, const struct anaros_fields *fields) COLD;

#endif
