// SPDX-License-Identifier: Apache-2.0
/* Streams, events, captures and graphs. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define STREAMS 64

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct stream *streams[STREAMS];
static struct stream legacy = {.end = &legacy.first};
static __thread struct stream *own;
static struct counter *counters;
static uint64_t moved[WAYS];

void sim_lock(void)
{
	pthread_mutex_lock(&lock);
}

void sim_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* What it guards is whole in a child, which has a thread of another number. */
static void free_in_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

__attribute__((constructor)) static void hold_over_forks(void)
{
	pthread_atfork(sim_lock, sim_unlock, free_in_child);
}

static uint64_t work_left = UINT64_MAX;

int sim_state(void)
{
	return __atomic_load_n(&work_left, __ATOMIC_RELAXED) == 0 ? DEVICE_LOST : SUCCESS;
}

/* The device is lost after so many operations; 0: now. */
void anaros_sim_lose(uint64_t operations);
void anaros_sim_lose(uint64_t operations)
{
	__atomic_store_n(&work_left, operations, __ATOMIC_RELAXED);
}

void sim_count(struct counter *counter)
{
	sim_lock();
	if (counter->calls++ == 0) {
		counter->next = counters;
		counters = counter;
	}
	sim_unlock();
}

uint64_t anaros_sim_calls(const char *name);
uint64_t anaros_sim_calls(const char *name)
{
	uint64_t calls = 0;

	sim_lock();
	for (const struct counter *counter = counters; counter != NULL; counter = counter->next)
		if (strcmp(counter->name, name) == 0)
			calls += counter->calls;
	sim_unlock();
	return calls;
}

uint64_t anaros_sim_bytes(int way);
uint64_t anaros_sim_bytes(int way)
{
	return moved[way];
}

void sim_moved(int way, uint64_t bytes)
{
	moved[way] += bytes;
}

static struct stream *new_stream(void)
{
	for (int i = 0; i < STREAMS; i++)
		if (streams[i] == NULL) {
			streams[i] = calloc(1, sizeof(*streams[i]));
			streams[i]->end = &streams[i]->first;
			return streams[i];
		}
	return NULL;
}

struct stream *sim_stream(void *handle, bool per_thread)
{
	if ((handle == NULL && per_thread) || handle == (void *)2) {
		if (own == NULL)
			own = new_stream();
		return own;
	}
	return handle == NULL || handle == (void *)1 ? &legacy : handle;
}

void sim_drain(struct stream *stream, uint64_t ticket)
{
	while (stream->done < ticket && stream->first != NULL) {
		struct op *op = stream->first;

		stream->first = op->next;
		if (stream->first == NULL)
			stream->end = &stream->first;
		if (op->other != NULL)
			sim_drain(op->other, op->ticket);
		if (op->run != NULL)
			op->run(op);
		stream->done++;
		free(op);
	}
}

void sim_drain_all(void)
{
	sim_drain(&legacy, UINT64_MAX);
	for (int i = 0; i < STREAMS; i++)
		if (streams[i] != NULL)
			sim_drain(streams[i], UINT64_MAX);
}

static struct op *append(struct op ***end, const struct op *op)
{
	struct op *copy = malloc(sizeof(*copy));

	*copy = *op;
	copy->next = NULL;
	**end = copy;
	*end = &copy->next;
	return copy;
}

int sim_enqueue(struct stream *stream, const struct op *op)
{
	if (work_left == 0)
		return DEVICE_LOST;
	work_left -= work_left != UINT64_MAX;
	if (stream->capture != NULL) {
		append(&stream->capture->end, op);
		return SUCCESS;
	}
	append(&stream->end, op);
	stream->enqueued++;
	return SUCCESS;
}

int hipStreamCreateWithFlags(void **stream, unsigned int flags);
int hipStreamCreateWithFlags(void **stream, unsigned int flags)
{
	COUNT(hipStreamCreateWithFlags);
	(void)flags;
	if (stream == NULL)
		return INVALID_VALUE;
	sim_lock();
	*stream = new_stream();
	sim_unlock();
	return *stream != NULL ? SUCCESS : OUT_OF_MEMORY;
}

int hipStreamDestroy(void *stream);
int hipStreamDestroy(void *stream)
{
	int result = INVALID_VALUE;

	COUNT(hipStreamDestroy);
	sim_lock();
	for (int i = 0; i < STREAMS; i++)
		if (stream != NULL && streams[i] == stream) {
			sim_drain(stream, UINT64_MAX);
			streams[i] = NULL;
			free(stream);
			result = SUCCESS;
		}
	sim_unlock();
	return result;
}

static int synchronize(struct stream *stream)
{
	int result = sim_state();

	if (result != SUCCESS)
		return result;
	sim_lock();
	if (stream->capture != NULL) {
		stream->spoiled = true;
		result = CAPTURE_UNSUPPORTED;
	} else {
		sim_drain(stream, UINT64_MAX);
	}
	sim_unlock();
	return result;
}

int hipStreamSynchronize(void *stream);
int hipStreamSynchronize(void *stream)
{
	COUNT(hipStreamSynchronize);
	return synchronize(sim_stream(stream, false));
}

int hipStreamSynchronize_spt(void *stream);
int hipStreamSynchronize_spt(void *stream)
{
	COUNT(hipStreamSynchronize_spt);
	return synchronize(sim_stream(stream, true));
}

int hipDeviceSynchronize(void);
int hipDeviceSynchronize(void)
{
	COUNT(hipDeviceSynchronize);
	if (sim_state() != SUCCESS)
		return sim_state();
	sim_lock();
	sim_drain_all();
	sim_unlock();
	return SUCCESS;
}

/* One operation goes on with each question. */
int hipStreamQuery(void *handle);
int hipStreamQuery(void *handle)
{
	struct stream *stream = sim_stream(handle, false);
	int result;

	COUNT(hipStreamQuery);
	sim_lock();
	result = stream->first == NULL ? SUCCESS : NOT_READY;
	sim_drain(stream, stream->done + 1);
	sim_unlock();
	return result;
}

struct event {
	struct stream *stream;
	uint64_t ticket;
};

int hipEventCreate(void **event);
int hipEventCreate(void **event)
{
	COUNT(hipEventCreate);
	*event = calloc(1, sizeof(struct event));
	return SUCCESS;
}

int hipEventDestroy(void *event);
int hipEventDestroy(void *event)
{
	COUNT(hipEventDestroy);
	free(event);
	return SUCCESS;
}

static int record(struct event *event, struct stream *stream)
{
	if (event == NULL)
		return INVALID_VALUE;
	if (sim_state() != SUCCESS)
		return sim_state();
	sim_lock();
	event->stream = stream;
	event->ticket = stream->enqueued;
	sim_unlock();
	return SUCCESS;
}

int hipEventRecord(void *event, void *stream);
int hipEventRecord(void *event, void *stream)
{
	COUNT(hipEventRecord);
	return record(event, sim_stream(stream, false));
}

int hipEventRecord_spt(void *event, void *stream);
int hipEventRecord_spt(void *event, void *stream)
{
	COUNT(hipEventRecord_spt);
	return record(event, sim_stream(stream, true));
}

int hipEventSynchronize(void *handle);
int hipEventSynchronize(void *handle)
{
	const struct event *event = handle;

	COUNT(hipEventSynchronize);
	if (sim_state() != SUCCESS)
		return sim_state();
	sim_lock();
	if (event->stream != NULL)
		sim_drain(event->stream, event->ticket);
	sim_unlock();
	return SUCCESS;
}

int hipEventQuery(void *handle);
int hipEventQuery(void *handle)
{
	const struct event *event = handle;

	COUNT(hipEventQuery);
	if (sim_state() != SUCCESS)
		return sim_state();
	return event->stream == NULL || event->stream->done >= event->ticket ? SUCCESS : NOT_READY;
}

int hipStreamWaitEvent(void *handle, void *event_handle, unsigned int flags);
int hipStreamWaitEvent(void *handle, void *event_handle, unsigned int flags)
{
	struct stream *stream = sim_stream(handle, false);
	const struct event *event = event_handle;
	int result = SUCCESS;

	COUNT(hipStreamWaitEvent);
	(void)flags;
	sim_lock();
	/* What waits for an event of a capture becomes part of it. */
	if (event->stream != NULL && event->stream->capture != NULL)
		stream->capture = event->stream->capture;
	else
		result = sim_enqueue(stream,
				     &(struct op){.other = event->stream, .ticket = event->ticket});
	sim_unlock();
	return result;
}

int hipStreamBeginCapture(void *handle, int mode);
int hipStreamBeginCapture(void *handle, int mode)
{
	struct stream *stream = sim_stream(handle, false);

	COUNT(hipStreamBeginCapture);
	(void)mode;
	if (stream == &legacy)
		return CAPTURE_UNSUPPORTED;
	if (stream->capture != NULL)
		return INVALID_VALUE;
	stream->capture = calloc(1, sizeof(*stream->capture));
	stream->capture->end = &stream->capture->first;
	stream->spoiled = false;
	return SUCCESS;
}

int hipStreamEndCapture(void *handle, void **graph);
int hipStreamEndCapture(void *handle, void **graph)
{
	struct stream *stream = sim_stream(handle, false);
	struct graph *captured = stream->capture;

	COUNT(hipStreamEndCapture);
	if (captured == NULL)
		return INVALID_VALUE;
	for (int i = 0; i < STREAMS; i++)
		if (streams[i] != NULL && streams[i]->capture == captured)
			streams[i]->capture = NULL;
	*graph = stream->spoiled ? NULL : captured;
	return stream->spoiled ? CAPTURE_UNSUPPORTED : SUCCESS;
}

int hipGraphInstantiate(void **executable, void *graph, void **node, char *log, size_t size);
int hipGraphInstantiate(void **executable, void *graph, void **node, char *log, size_t size)
{
	struct graph *made = calloc(1, sizeof(*made));

	COUNT(hipGraphInstantiate);
	(void)node;
	(void)log;
	(void)size;
	made->end = &made->first;
	for (const struct op *op = ((struct graph *)graph)->first; op != NULL; op = op->next)
		append(&made->end, op);
	*executable = made;
	return SUCCESS;
}

static int release(struct graph *graph)
{
	while (graph->first != NULL) {
		struct op *op = graph->first;

		graph->first = op->next;
		free(op);
	}
	free(graph);
	return SUCCESS;
}

int hipGraphExecDestroy(void *executable);
int hipGraphExecDestroy(void *executable)
{
	COUNT(hipGraphExecDestroy);
	return release(executable);
}

int hipGraphDestroy(void *graph);
int hipGraphDestroy(void *graph)
{
	COUNT(hipGraphDestroy);
	return release(graph);
}

int hipGraphLaunch(void *executable, void *handle);
int hipGraphLaunch(void *executable, void *handle)
{
	struct stream *stream = sim_stream(handle, false);

	COUNT(hipGraphLaunch);
	sim_lock();
	for (const struct op *op = ((struct graph *)executable)->first; op != NULL; op = op->next)
		sim_enqueue(stream, op);
	sim_unlock();
	return SUCCESS;
}
