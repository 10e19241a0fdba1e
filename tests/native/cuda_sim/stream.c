// SPDX-License-Identifier: Apache-2.0
/*
 * Streams and events: queues that workers empty in order.
 *
 * A ticket is the number of an operation in its stream. The legacy default
 * stream waits for the other blocking streams of its context and they for
 * it; waiting for an event is waiting for a ticket.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "sim.h"

pthread_mutex_t sim_lock = PTHREAD_MUTEX_INITIALIZER;

uint64_t sim_thread_key(void)
{
	static _Atomic uint64_t last;
	static __thread uint64_t key;

	if (key == 0)
		key = atomic_fetch_add(&last, 1) + 1;
	return key;
}

struct sim_op *sim_op_new(void (*run)(struct sim_op *), enum sim_engine engine, uint64_t cost_ns)
{
	struct sim_op *op = calloc(1, sizeof(*op));

	op->run = run;
	op->engine = engine;
	op->cost_ns = cost_ns;
	return op;
}

void sim_op_free(struct sim_op *op)
{
	if (op->release != NULL)
		op->release(op);
	free(op->depends);
	free(op);
}

static void execute(struct sim_stream *stream, struct sim_op *op)
{
	pthread_mutex_t *engine = NULL;
	uint64_t start_ns;

	if (op->engine != SIM_ENGINE_NONE) {
		engine = &stream->context->device->engine[op->engine];
		pthread_mutex_lock(engine);
	}
	start_ns = op->cost_ns != 0 ? sim_now_ns() : 0;
	if (op->run != NULL)
		op->run(op);
	if (op->cost_ns != 0)
		sim_sleep_until(start_ns + op->cost_ns);
	if (engine != NULL)
		pthread_mutex_unlock(engine);
}

static void wait_locked(struct sim_ticket ticket)
{
	while (ticket.stream->completed < ticket.number)
		pthread_cond_wait(&ticket.stream->done, &sim_lock);
}

static void *worker(void *argument)
{
	struct sim_stream *stream = argument;

	prctl(PR_SET_NAME, "sim-stream");
	prctl(PR_SET_TIMERSLACK, 1ul);
	pthread_mutex_lock(&sim_lock);
	for (;;) {
		struct sim_op *op;

		while (stream->head == NULL && !stream->stop)
			pthread_cond_wait(&stream->work, &sim_lock);
		op = stream->head;
		if (op == NULL)
			break;
		for (size_t i = 0; i < op->depends_count; i++)
			wait_locked(op->depends[i]);
		pthread_mutex_unlock(&sim_lock);
		execute(stream, op);
		pthread_mutex_lock(&sim_lock);
		stream->head = op->next;
		if (stream->head == NULL)
			stream->tail = NULL;
		stream->completed++;
		pthread_cond_broadcast(&stream->done);
		sim_op_free(op);
	}
	stream->started = false;
	pthread_cond_broadcast(&stream->done);
	pthread_mutex_unlock(&sim_lock);
	return NULL;
}

static void depend(struct sim_op *op, struct sim_stream *stream)
{
	if (stream->completed >= stream->enqueued)
		return;
	op->depends = realloc(op->depends, (op->depends_count + 1) * sizeof(*op->depends));
	op->depends[op->depends_count++] = (struct sim_ticket){stream, stream->enqueued};
}

/* What the rules of the legacy default stream add. */
static void depend_on_others(struct sim_stream *stream, struct sim_op *op)
{
	struct sim_context *context = stream->context;

	if (stream->non_blocking)
		return;
	if (stream != context->legacy) {
		depend(op, context->legacy);
		return;
	}
	for (struct sim_stream *other = context->streams; other != NULL; other = other->next)
		if (other != stream && !other->non_blocking)
			depend(op, other);
}

static void capture_op(struct sim_capture *capture, struct sim_op *op)
{
	struct sim_graph *graph = capture->graph;

	if (graph->last != NULL)
		graph->last->next = op;
	else
		graph->first = op;
	graph->last = op;
	graph->count++;
}

static int start_worker(struct sim_stream *stream)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attributes, worker, stream);
	pthread_attr_destroy(&attributes);
	stream->started = error == 0;
	return error == 0 ? SIM_OK : SIM_OUT_OF_MEMORY;
}

/* Takes the operation over, whatever the result. */
int sim_submit(struct sim_stream *stream, struct sim_op *op, struct sim_ticket *ticket)
{
	int result = SIM_OK;

	if (ticket != NULL)
		*ticket = (struct sim_ticket){stream, 0};
	pthread_mutex_lock(&sim_lock);
	if (stream->capture != NULL) {
		capture_op(stream->capture, op);
		goto out;
	}
	depend_on_others(stream, op);
	if (sim_inline) {
		for (size_t i = 0; i < op->depends_count; i++)
			wait_locked(op->depends[i]);
		stream->enqueued++;
		pthread_mutex_unlock(&sim_lock);
		execute(stream, op);
		sim_op_free(op);
		pthread_mutex_lock(&sim_lock);
		stream->completed++;
		pthread_cond_broadcast(&stream->done);
		goto out;
	}
	if (!stream->started)
		result = start_worker(stream);
	if (result != SIM_OK) {
		sim_op_free(op);
		goto out;
	}
	if (stream->tail != NULL) {
		stream->tail->next = op;
	} else {
		stream->head = op;
		pthread_cond_signal(&stream->work);
	}
	stream->tail = op;
	stream->enqueued++;
	if (ticket != NULL)
		ticket->number = stream->enqueued;
out:
	pthread_mutex_unlock(&sim_lock);
	return result;
}

void sim_wait(struct sim_ticket ticket)
{
	pthread_mutex_lock(&sim_lock);
	wait_locked(ticket);
	pthread_mutex_unlock(&sim_lock);
}

int sim_submit_and_wait(struct sim_stream *stream, struct sim_op *op)
{
	struct sim_ticket ticket;
	int result;

	if (stream->capture != NULL) {
		sim_op_free(op);
		return SIM_CAPTURE_UNSUPPORTED;
	}
	result = sim_submit(stream, op, &ticket);
	if (result == SIM_OK)
		sim_wait(ticket);
	return result;
}

int sim_synchronize(struct sim_stream *stream)
{
	if (stream->capture != NULL)
		return SIM_CAPTURE_UNSUPPORTED;
	pthread_mutex_lock(&sim_lock);
	wait_locked((struct sim_ticket){stream, stream->enqueued});
	pthread_mutex_unlock(&sim_lock);
	return SIM_OK;
}

struct sim_stream *sim_stream_new(struct sim_context *context, enum sim_stream_kind kind,
				  unsigned int flags, int priority)
{
	static _Atomic uint64_t last_id;
	struct sim_stream *stream = calloc(1, sizeof(*stream));

	stream->magic = SIM_MAGIC_STREAM;
	stream->kind = kind;
	stream->context = context;
	stream->non_blocking = (flags & 1) != 0;
	stream->priority = priority;
	stream->id = atomic_fetch_add(&last_id, 1) + 1;
	stream->thread_key = kind == SIM_STREAM_PER_THREAD ? sim_thread_key() : 0;
	pthread_cond_init(&stream->work, NULL);
	pthread_cond_init(&stream->done, NULL);
	pthread_mutex_lock(&sim_lock);
	stream->next = context->streams;
	context->streams = stream;
	pthread_mutex_unlock(&sim_lock);
	return stream;
}

/* The worker finishes its queue and ends; the stream itself stays linked. */
void sim_stream_close(struct sim_stream *stream)
{
	pthread_mutex_lock(&sim_lock);
	stream->magic = 0;
	stream->stop = true;
	pthread_cond_signal(&stream->work);
	pthread_mutex_unlock(&sim_lock);
}

static struct sim_stream *per_thread_stream(struct sim_context *context)
{
	uint64_t key = sim_thread_key();

	for (struct sim_stream *stream = context->streams; stream != NULL; stream = stream->next)
		if (stream->kind == SIM_STREAM_PER_THREAD && stream->thread_key == key &&
		    stream->magic == SIM_MAGIC_STREAM)
			return stream;
	return sim_stream_new(context, SIM_STREAM_PER_THREAD, 0, 0);
}

int sim_stream_of(void *handle, bool per_thread, struct sim_stream **stream)
{
	uintptr_t value = (uintptr_t)handle;
	struct sim_context *context;
	int result;

	if (value > 2) {
		if (!atomic_load(&sim_ready))
			return SIM_NOT_INITIALIZED;
		*stream = handle;
		return (*stream)->magic == SIM_MAGIC_STREAM ? SIM_OK : SIM_INVALID_HANDLE;
	}
	result = sim_current(&context);
	if (result != SIM_OK)
		return result;
	if (value == 2 || (value == 0 && per_thread))
		*stream = per_thread_stream(context);
	else
		*stream = context->legacy;
	return SIM_OK;
}

static int create(void **handle, unsigned int flags, int priority)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	if (handle == NULL || flags > 1)
		return SIM_INVALID_VALUE;
	*handle = sim_stream_new(context, SIM_STREAM_USER, flags, priority);
	return SIM_OK;
}

static int destroy(void *handle)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, false, &stream);

	if (result != SIM_OK)
		return result;
	if (stream->kind != SIM_STREAM_USER)
		return SIM_INVALID_HANDLE;
	sim_stream_close(stream);
	return SIM_OK;
}

static int synchronize(void *handle, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	return result == SIM_OK ? sim_synchronize(stream) : result;
}

static int query(void *handle, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&sim_lock);
	result = stream->completed < stream->enqueued ? SIM_NOT_READY : SIM_OK;
	pthread_mutex_unlock(&sim_lock);
	return result;
}

enum fact { FACT_FLAGS, FACT_PRIORITY, FACT_ID, FACT_CONTEXT, FACT_DEVICE };

static int get_fact(void *handle, bool per_thread, enum fact fact, void *out)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	switch (fact) {
	case FACT_FLAGS:
		*(unsigned int *)out = stream->non_blocking;
		break;
	case FACT_PRIORITY:
		*(int *)out = stream->priority;
		break;
	case FACT_ID:
		*(uint64_t *)out = stream->id;
		break;
	case FACT_CONTEXT:
		*(void **)out = stream->context;
		break;
	case FACT_DEVICE:
		*(int *)out = sim_ordinal_of(stream->context->device);
		break;
	}
	return SIM_OK;
}

/* Events */

static void release_event(struct sim_op *op)
{
	if (atomic_fetch_sub(&op->event->references, 1) == 1)
		free(op->event);
}

static void stamp(struct sim_op *op)
{
	op->event->time_ns = sim_now_ns();
}

static int event_of(void *handle, struct sim_event **event)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	*event = handle;
	return handle != NULL && (*event)->magic == SIM_MAGIC_EVENT ? SIM_OK : SIM_INVALID_HANDLE;
}

static int event_create(void **handle, unsigned int flags)
{
	struct sim_context *context;
	struct sim_event *event;
	int result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	event = calloc(1, sizeof(*event));
	event->magic = SIM_MAGIC_EVENT;
	event->flags = flags;
	event->references = 1;
	*handle = event;
	return SIM_OK;
}

static int event_destroy(void *handle)
{
	struct sim_event *event;
	int result = event_of(handle, &event);

	if (result != SIM_OK)
		return result;
	event->magic = 0;
	if (atomic_fetch_sub(&event->references, 1) == 1)
		free(event);
	return SIM_OK;
}

static int event_record(void *handle, void *stream_handle, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_event *event;
	struct sim_op *op;
	int result = event_of(handle, &event);

	if (result == SIM_OK)
		result = sim_stream_of(stream_handle, per_thread, &stream);
	if (result != SIM_OK)
		return result;
	event->capture = stream->capture;
	op = sim_op_new(stamp, SIM_ENGINE_NONE, 0);
	op->event = event;
	op->release = release_event;
	atomic_fetch_add(&event->references, 1);
	return sim_submit(stream, op, &event->recorded);
}

static bool event_done(const struct sim_event *event)
{
	return event->recorded.stream == NULL ||
	       event->recorded.stream->completed >= event->recorded.number;
}

static int event_query(void *handle)
{
	struct sim_event *event;
	int result = event_of(handle, &event);

	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&sim_lock);
	result = event_done(event) ? SIM_OK : SIM_NOT_READY;
	pthread_mutex_unlock(&sim_lock);
	return result;
}

static int event_synchronize(void *handle)
{
	struct sim_event *event;
	int result = event_of(handle, &event);

	if (result != SIM_OK)
		return result;
	if (event->recorded.stream != NULL)
		sim_wait(event->recorded);
	return SIM_OK;
}

static int event_elapsed(float *milliseconds, void *from, void *to)
{
	struct sim_event *start, *end;
	int result = event_of(from, &start);

	if (result == SIM_OK)
		result = event_of(to, &end);
	if (result != SIM_OK)
		return result;
	/* 2: made without timing. */
	if (start->recorded.stream == NULL || end->recorded.stream == NULL ||
	    ((start->flags | end->flags) & 2))
		return SIM_INVALID_HANDLE;
	if (event_query(from) != SIM_OK || event_query(to) != SIM_OK)
		return SIM_NOT_READY;
	*milliseconds = (float)((double)((int64_t)(end->time_ns - start->time_ns)) / 1e6);
	return SIM_OK;
}

static int wait_event(void *stream_handle, void *handle, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_event *event;
	struct sim_op *op;
	int result = event_of(handle, &event);

	if (result == SIM_OK)
		result = sim_stream_of(stream_handle, per_thread, &stream);
	if (result != SIM_OK)
		return result;
	if (event->capture != NULL) {
		stream->capture = event->capture; /* it joins the capture */
		return SIM_OK;
	}
	if (event->recorded.stream == NULL)
		return SIM_OK;
	op = sim_op_new(NULL, SIM_ENGINE_NONE, 0);
	op->depends = malloc(sizeof(*op->depends));
	op->depends[0] = event->recorded;
	op->depends_count = 1;
	return sim_submit(stream, op, NULL);
}

SIM_FN(cuStreamCreate, (void **handle, unsigned int flags), create(handle, flags, 0))
SIM_FN(cuStreamCreateWithPriority, (void **handle, unsigned int flags, int priority),
       create(handle, flags, priority))
SIM_FN(cuStreamDestroy_v2, (void *handle), destroy(handle))
SIM_PAIR(cuStreamSynchronize, _ptsz, (void *handle), synchronize(handle, PER_THREAD))
SIM_PAIR(cuStreamQuery, _ptsz, (void *handle), query(handle, PER_THREAD))
SIM_PAIR(cuStreamWaitEvent, _ptsz, (void *handle, void *event, unsigned int flags),
	 ((void)flags, wait_event(handle, event, PER_THREAD)))
SIM_PAIR(cuStreamGetFlags, _ptsz, (void *handle, unsigned int *out),
	 get_fact(handle, PER_THREAD, FACT_FLAGS, out))
SIM_PAIR(cuStreamGetPriority, _ptsz, (void *handle, int *out),
	 get_fact(handle, PER_THREAD, FACT_PRIORITY, out))
SIM_PAIR(cuStreamGetId, _ptsz, (void *handle, unsigned long long *out),
	 get_fact(handle, PER_THREAD, FACT_ID, out))
SIM_PAIR(cuStreamGetCtx, _ptsz, (void *handle, void **out),
	 get_fact(handle, PER_THREAD, FACT_CONTEXT, out))
SIM_PAIR(cuStreamGetCtx_v2, _ptsz, (void *handle, void **out, void **green),
	 (*green = NULL, get_fact(handle, PER_THREAD, FACT_CONTEXT, out)))
SIM_PAIR(cuStreamGetDevice, _ptsz, (void *handle, int *out),
	 get_fact(handle, PER_THREAD, FACT_DEVICE, out))
SIM_FN(cuEventCreate, (void **handle, unsigned int flags), event_create(handle, flags))
SIM_FN(cuEventDestroy_v2, (void *handle), event_destroy(handle))
SIM_PAIR(cuEventRecord, _ptsz, (void *handle, void *stream),
	 event_record(handle, stream, PER_THREAD))
SIM_PAIR(cuEventRecordWithFlags, _ptsz, (void *handle, void *stream, unsigned int flags),
	 ((void)flags, event_record(handle, stream, PER_THREAD)))
SIM_FN(cuEventQuery, (void *handle), event_query(handle))
SIM_FN(cuEventSynchronize, (void *handle), event_synchronize(handle))
SIM_FN(cuEventElapsedTime, (float *milliseconds, void *from, void *to),
       event_elapsed(milliseconds, from, to))
SIM_FN(cuEventElapsedTime_v2, (float *milliseconds, void *from, void *to),
       event_elapsed(milliseconds, from, to))
