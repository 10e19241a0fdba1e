// SPDX-License-Identifier: Apache-2.0
/*
 * Captures: calls on a stream become nodes of a graph. What must not happen
 * meanwhile spoils them, as with the real driver: the call is refused, and the
 * end of the capture says that it is invalid.
 */
#include <stdlib.h>

#include "layouts.h"
#include "watch.h"

enum mode { MODE_GLOBAL, MODE_THREAD, MODE_RELAXED };
enum status { STATUS_NONE, STATUS_ACTIVE, STATUS_INVALIDATED };

static struct sim_capture *captures; /* under sim_lock */
static uint64_t last_id;
static __thread enum mode thread_mode;

void sim_capture_spoil_locked(struct sim_capture *capture)
{
	capture->invalid = true;
}

struct sim_capture *sim_capture_find_locked(uint64_t id)
{
	struct sim_capture *capture;

	for (capture = captures; capture != NULL; capture = capture->next)
		if (capture->id == id)
			break;
	return capture;
}

/* Of the calls that may wait for the device, or may let others wait. */
int sim_unsafe(void)
{
	int result = SIM_OK;

	if (thread_mode == MODE_RELAXED)
		return SIM_OK;
	pthread_mutex_lock(&sim_lock);
	for (struct sim_capture *capture = captures; capture != NULL; capture = capture->next) {
		bool own = capture->thread_key == sim_thread_key();

		if (own ? capture->mode == MODE_RELAXED
			: capture->mode != MODE_GLOBAL || thread_mode != MODE_GLOBAL)
			continue;
		sim_capture_spoil_locked(capture);
		result = SIM_STREAM_CAPTURE_UNSUPPORTED;
	}
	pthread_mutex_unlock(&sim_lock);
	return result;
}

/* The legacy stream would wait for the blocking streams that are captured. */
static int implicit_locked(struct sim_stream *stream, bool spoil)
{
	int result = SIM_OK;

	if (stream->kind != SIM_STREAM_LEGACY || captures == NULL)
		return SIM_OK;
	for (struct sim_stream *other = stream->context->streams; other != NULL;
	     other = other->next) {
		if (other->capture == NULL || other->non_blocking)
			continue;
		if (spoil)
			sim_capture_spoil_locked(other->capture);
		result = SIM_STREAM_CAPTURE_IMPLICIT;
	}
	return result;
}

int sim_capture_check_locked(struct sim_stream *stream)
{
	if (stream->capture != NULL && stream->capture->invalid)
		return SIM_STREAM_CAPTURE_INVALIDATED;
	return implicit_locked(stream, true);
}

/* A context that is captured cannot be waited for. */
int sim_context_captures(struct sim_context *context)
{
	int result = SIM_OK;

	pthread_mutex_lock(&sim_lock);
	for (struct sim_stream *stream = context->streams; stream != NULL; stream = stream->next) {
		if (stream->capture == NULL)
			continue;
		sim_capture_spoil_locked(stream->capture);
		result = SIM_STREAM_CAPTURE_UNSUPPORTED;
	}
	pthread_mutex_unlock(&sim_lock);
	return result != SIM_OK ? result : sim_unsafe();
}

int sim_capture_op_locked(struct sim_stream *stream, struct sim_op *op)
{
	struct sim_node *node =
	    sim_node_new(stream->capture->graph, sim_node_type_of(op), &stream->frontier);

	sim_node_set_op(node, op);
	node->context = stream->context;
	if (op->work == SIM_WORK_FREE)
		node->address = op->move.address;
	sim_nodes_clear(&stream->frontier);
	sim_nodes_add(&stream->frontier, node);
	return SIM_OK;
}

static int begin(void *handle, struct sim_graph *graph, void **depends, size_t count, int mode,
		 bool per_thread)
{
	struct sim_capture *capture;
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (mode < MODE_GLOBAL || mode > MODE_RELAXED)
		return SIM_INVALID_VALUE;
	if (stream->kind == SIM_STREAM_LEGACY)
		return SIM_STREAM_CAPTURE_UNSUPPORTED;
	if ((graph != NULL && !sim_is_graph(graph)) || (count != 0 && depends == NULL))
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&sim_lock);
	if (stream->capture != NULL) {
		pthread_mutex_unlock(&sim_lock);
		return SIM_ILLEGAL_STATE;
	}
	capture = calloc(1, sizeof(*capture));
	capture->to_graph = graph != NULL;
	capture->graph = graph != NULL ? graph : sim_graph_new();
	capture->origin = stream;
	capture->id = ++last_id;
	capture->thread_key = sim_thread_key();
	capture->mode = mode;
	capture->next = captures;
	captures = capture;
	stream->capture = capture;
	for (size_t i = 0; i < count; i++)
		sim_nodes_add(&stream->frontier, depends[i]);
	pthread_mutex_unlock(&sim_lock);
	return SIM_OK;
}

/* Marks what a node depends on, and itself. */
static void mark(struct sim_node *node, int value)
{
	if (node->mark == value)
		return;
	node->mark = value;
	for (size_t i = 0; i < node->depends.count; i++)
		mark(node->depends.items[i], value);
}

/* Whether all that was forked came back to the stream that began. */
static bool all_joined(struct sim_capture *capture)
{
	static int last_mark = 1 << 20;
	int value = ++last_mark;

	for (size_t i = 0; i < capture->origin->frontier.count; i++)
		mark(capture->origin->frontier.items[i], value);
	for (struct sim_stream *stream = capture->origin->context->streams; stream != NULL;
	     stream = stream->next) {
		if (stream->capture != capture || stream == capture->origin)
			continue;
		for (size_t i = 0; i < stream->frontier.count; i++)
			if (stream->frontier.items[i]->mark != value)
				return false;
	}
	return true;
}

static void forget_locked(struct sim_capture *capture)
{
	struct sim_capture **link = &captures;

	while (*link != capture)
		link = &(*link)->next;
	*link = capture->next;
	for (struct sim_stream *stream = capture->origin->context->streams; stream != NULL;
	     stream = stream->next) {
		if (stream->capture != capture)
			continue;
		stream->capture = NULL;
		sim_nodes_clear(&stream->frontier);
	}
}

static int end_locked(struct sim_stream *stream, void **graph)
{
	struct sim_capture *capture = stream->capture;
	int result = SIM_OK;

	if (capture == NULL)
		return SIM_ILLEGAL_STATE;
	if (capture->origin != stream)
		return SIM_STREAM_CAPTURE_UNMATCHED;
	if (capture->mode != MODE_RELAXED && capture->thread_key != sim_thread_key())
		return SIM_STREAM_CAPTURE_WRONG_THREAD;
	if (capture->invalid)
		result = SIM_STREAM_CAPTURE_INVALIDATED;
	else if (!all_joined(capture))
		result = SIM_STREAM_CAPTURE_UNJOINED;
	forget_locked(capture);
	if (result == SIM_OK)
		*graph = capture->graph;
	else if (!capture->to_graph)
		sim_graph_free(capture->graph);
	free(capture);
	return result;
}

static int end(void *handle, void **graph, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);
	void *made = NULL;

	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&sim_lock);
	result = end_locked(stream, &made);
	pthread_mutex_unlock(&sim_lock);
	if (graph != NULL)
		*graph = made;
	return result;
}

struct facts {
	int *status;
	uint64_t *id;
	void **graph;
	struct sim_node ***depends;
	const struct sim_edge **edges;
	size_t *count;
};

static int info(void *handle, struct facts facts, bool per_thread)
{
	static const struct sim_edge no_edges[256];
	struct sim_capture *capture;
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (facts.status == NULL)
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&sim_lock);
	result = implicit_locked(stream, false);
	capture = stream->capture;
	*facts.status = capture == NULL    ? STATUS_NONE
			: capture->invalid ? STATUS_INVALIDATED
					   : STATUS_ACTIVE;
	if (capture != NULL && !capture->invalid) {
		if (facts.id != NULL)
			*facts.id = capture->id;
		if (facts.graph != NULL)
			*facts.graph = capture->graph;
		if (facts.depends != NULL)
			*facts.depends = stream->frontier.items;
		if (facts.edges != NULL)
			*facts.edges = stream->frontier.count <= 256 ? no_edges : NULL;
		if (facts.count != NULL)
			*facts.count = stream->frontier.count;
	}
	pthread_mutex_unlock(&sim_lock);
	return result;
}

/* Flags 0: these too; 1: only these. */
static int update(void *handle, struct sim_node **nodes, size_t count, unsigned int flags,
		  bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (flags > 1 || (count != 0 && nodes == NULL))
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&sim_lock);
	if (stream->capture == NULL) {
		result = SIM_ILLEGAL_STATE;
	} else if (stream->capture->invalid) {
		result = SIM_STREAM_CAPTURE_INVALIDATED;
	} else {
		if (flags == 1)
			sim_nodes_clear(&stream->frontier);
		for (size_t i = 0; i < count; i++)
			sim_nodes_add(&stream->frontier, nodes[i]);
	}
	pthread_mutex_unlock(&sim_lock);
	return result;
}

static int exchange(int *mode)
{
	enum mode old = thread_mode;

	if (mode == NULL || *mode < MODE_GLOBAL || *mode > MODE_RELAXED)
		return SIM_INVALID_VALUE;
	thread_mode = *mode;
	*mode = old;
	return SIM_OK;
}

SIM_PAIR(cuStreamBeginCapture, _ptsz, (void *stream),
	 begin(stream, NULL, NULL, 0, MODE_GLOBAL, PER_THREAD))
SIM_PAIR(cuStreamBeginCapture_v2, _ptsz, (void *stream, int mode),
	 begin(stream, NULL, NULL, 0, mode, PER_THREAD))
SIM_PAIR(cuStreamBeginCaptureToGraph, _ptsz,
	 (void *stream, void *graph, void **depends, const void *edges, size_t count, int mode),
	 ((void)edges, graph == NULL ? SIM_INVALID_VALUE
				     : begin(stream, graph, depends, count, mode, PER_THREAD)))
SIM_PAIR(cuStreamEndCapture, _ptsz, (void *stream, void **graph), end(stream, graph, PER_THREAD))
SIM_PAIR(cuStreamIsCapturing, _ptsz, (void *stream, int *status),
	 info(stream, (struct facts){.status = status}, PER_THREAD))
SIM_PAIR(cuStreamGetCaptureInfo, _ptsz, (void *stream, int *status, uint64_t *id),
	 info(stream, (struct facts){.status = status, .id = id}, PER_THREAD))
SIM_PAIR(cuStreamGetCaptureInfo_v2, _ptsz,
	 (void *stream, int *status, uint64_t *id, void **graph, struct sim_node ***depends,
	  size_t *count),
	 info(stream,
	      (struct facts){
		  .status = status, .id = id, .graph = graph, .depends = depends, .count = count},
	      PER_THREAD))
SIM_PAIR(cuStreamGetCaptureInfo_v3, _ptsz,
	 (void *stream, int *status, uint64_t *id, void **graph, struct sim_node ***depends,
	  const struct sim_edge **edges, size_t *count),
	 info(stream, (struct facts){status, id, graph, depends, edges, count}, PER_THREAD))
SIM_PAIR(cuStreamUpdateCaptureDependencies, _ptsz,
	 (void *stream, struct sim_node **nodes, size_t count, unsigned int flags),
	 update(stream, nodes, count, flags, PER_THREAD))
SIM_PAIR(cuStreamUpdateCaptureDependencies_v2, _ptsz,
	 (void *stream, struct sim_node **nodes, const void *edges, size_t count,
	  unsigned int flags),
	 ((void)edges, update(stream, nodes, count, flags, PER_THREAD)))
SIM_FN(cuThreadExchangeStreamCaptureMode, (int *mode), exchange(mode))
