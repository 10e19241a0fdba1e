// SPDX-License-Identifier: Apache-2.0
/*
 * Queues that workers empty in order.
 *
 * A ticket is the number of an operation in its stream. The legacy default
 * stream waits for the other blocking streams of its context and they for
 * it; waiting for an event is waiting for a ticket.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/prctl.h>

#include "watch.h"

pthread_mutex_t sim_lock = PTHREAD_MUTEX_INITIALIZER;

uint64_t sim_thread_key(void)
{
	static _Atomic uint64_t last;
	static __thread uint64_t key;

	if (key == 0)
		key = atomic_fetch_add(&last, 1) + 1;
	return key;
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
		sim_op_execute(op);
		pthread_mutex_lock(&sim_lock);
		stream->head = op->next;
		if (stream->head == NULL)
			stream->tail = NULL;
		stream->completed++;
		pthread_cond_broadcast(&stream->done);
		pthread_mutex_unlock(&sim_lock);
		sim_op_free(op);
		pthread_mutex_lock(&sim_lock);
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

static void run_inline_locked(struct sim_stream *stream, struct sim_op *op)
{
	uint64_t number = ++stream->enqueued;

	for (size_t i = 0; i < op->depends_count; i++)
		wait_locked(op->depends[i]);
	/* Another thread's turn in this stream comes first. */
	wait_locked((struct sim_ticket){stream, number - 1});
	pthread_mutex_unlock(&sim_lock);
	sim_op_execute(op);
	sim_op_free(op);
	pthread_mutex_lock(&sim_lock);
	stream->completed++;
	pthread_cond_broadcast(&stream->done);
}

static int enqueue_locked(struct sim_stream *stream, struct sim_op *op)
{
	if (!stream->started && start_worker(stream) != SIM_OK) {
		sim_op_free(op);
		return SIM_OUT_OF_MEMORY;
	}
	if (stream->tail != NULL) {
		stream->tail->next = op;
	} else {
		stream->head = op;
		pthread_cond_signal(&stream->work);
	}
	stream->tail = op;
	stream->enqueued++;
	return SIM_OK;
}

static void describe(struct sim_stream *stream, struct sim_op *op)
{
	op->stream = stream;
	if (atomic_load_explicit(&sim_watched, memory_order_relaxed) == 0)
		return;
	op->fault = sim_fault_work(op->work);
	op->correlation = sim_correlation();
	if (sim_observer() != NULL)
		op->queued_ns = sim_now_ns();
}

/* Takes the operation over, whatever the result. */
int sim_submit(struct sim_stream *stream, struct sim_op *op, struct sim_ticket *ticket)
{
	int result;

	if (ticket != NULL)
		*ticket = (struct sim_ticket){stream, 0};
	pthread_mutex_lock(&sim_lock);
	result = sim_capture_check_locked(stream);
	if (result != SIM_OK) {
		pthread_mutex_unlock(&sim_lock);
		sim_op_free(op);
		return result;
	}
	if (stream->capture != NULL) {
		op->stream = stream;
		sim_count_op(op, SIM_CAPTURED);
		result = sim_capture_op_locked(stream, op);
		goto out;
	}
	sim_count_op(op, op->graph_id != 0 ? SIM_REPLAYED : SIM_DIRECT);
	describe(stream, op);
	depend_on_others(stream, op);
	if (sim_inline) {
		run_inline_locked(stream, op);
		goto out;
	}
	result = enqueue_locked(stream, op);
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

bool sim_is_capturing(struct sim_stream *stream)
{
	bool capturing;

	pthread_mutex_lock(&sim_lock);
	capturing = stream->capture != NULL;
	pthread_mutex_unlock(&sim_lock);
	return capturing;
}

/* A stream in capture cannot be waited for: that ends the capture's good. */
static int refuse_if_capturing(struct sim_stream *stream)
{
	int result;

	pthread_mutex_lock(&sim_lock);
	result = sim_capture_check_locked(stream);
	if (result == SIM_OK && stream->capture != NULL) {
		sim_capture_spoil_locked(stream->capture);
		result = SIM_STREAM_CAPTURE_UNSUPPORTED;
	}
	pthread_mutex_unlock(&sim_lock);
	return result != SIM_OK ? result : sim_unsafe();
}

int sim_submit_and_wait(struct sim_stream *stream, struct sim_op *op)
{
	struct sim_ticket ticket;
	int result = refuse_if_capturing(stream);

	if (result != SIM_OK) {
		sim_op_free(op);
		return result;
	}
	result = sim_submit(stream, op, &ticket);
	if (result != SIM_OK)
		return result;
	sim_wait(ticket);
	return sim_fault_of(stream->context);
}

int sim_synchronize(struct sim_stream *stream)
{
	int result = refuse_if_capturing(stream);

	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&sim_lock);
	wait_locked((struct sim_ticket){stream, stream->enqueued});
	pthread_mutex_unlock(&sim_lock);
	return sim_fault_of(stream->context);
}

struct sim_stream *sim_stream_new(struct sim_context *context, enum sim_stream_kind kind,
				  unsigned int flags, int priority)
{
	static _Atomic uint64_t last_id;
	struct sim_stream *stream = calloc(1, sizeof(*stream));

	stream->magic = SIM_MAGIC_STREAM;
	stream->kind = kind;
	stream->context = context;
	stream->green = context->green;
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
	if (stream->capture != NULL)
		sim_capture_spoil_locked(stream->capture);
	stream->capture = NULL;
	sim_nodes_clear(&stream->frontier);
	pthread_cond_signal(&stream->work);
	pthread_mutex_unlock(&sim_lock);
}

static struct sim_stream *per_thread_stream(struct sim_context *context)
{
	uint64_t key = sim_thread_key();
	struct sim_stream *stream;

	pthread_mutex_lock(&sim_lock);
	for (stream = context->streams; stream != NULL; stream = stream->next)
		if (stream->kind == SIM_STREAM_PER_THREAD && stream->thread_key == key &&
		    stream->magic == SIM_MAGIC_STREAM)
			break;
	pthread_mutex_unlock(&sim_lock);
	return stream != NULL ? stream : sim_stream_new(context, SIM_STREAM_PER_THREAD, 0, 0);
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
		if ((*stream)->magic != SIM_MAGIC_STREAM)
			return SIM_INVALID_HANDLE;
		return sim_fault_of((*stream)->context);
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
