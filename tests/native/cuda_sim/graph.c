// SPDX-License-Identifier: Apache-2.0
/* Stream capture and graphs: a graph is the captured operations, in order. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct graph_exec {
	uint32_t magic;
	struct sim_graph *graph; /* its own copy */
};

static struct sim_op *clone_op(const struct sim_op *op)
{
	struct sim_op *copy = malloc(sizeof(*copy));

	memcpy(copy, op, sizeof(*copy));
	copy->next = NULL;
	copy->depends = NULL;
	copy->depends_count = 0;
	/* Only an event is shared between copies. */
	if (copy->release != NULL)
		atomic_fetch_add(&copy->event->references, 1);
	return copy;
}

static struct sim_graph *graph_new(void)
{
	struct sim_graph *graph = calloc(1, sizeof(*graph));

	graph->magic = SIM_MAGIC_GRAPH;
	return graph;
}

static struct sim_graph *graph_clone(const struct sim_graph *graph)
{
	struct sim_graph *copy = graph_new();

	for (const struct sim_op *op = graph->first; op != NULL; op = op->next) {
		struct sim_op *node = clone_op(op);

		if (copy->last != NULL)
			copy->last->next = node;
		else
			copy->first = node;
		copy->last = node;
		copy->count++;
	}
	return copy;
}

static int graph_destroy(struct sim_graph *graph)
{
	if (graph == NULL || graph->magic != SIM_MAGIC_GRAPH)
		return SIM_INVALID_VALUE;
	for (struct sim_op *op = graph->first, *next; op != NULL; op = next) {
		next = op->next;
		sim_op_free(op);
	}
	graph->magic = 0;
	free(graph);
	return SIM_OK;
}

static int begin(void *handle, bool per_thread)
{
	static _Atomic uint64_t last_id;
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (stream->kind == SIM_STREAM_LEGACY)
		return SIM_CAPTURE_UNSUPPORTED;
	if (stream->capture != NULL)
		return SIM_ILLEGAL_STATE;
	stream->capture = calloc(1, sizeof(*stream->capture));
	stream->capture->graph = graph_new();
	stream->capture->origin = stream;
	stream->capture->id = atomic_fetch_add(&last_id, 1) + 1;
	return SIM_OK;
}

static int end(void *handle, void **graph, bool per_thread)
{
	struct sim_capture *capture;
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	capture = stream->capture;
	if (capture == NULL)
		return SIM_ILLEGAL_STATE;
	if (capture->origin != stream)
		return SIM_CAPTURE_UNMATCHED;
	for (struct sim_stream *other = stream->context->streams; other != NULL;
	     other = other->next)
		if (other->capture == capture)
			other->capture = NULL;
	*graph = capture->graph;
	free(capture);
	return SIM_OK;
}

/* Status: 0 none, 1 active. */
static int capture_info(void *handle, int *status, uint64_t *id, void **graph, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	*status = stream->capture != NULL;
	if (stream->capture != NULL && id != NULL)
		*id = stream->capture->id;
	if (stream->capture != NULL && graph != NULL)
		*graph = stream->capture->graph;
	return SIM_OK;
}

static int instantiate(void **handle, struct sim_graph *graph)
{
	struct graph_exec *exec;

	if (graph == NULL || graph->magic != SIM_MAGIC_GRAPH)
		return SIM_INVALID_VALUE;
	exec = calloc(1, sizeof(*exec));
	exec->magic = SIM_MAGIC_EXEC;
	exec->graph = graph_clone(graph);
	*handle = exec;
	return SIM_OK;
}

static int launch_graph(void *handle, void *stream_handle, bool per_thread)
{
	struct graph_exec *exec = handle;
	struct sim_stream *stream;
	int result = sim_stream_of(stream_handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (exec == NULL || exec->magic != SIM_MAGIC_EXEC)
		return SIM_INVALID_HANDLE;
	for (const struct sim_op *op = exec->graph->first; result == SIM_OK && op != NULL;
	     op = op->next)
		result = sim_submit(stream, clone_op(op), NULL);
	return result;
}

static int exec_destroy(void *handle)
{
	struct graph_exec *exec = handle;

	if (exec == NULL || exec->magic != SIM_MAGIC_EXEC)
		return SIM_INVALID_HANDLE;
	graph_destroy(exec->graph);
	exec->magic = 0;
	free(exec);
	return SIM_OK;
}

static int get_nodes(struct sim_graph *graph, void **nodes, size_t *count)
{
	size_t room = nodes != NULL ? *count : 0, index = 0;

	if (graph == NULL || graph->magic != SIM_MAGIC_GRAPH)
		return SIM_INVALID_VALUE;
	for (struct sim_op *op = graph->first; op != NULL && index < room; op = op->next)
		nodes[index++] = op;
	*count = graph->count;
	return SIM_OK;
}

SIM_PAIR(cuStreamBeginCapture_v2, _ptsz, (void *stream, int mode),
	 ((void)mode, begin(stream, PER_THREAD)))
SIM_PAIR(cuStreamEndCapture, _ptsz, (void *stream, void **graph), end(stream, graph, PER_THREAD))
SIM_PAIR(cuStreamIsCapturing, _ptsz, (void *stream, int *status),
	 capture_info(stream, status, NULL, NULL, PER_THREAD))
SIM_PAIR(cuStreamGetCaptureInfo, _ptsz, (void *stream, int *status, uint64_t *id),
	 capture_info(stream, status, id, NULL, PER_THREAD))
SIM_PAIR(cuStreamGetCaptureInfo_v2, _ptsz,
	 (void *stream, int *status, uint64_t *id, void **graph, const void *nodes, size_t *count),
	 ((void)nodes, count != NULL ? (void)(*count = 0) : (void)0,
	  capture_info(stream, status, id, graph, PER_THREAD)))
SIM_PAIR(cuStreamGetCaptureInfo_v3, _ptsz,
	 (void *stream, int *status, uint64_t *id, void **graph, const void *nodes,
	  const void *edges, size_t *count),
	 ((void)nodes, (void)edges, count != NULL ? (void)(*count = 0) : (void)0,
	  capture_info(stream, status, id, graph, PER_THREAD)))
SIM_FN(cuGraphCreate, (void **graph, unsigned int flags),
       ((void)flags, *graph = graph_new(), SIM_OK))
SIM_FN(cuGraphDestroy, (void *graph), graph_destroy(graph))
SIM_FN(cuGraphGetNodes, (void *graph, void **nodes, size_t *count), get_nodes(graph, nodes, count))
SIM_FN(cuGraphInstantiate_v2, (void **exec, void *graph, void **node, char *log, size_t bytes),
       ((void)node, (void)log, (void)bytes, instantiate(exec, graph)))
SIM_FN(cuGraphInstantiateWithFlags, (void **exec, void *graph, unsigned long long flags),
       ((void)flags, instantiate(exec, graph)))
SIM_FN(cuGraphExecDestroy, (void *exec), exec_destroy(exec))
SIM_PAIR(cuGraphUpload, _ptsz, (void *exec, void *stream),
	 ((void)stream, (void)PER_THREAD, exec != NULL ? SIM_OK : SIM_INVALID_HANDLE))
SIM_PAIR(cuGraphLaunch, _ptsz, (void *exec, void *stream), launch_graph(exec, stream, PER_THREAD))
