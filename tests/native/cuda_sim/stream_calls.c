// SPDX-License-Identifier: Apache-2.0
/* The calls that make, end, wait for and describe streams. */
#include <string.h>

#include "queue.h"

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
	result = sim_capture_check_locked(stream);
	if (result == SIM_OK && stream->capture != NULL) {
		sim_capture_spoil_locked(stream->capture);
		result = SIM_STREAM_CAPTURE_UNSUPPORTED;
	}
	if (result == SIM_OK)
		result = stream->completed < stream->enqueued ? SIM_NOT_READY : SIM_OK;
	pthread_mutex_unlock(&sim_lock);
	if (result != SIM_OK && result != SIM_NOT_READY)
		return result;
	return sim_unsafe() != SIM_OK ? SIM_STREAM_CAPTURE_UNSUPPORTED : result;
}

enum fact { FACT_FLAGS, FACT_PRIORITY, FACT_ID, FACT_CONTEXT, FACT_DEVICE };

static int get_fact(void *handle, bool per_thread, enum fact fact, void *out)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (out == NULL)
		return SIM_INVALID_VALUE;
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

/* Either the context or the green one, as the stream belongs to. */
static int get_contexts(void *handle, bool per_thread, void **context, void **green)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (context != NULL)
		*context = stream->green == NULL ? stream->context : NULL;
	if (green != NULL)
		*green = stream->green;
	return SIM_OK;
}

static int get_green(void *handle, void **green)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, false, &stream);

	if (result == SIM_OK)
		*green = stream->green;
	return result;
}

static uint8_t *attribute_of(struct sim_stream *stream, int attribute)
{
	switch (attribute) {
	case 1: /* the window of the cache */
		return stream->attributes[0];
	case 3: /* how to wait */
		return stream->attributes[1];
	case 9: /* domains of memory order */
		return stream->attributes[2];
	case 10:
		return stream->attributes[3];
	default:
		return NULL;
	}
}

static int attribute(void *handle, bool per_thread, int number, void *value, bool set)
{
	struct sim_stream *stream;
	uint8_t *kept;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (number == 8) { /* the priority is not changed any more */
		if (set)
			return SIM_NOT_SUPPORTED;
		memcpy(value, &stream->priority, sizeof(stream->priority));
		return SIM_OK;
	}
	kept = attribute_of(stream, number);
	if (kept == NULL || value == NULL)
		return SIM_INVALID_VALUE;
	memcpy(set ? kept : value, set ? value : kept, 64);
	return SIM_OK;
}

static int copy_attributes(void *to, void *from, bool per_thread)
{
	struct sim_stream *target, *source;
	int result = sim_stream_of(to, per_thread, &target);

	if (result == SIM_OK)
		result = sim_stream_of(from, per_thread, &source);
	if (result == SIM_OK)
		memmove(target->attributes, source->attributes, sizeof(target->attributes));
	return result;
}

SIM_FN(cuStreamCreate, (void **handle, unsigned int flags), create(handle, flags, 0))
SIM_FN(cuStreamCreateWithPriority, (void **handle, unsigned int flags, int priority),
       create(handle, flags, priority))
SIM_FN(cuStreamDestroy, (void *handle), destroy(handle))
SIM_FN(cuStreamDestroy_v2, (void *handle), destroy(handle))
SIM_PAIR(cuStreamSynchronize, _ptsz, (void *handle), synchronize(handle, PER_THREAD))
SIM_PAIR(cuStreamQuery, _ptsz, (void *handle), query(handle, PER_THREAD))
SIM_PAIR(cuStreamGetFlags, _ptsz, (void *handle, unsigned int *out),
	 get_fact(handle, PER_THREAD, FACT_FLAGS, out))
SIM_PAIR(cuStreamGetPriority, _ptsz, (void *handle, int *out),
	 get_fact(handle, PER_THREAD, FACT_PRIORITY, out))
SIM_PAIR(cuStreamGetId, _ptsz, (void *handle, unsigned long long *out),
	 get_fact(handle, PER_THREAD, FACT_ID, out))
SIM_PAIR(cuStreamGetCtx, _ptsz, (void *handle, void **out),
	 get_fact(handle, PER_THREAD, FACT_CONTEXT, out))
SIM_PAIR(cuStreamGetCtx_v2, _ptsz, (void *handle, void **out, void **green),
	 get_contexts(handle, PER_THREAD, out, green))
SIM_PAIR(cuStreamGetDevice, _ptsz, (void *handle, int *out),
	 get_fact(handle, PER_THREAD, FACT_DEVICE, out))
SIM_FN(cuStreamGetGreenCtx, (void *handle, void **green), get_green(handle, green))
SIM_PAIR(cuStreamGetAttribute, _ptsz, (void *handle, int number, void *value),
	 attribute(handle, PER_THREAD, number, value, false))
SIM_PAIR(cuStreamSetAttribute, _ptsz, (void *handle, int number, const void *value),
	 attribute(handle, PER_THREAD, number, (void *)(uintptr_t)value, true))
SIM_PAIR(cuStreamCopyAttributes, _ptsz, (void *to, void *from),
	 copy_attributes(to, from, PER_THREAD))
