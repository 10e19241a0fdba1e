// SPDX-License-Identifier: Apache-2.0
/* Events: a place in a queue, the time it was passed, or a place in a capture.
 */
#include <stdlib.h>

#include "shared.h"

static void hold(struct sim_op *op)
{
	atomic_fetch_add(&op->event->references, 1);
}

static void drop(struct sim_event *event)
{
	if (atomic_fetch_sub(&event->references, 1) > 1)
		return;
	sim_shared_event_close(event);
	free(event);
}

static void let_go(struct sim_op *op)
{
	drop(op->event);
}

static void stamp(struct sim_op *op)
{
	uint64_t now_ns = sim_now_ns();

	pthread_mutex_lock(&sim_lock);
	op->event->time_ns = now_ns;
	pthread_mutex_unlock(&sim_lock);
	if (op->event->shared != NULL)
		sim_shared_event_pass(op->event->shared, op->number);
}

struct sim_op *sim_event_record_op(struct sim_event *event)
{
	struct sim_op *op = sim_op_new(SIM_WORK_EVENT, stamp, SIM_ENGINE_NONE, 0);

	op->event = event;
	op->retain = hold;
	op->release = let_go;
	hold(op);
	return op;
}

static void wait_for_others(struct sim_op *op)
{
	if (op->event->shared != NULL)
		sim_shared_event_wait(op->event->shared, op->number);
}

struct sim_op *sim_event_wait_op(struct sim_event *event)
{
	struct sim_op *op = sim_op_new(SIM_WORK_WAIT, wait_for_others, SIM_ENGINE_NONE, 0);

	op->event = event;
	op->retain = hold;
	op->release = let_go;
	if (event->shared != NULL)
		op->number = sim_shared_event_recorded(event->shared);
	hold(op);
	return op;
}

int sim_event_of(void *handle, struct sim_event **event)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	*event = handle;
	return handle != NULL && (*event)->magic == SIM_MAGIC_EVENT ? SIM_OK : SIM_INVALID_HANDLE;
}

static int create(void **handle, unsigned int flags)
{
	struct sim_context *context;
	struct sim_event *event;
	int result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	/* 4: known to other processes, which wants 2: no times. */
	if (handle == NULL || flags > 7 || (flags & 6) == 4)
		return SIM_INVALID_VALUE;
	event = calloc(1, sizeof(*event));
	event->magic = SIM_MAGIC_EVENT;
	event->flags = flags;
	event->references = 1;
	event->context = context;
	*handle = event;
	return SIM_OK;
}

static int destroy(void *handle)
{
	struct sim_event *event;
	int result = sim_event_of(handle, &event);

	if (result != SIM_OK)
		return result;
	event->magic = 0;
	pthread_mutex_lock(&sim_lock);
	sim_nodes_clear(&event->frontier);
	pthread_mutex_unlock(&sim_lock);
	drop(event);
	return SIM_OK;
}

/* In a capture the event names what was captured so far, and is no node. */
static bool record_captured(struct sim_event *event, struct sim_stream *stream)
{
	bool captured;

	pthread_mutex_lock(&sim_lock);
	captured = stream->capture != NULL && !stream->capture->invalid;
	sim_nodes_clear(&event->frontier);
	event->capture_id = captured ? stream->capture->id : 0;
	if (captured)
		sim_nodes_join(&event->frontier, &stream->frontier);
	pthread_mutex_unlock(&sim_lock);
	return captured;
}

int sim_event_record(void *handle, struct sim_stream *stream, unsigned int flags)
{
	struct sim_ticket ticket;
	struct sim_event *event;
	struct sim_op *op;
	int result = sim_event_of(handle, &event);

	if (result != SIM_OK)
		return result;
	if (event->imported)
		return SIM_INVALID_HANDLE;
	if ((flags & 1) == 0 && record_captured(event, stream))
		return SIM_OK;
	op = sim_event_record_op(event);
	if (event->shared != NULL)
		op->number = sim_shared_event_record(event->shared);
	result = sim_submit(stream, op, &ticket);
	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&sim_lock);
	/* An external one of a capture is recorded by the graph's launch. */
	if (stream->capture == NULL)
		event->recorded = ticket;
	pthread_mutex_unlock(&sim_lock);
	return SIM_OK;
}

static int record(void *handle, void *stream_handle, unsigned int flags, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_event *event;
	int result = sim_event_of(handle, &event);

	if (result == SIM_OK)
		result = sim_stream_of(stream_handle, per_thread, &stream);
	if (result == SIM_OK && stream->context != event->context && !event->imported &&
	    stream->context->device != event->context->device)
		result = SIM_INVALID_HANDLE;
	return result == SIM_OK ? sim_event_record(handle, stream, flags) : result;
}

static bool done_locked(const struct sim_event *event)
{
	if (event->imported)
		return sim_shared_event_passed(event->shared);
	return event->recorded.stream == NULL ||
	       event->recorded.stream->completed >= event->recorded.number;
}

/* SIM_OK, SIM_NOT_READY, or why it cannot be asked. */
static int state_of(void *handle, struct sim_event **event)
{
	int result = sim_event_of(handle, event);

	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&sim_lock);
	if ((*event)->capture_id != 0) {
		struct sim_capture *capture = sim_capture_find_locked((*event)->capture_id);

		if (capture != NULL)
			sim_capture_spoil_locked(capture);
		result = SIM_CAPTURED_EVENT;
	} else {
		result = done_locked(*event) ? SIM_OK : SIM_NOT_READY;
	}
	pthread_mutex_unlock(&sim_lock);
	if (result != SIM_CAPTURED_EVENT && sim_unsafe() != SIM_OK)
		return SIM_STREAM_CAPTURE_UNSUPPORTED;
	return result;
}

static int query(void *handle)
{
	struct sim_event *event;
	int result = state_of(handle, &event);

	if (result != SIM_OK && result != SIM_NOT_READY)
		return result;
	return sim_fault_of(event->context) != SIM_OK ? sim_fault_of(event->context) : result;
}

static int synchronize(void *handle)
{
	struct sim_event *event;
	int result = state_of(handle, &event);

	if (result != SIM_OK && result != SIM_NOT_READY)
		return result;
	if (event->imported)
		sim_shared_event_wait(event->shared, sim_shared_event_recorded(event->shared));
	else if (result == SIM_NOT_READY)
		sim_wait(event->recorded);
	return sim_fault_of(event->context);
}

static int elapsed(float *milliseconds, void *from, void *to)
{
	struct sim_event *start, *end;
	int first = state_of(from, &start), last = state_of(to, &end);
	uint64_t start_ns, end_ns;

	if (first != SIM_OK && first != SIM_NOT_READY)
		return first;
	if (last != SIM_OK && last != SIM_NOT_READY)
		return last;
	/* 2: made without timing. */
	if (start->recorded.stream == NULL || end->recorded.stream == NULL ||
	    ((start->flags | end->flags) & 2))
		return SIM_INVALID_HANDLE;
	if (sim_fault_of(start->context) != SIM_OK)
		return sim_fault_of(start->context);
	if (first != SIM_OK || last != SIM_OK)
		return SIM_NOT_READY;
	pthread_mutex_lock(&sim_lock);
	start_ns = start->time_ns;
	end_ns = end->time_ns;
	pthread_mutex_unlock(&sim_lock);
	*milliseconds = (float)((double)(int64_t)(end_ns - start_ns) / 1e6);
	return SIM_OK;
}

/* In and around captures; SIM_NOT_READY: an ordinary wait is left to do. */
static int wait_captured(struct sim_stream *stream, struct sim_event *event)
{
	struct sim_capture *capture;
	int result = SIM_OK;

	pthread_mutex_lock(&sim_lock);
	capture = event->capture_id != 0 ? sim_capture_find_locked(event->capture_id) : NULL;
	if (event->capture_id == 0) {
		if (stream->capture == NULL) {
			result = SIM_NOT_READY;
		} else if (event->recorded.stream != NULL || event->imported) {
			sim_capture_spoil_locked(stream->capture);
			result = SIM_STREAM_CAPTURE_ISOLATION;
		}
	} else if (capture == NULL) {
		result = SIM_STREAM_CAPTURE_ISOLATION;
	} else if (capture->invalid) {
		result = SIM_STREAM_CAPTURE_INVALIDATED;
	} else if (stream->kind == SIM_STREAM_LEGACY) {
		sim_capture_spoil_locked(capture);
		result = SIM_STREAM_CAPTURE_IMPLICIT;
	} else if (stream->capture != NULL && stream->capture != capture) {
		sim_capture_spoil_locked(capture);
		sim_capture_spoil_locked(stream->capture);
		result = SIM_STREAM_CAPTURE_MERGE;
	} else {
		stream->capture = capture; /* it joins, if it was not there */
		sim_nodes_join(&stream->frontier, &event->frontier);
	}
	pthread_mutex_unlock(&sim_lock);
	return result;
}

int sim_event_wait(struct sim_stream *stream, void *handle, unsigned int flags)
{
	struct sim_ticket recorded;
	struct sim_event *event;
	struct sim_op *op;
	int result = sim_event_of(handle, &event);

	if (result != SIM_OK)
		return result;
	if ((flags & 1) == 0) {
		result = wait_captured(stream, event);
		if (result != SIM_NOT_READY)
			return result;
	}
	pthread_mutex_lock(&sim_lock);
	recorded = event->recorded;
	pthread_mutex_unlock(&sim_lock);
	if (recorded.stream == NULL && event->shared == NULL && (flags & 1) == 0)
		return SIM_OK;
	op = sim_event_wait_op(event);
	if (recorded.stream != NULL) {
		op->depends = malloc(sizeof(*op->depends));
		op->depends[0] = recorded;
		op->depends_count = 1;
	}
	return sim_submit(stream, op, NULL);
}

static int stream_wait(void *stream_handle, void *handle, unsigned int flags, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(stream_handle, per_thread, &stream);

	return result == SIM_OK ? sim_event_wait(stream, handle, flags) : result;
}

SIM_FN(cuEventCreate, (void **handle, unsigned int flags), create(handle, flags))
SIM_FN(cuEventDestroy, (void *handle), destroy(handle))
SIM_FN(cuEventDestroy_v2, (void *handle), destroy(handle))
SIM_PAIR(cuEventRecord, _ptsz, (void *handle, void *stream), record(handle, stream, 0, PER_THREAD))
SIM_PAIR(cuEventRecordWithFlags, _ptsz, (void *handle, void *stream, unsigned int flags),
	 flags > 1 ? SIM_INVALID_VALUE : record(handle, stream, flags, PER_THREAD))
SIM_FN(cuEventQuery, (void *handle), query(handle))
SIM_FN(cuEventSynchronize, (void *handle), synchronize(handle))
SIM_FN(cuEventElapsedTime, (float *milliseconds, void *from, void *to),
       elapsed(milliseconds, from, to))
SIM_FN(cuEventElapsedTime_v2, (float *milliseconds, void *from, void *to),
       elapsed(milliseconds, from, to))
SIM_PAIR(cuStreamWaitEvent, _ptsz, (void *handle, void *event, unsigned int flags),
	 flags > 1 ? SIM_INVALID_VALUE : stream_wait(handle, event, flags, PER_THREAD))
