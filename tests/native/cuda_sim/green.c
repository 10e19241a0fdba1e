// SPDX-License-Identifier: Apache-2.0
/* Green contexts: multiprocessors shared out, and streams on a share of them.
 */
#include <stdlib.h>
#include <string.h>

#include "green.h"
#include "queue.h"

enum { RESOURCE_SM = 1, MINIMUM = 8, DESCRIPTOR_MAGIC = 0x44455331 };

struct descriptor {
	uint32_t magic;
	unsigned int count;
};

static int resource_of(struct sim_resource *out, int type, unsigned int count)
{
	if (out == NULL)
		return SIM_INVALID_VALUE;
	if (type != RESOURCE_SM)
		return SIM_INVALID_RESOURCE_TYPE;
	memset(out, 0, sizeof(*out));
	out->type = RESOURCE_SM;
	out->count = count;
	out->minimum = MINIMUM;
	out->alignment = MINIMUM;
	return SIM_OK;
}

static int green_of(void *handle, struct sim_green **green)
{
	*green = handle;
	return handle != NULL && (*green)->magic == SIM_MAGIC_GREEN ? SIM_OK : SIM_INVALID_HANDLE;
}

static unsigned int share_of(const struct sim_green *green, const struct sim_device *device)
{
	return (unsigned int)(green != NULL ? green->multiprocessors : device->multiprocessors);
}

static int of_device(int ordinal, struct sim_resource *out, int type)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	return result == SIM_OK ? resource_of(out, type, share_of(NULL, device)) : result;
}

static int of_context(void *handle, struct sim_resource *out, int type)
{
	struct sim_context *context;
	int result = sim_context_of(handle, &context);

	return result == SIM_OK ? resource_of(out, type, share_of(context->green, context->device))
				: result;
}

static int of_green(void *handle, struct sim_resource *out, int type)
{
	struct sim_green *green;
	int result = green_of(handle, &green);

	return result == SIM_OK ? resource_of(out, type, (unsigned int)green->multiprocessors)
				: result;
}

static int of_stream(void *handle, struct sim_resource *out, int type, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	return result == SIM_OK
		   ? resource_of(out, type, share_of(stream->green, stream->context->device))
		   : result;
}

/* Groups of at least `least`, in whole steps of what can be given out. */
static int split(struct sim_resource *groups, unsigned int *count, const struct sim_resource *from,
		 struct sim_resource *rest, unsigned int least)
{
	unsigned int size, possible;

	if (count == NULL || from == NULL)
		return SIM_INVALID_VALUE;
	if (from->type != RESOURCE_SM)
		return SIM_INVALID_RESOURCE_TYPE;
	size = (least + MINIMUM - 1) / MINIMUM * MINIMUM;
	if (size < MINIMUM)
		size = MINIMUM;
	if (size > from->count)
		return SIM_INVALID_RESOURCE_CONFIGURATION;
	possible = from->count / size;
	if (groups == NULL) {
		*count = possible;
		return SIM_OK;
	}
	if (*count > possible)
		*count = possible;
	for (unsigned int i = 0; i < *count; i++)
		resource_of(&groups[i], RESOURCE_SM, size);
	if (rest != NULL)
		resource_of(rest, RESOURCE_SM, from->count - *count * size);
	return SIM_OK;
}

static int describe(void **out, const struct sim_resource *resources, unsigned int count)
{
	struct descriptor *descriptor;

	if (out == NULL || resources == NULL || count != 1)
		return SIM_INVALID_VALUE;
	if (resources->type != RESOURCE_SM)
		return SIM_INVALID_RESOURCE_TYPE;
	descriptor = calloc(1, sizeof(*descriptor));
	descriptor->magic = DESCRIPTOR_MAGIC;
	descriptor->count = resources->count;
	*out = descriptor;
	return SIM_OK;
}

static int create(void **out, const struct descriptor *descriptor, int ordinal, unsigned int flags)
{
	static _Atomic uint64_t last_id;
	struct sim_device *device;
	struct sim_green *green;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (out == NULL || descriptor == NULL || descriptor->magic != DESCRIPTOR_MAGIC ||
	    flags != 1 || descriptor->count > (unsigned int)device->multiprocessors)
		return SIM_INVALID_VALUE;
	if (device->primary == NULL)
		return SIM_INVALID_CONTEXT; /* it lives beside the primary one */
	green = calloc(1, sizeof(*green));
	green->magic = SIM_MAGIC_GREEN;
	green->multiprocessors = (int)descriptor->count;
	green->id = atomic_fetch_add(&last_id, 1) + 1;
	green->context = sim_context_new(device, 0);
	green->context->green = green;
	green->context->legacy->green = green;
	*out = green;
	return SIM_OK;
}

static int destroy(void *handle)
{
	struct sim_green *green;
	int result = green_of(handle, &green);

	if (result != SIM_OK)
		return result;
	sim_context_end(green->context);
	green->magic = 0; /* its streams and context know it still */
	return SIM_OK;
}

static int as_context(void **out, void *handle)
{
	struct sim_green *green;
	int result = green_of(handle, &green);

	if (result == SIM_OK)
		*out = green->context;
	return result;
}

static int stream_create(void **out, void *handle, unsigned int flags, int priority)
{
	struct sim_green *green;
	int result = green_of(handle, &green);

	if (result != SIM_OK)
		return result;
	if (out == NULL || flags != 1)
		return SIM_INVALID_VALUE; /* only one that does not block */
	*out = sim_stream_new(green->context, SIM_STREAM_USER, flags, priority);
	return SIM_OK;
}

static int get_id(void *handle, unsigned long long *id)
{
	struct sim_green *green;
	int result = green_of(handle, &green);

	if (result == SIM_OK)
		*id = green->id;
	return result;
}

/* An event of all the streams of a context: behind everything that is queued.
 */
static int record(struct sim_context *context, void *event)
{
	int result = sim_context_captures(context);

	if (result != SIM_OK)
		return result;
	return sim_event_record(event, context->legacy, 0);
}

static int wait(struct sim_context *context, void *event)
{
	int result = sim_context_captures(context);

	return result == SIM_OK ? sim_event_wait(context->legacy, event, 0) : result;
}

static int green_event(void *handle, void *event, int (*act)(struct sim_context *, void *))
{
	struct sim_green *green;
	int result = green_of(handle, &green);

	return result == SIM_OK ? act(green->context, event) : result;
}

static int context_event(void *handle, void *event, int (*act)(struct sim_context *, void *))
{
	struct sim_context *context;
	int result = sim_context_of(handle, &context);

	return result == SIM_OK ? act(context, event) : result;
}

SIM_FN(cuDeviceGetDevResource, (int device, struct sim_resource *out, int type),
       of_device(device, out, type))
SIM_FN(cuCtxGetDevResource, (void *context, struct sim_resource *out, int type),
       of_context(context, out, type))
SIM_FN(cuGreenCtxGetDevResource, (void *green, struct sim_resource *out, int type),
       of_green(green, out, type))
SIM_PAIR(cuStreamGetDevResource, _ptsz, (void *stream, struct sim_resource *out, int type),
	 of_stream(stream, out, type, PER_THREAD))
SIM_FN(cuDevSmResourceSplitByCount,
       (struct sim_resource * groups, unsigned int *count, const struct sim_resource *from,
	struct sim_resource *rest, unsigned int flags, unsigned int least),
       ((void)flags, split(groups, count, from, rest, least)))
SIM_FN(cuDevResourceGenerateDesc, (void **out, struct sim_resource *resources, unsigned int count),
       describe(out, resources, count))
SIM_FN(cuGreenCtxCreate, (void **green, void *descriptor, int device, unsigned int flags),
       create(green, descriptor, device, flags))
SIM_FN(cuGreenCtxDestroy, (void *green), destroy(green))
SIM_FN(cuCtxFromGreenCtx, (void **context, void *green), as_context(context, green))
SIM_FN(cuGreenCtxStreamCreate, (void **stream, void *green, unsigned int flags, int priority),
       stream_create(stream, green, flags, priority))
SIM_FN(cuGreenCtxGetId, (void *green, unsigned long long *id), get_id(green, id))
SIM_FN(cuGreenCtxRecordEvent, (void *green, void *event), green_event(green, event, record))
SIM_FN(cuGreenCtxWaitEvent, (void *green, void *event), green_event(green, event, wait))
SIM_FN(cuCtxRecordEvent, (void *context, void *event), context_event(context, event, record))
SIM_FN(cuCtxWaitEvent, (void *context, void *event), context_event(context, event, wait))
