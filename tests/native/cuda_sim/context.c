// SPDX-License-Identifier: Apache-2.0
/* Contexts: the primary one of each device, and those a program makes. */
#include <stdlib.h>

#include "queue.h"

#define STACK_DEPTH 64

static __thread struct sim_context *stack[STACK_DEPTH];
static __thread int depth;

static struct sim_context *contexts;
static pthread_mutex_t primary_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t contexts_lock = PTHREAD_MUTEX_INITIALIZER;

int sim_current(struct sim_context **context)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (depth == 0 || stack[depth - 1] == NULL)
		return SIM_INVALID_CONTEXT;
	if (stack[depth - 1]->magic != SIM_MAGIC_CONTEXT)
		return SIM_CONTEXT_IS_DESTROYED;
	*context = stack[depth - 1];
	return sim_fault_of(*context);
}

/* NULL stands for the current one. */
int sim_context_of(void *handle, struct sim_context **context)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (handle == NULL)
		return sim_current(context);
	*context = handle;
	return (*context)->magic == SIM_MAGIC_CONTEXT ? sim_fault_of(*context)
						      : SIM_INVALID_CONTEXT;
}

void sim_contexts_after_fork(void)
{
	/* The workers are gone: nothing of the parent's may be waited for. */
	for (int i = 0; i < SIM_DEVICES; i++) {
		sim_devices[i].primary = NULL;
		sim_devices[i].primary_retained = 0;
	}
	contexts = NULL;
	depth = 0;
}

struct sim_context *sim_context_new(struct sim_device *device, unsigned int flags)
{
	static uint64_t last_id;
	struct sim_context *context = calloc(1, sizeof(*context));

	context->magic = SIM_MAGIC_CONTEXT;
	context->device = device;
	context->flags = flags;
	context->limits[0] = 1024; /* of a thread's stack */
	context->limits[1] = 1u << 20;
	context->limits[2] = 8u << 20; /* of the device's own heap */
	context->limits[3] = 2;
	context->limits[4] = 2048;
	context->limits[5] = 128;
	context->legacy = sim_stream_new(context, SIM_STREAM_LEGACY, 0, 0);
	pthread_mutex_lock(&contexts_lock);
	context->id = ++last_id;
	context->next = contexts;
	contexts = context;
	pthread_mutex_unlock(&contexts_lock);
	return context;
}

/* The next stream behind one, or the first. */
static struct sim_stream *next_stream(struct sim_context *context, struct sim_stream *stream)
{
	struct sim_stream *next;

	pthread_mutex_lock(&sim_lock);
	next = stream == NULL ? context->streams : stream->next;
	pthread_mutex_unlock(&sim_lock);
	return next;
}

/* All that is queued is done, whatever is captured meanwhile. */
int sim_context_drain(struct sim_context *context)
{
	/* Streams are added in front and stay linked, so the walk is safe. */
	for (struct sim_stream *stream = next_stream(context, NULL); stream != NULL;
	     stream = next_stream(context, stream)) {
		struct sim_ticket last = {stream, 0};

		pthread_mutex_lock(&sim_lock);
		last.number = stream->enqueued;
		pthread_mutex_unlock(&sim_lock);
		sim_wait(last);
	}
	return sim_fault_of(context);
}

/* The memory of a context stays readable: tests must see their own errors. */
void sim_context_end(struct sim_context *context)
{
	sim_context_drain(context);
	for (struct sim_stream *stream = next_stream(context, NULL); stream != NULL;
	     stream = next_stream(context, stream))
		sim_stream_close(stream);
	context->magic = 0;
}

static int primary_retain(void **handle, int ordinal)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (atomic_load(&device->fault) != SIM_OK)
		return atomic_load(&device->fault);
	pthread_mutex_lock(&primary_lock);
	if (device->primary == NULL)
		device->primary = sim_context_new(device, device->primary_flags);
	device->primary_retained++;
	*handle = device->primary;
	pthread_mutex_unlock(&primary_lock);
	return SIM_OK;
}

static int primary_release(int ordinal)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (device->primary == NULL)
		return SIM_INVALID_CONTEXT;
	if (--device->primary_retained == 0) {
		sim_context_end(device->primary);
		device->primary = NULL;
	}
	return SIM_OK;
}

static int primary_reset(int ordinal)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK || device->primary == NULL)
		return result;
	sim_context_end(device->primary);
	device->primary = NULL;
	device->primary_retained = 0;
	return SIM_OK;
}

static int primary_state(int ordinal, unsigned int *flags, int *active)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	*flags = device->primary_flags;
	*active = device->primary != NULL;
	return SIM_OK;
}

static int primary_set_flags(int ordinal, unsigned int flags)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result == SIM_OK)
		device->primary_flags = flags;
	return result;
}

static int push(void *handle)
{
	struct sim_context *context = handle;

	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (context == NULL || context->magic != SIM_MAGIC_CONTEXT || depth == STACK_DEPTH)
		return SIM_INVALID_CONTEXT;
	stack[depth++] = context;
	return SIM_OK;
}

static int pop(void **handle)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (depth == 0)
		return SIM_INVALID_CONTEXT;
	depth--;
	if (handle != NULL)
		*handle = stack[depth];
	return SIM_OK;
}

static int create(void **handle, unsigned int flags, int ordinal)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (handle == NULL)
		return SIM_INVALID_VALUE;
	if (atomic_load(&device->fault) != SIM_OK)
		return atomic_load(&device->fault);
	*handle = sim_context_new(device, flags);
	return push(*handle);
}

static int destroy(void *handle)
{
	struct sim_context *context = handle;

	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (context == NULL || context->magic != SIM_MAGIC_CONTEXT ||
	    context == context->device->primary || context->green != NULL)
		return SIM_INVALID_CONTEXT;
	if (depth > 0 && stack[depth - 1] == context)
		depth--;
	sim_context_end(context);
	return SIM_OK;
}

static int set_current(void *handle)
{
	struct sim_context *context = handle;

	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (context != NULL && context->magic != SIM_MAGIC_CONTEXT)
		return SIM_INVALID_CONTEXT;
	if (depth > 0)
		depth--;
	return context != NULL ? push(context) : SIM_OK;
}

static int get_current(void **handle)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	*handle = depth > 0 ? stack[depth - 1] : NULL;
	return SIM_OK;
}

static int get_device(int *ordinal, void *handle)
{
	struct sim_context *context;
	int result = sim_context_of(handle, &context);

	if (result == SIM_OK)
		*ordinal = sim_ordinal_of(context->device);
	return result;
}

static int get_flags(unsigned int *flags)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result == SIM_OK)
		*flags = context->flags;
	return result;
}

static int get_id(void *handle, unsigned long long *id)
{
	struct sim_context *context;
	int result = sim_context_of(handle, &context);

	if (result == SIM_OK)
		*id = context->id;
	return result;
}

static int get_api_version(void *handle, unsigned int *version)
{
	struct sim_context *context;
	int result = sim_context_of(handle, &context);

	if (result == SIM_OK)
		*version = 3020;
	return result;
}

static int get_priorities(int *least, int *greatest)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	if (least != NULL)
		*least = 0;
	if (greatest != NULL)
		*greatest = -5;
	return SIM_OK;
}

static int get_limit(size_t *value, int limit)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result == SIM_OK && (value == NULL || limit < 0 || limit >= SIM_LIMITS))
		result = SIM_UNSUPPORTED_LIMIT;
	if (result == SIM_OK)
		*value = context->limits[limit];
	return result;
}

static int set_limit(int limit, size_t value)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result == SIM_OK && (limit < 0 || limit >= SIM_LIMITS))
		result = SIM_UNSUPPORTED_LIMIT;
	if (result == SIM_OK)
		context->limits[limit] = value;
	return result;
}

static int set_flags(unsigned int flags)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result == SIM_OK)
		context->flags = flags;
	return result;
}

static int cache_config(int *out, int value)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result == SIM_OK && out != NULL)
		*out = context->cache_config;
	else if (result == SIM_OK)
		context->cache_config = value;
	return result;
}

static int shared_config(int *out, int value)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result == SIM_OK && out != NULL)
		*out = context->shared_config;
	else if (result == SIM_OK)
		context->shared_config = value;
	return result;
}

static int peer_access(void *handle, bool enable)
{
	struct sim_context *context, *peer = handle;
	int result = sim_current(&context), index;

	if (result != SIM_OK)
		return result;
	if (peer == NULL || peer->magic != SIM_MAGIC_CONTEXT)
		return SIM_INVALID_CONTEXT;
	if (peer->device == context->device)
		return SIM_INVALID_DEVICE;
	index = sim_index_of(peer->device);
	if (context->peers[index] == enable)
		return enable ? SIM_PEER_ACCESS_ALREADY_ENABLED : SIM_PEER_ACCESS_NOT_ENABLED;
	context->peers[index] = enable;
	return SIM_OK;
}

/* The layout of the driver's own parameter: what, then how many. */
struct affinity {
	int type;
	unsigned int count;
};

static int get_affinity(struct affinity *out, int type)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result == SIM_OK && type != 0)
		result = SIM_UNSUPPORTED_EXEC_AFFINITY;
	if (result == SIM_OK)
		*out = (struct affinity){0, (unsigned int)context->device->multiprocessors};
	return result;
}

static int has_current(void)
{
	struct sim_context *context;

	return sim_current(&context);
}

static int synchronize(void *handle)
{
	struct sim_context *context;
	int result = sim_context_of(handle, &context);

	if (result == SIM_OK)
		result = sim_context_captures(context);
	return result == SIM_OK ? sim_context_drain(context) : result;
}

SIM_FN(cuDevicePrimaryCtxRetain, (void **handle, int ordinal), primary_retain(handle, ordinal))
SIM_FN(cuDevicePrimaryCtxRelease, (int ordinal), primary_release(ordinal))
SIM_FN(cuDevicePrimaryCtxRelease_v2, (int ordinal), primary_release(ordinal))
SIM_FN(cuDevicePrimaryCtxReset, (int ordinal), primary_reset(ordinal))
SIM_FN(cuDevicePrimaryCtxReset_v2, (int ordinal), primary_reset(ordinal))
SIM_FN(cuDevicePrimaryCtxGetState, (int ordinal, unsigned int *flags, int *active),
       primary_state(ordinal, flags, active))
SIM_FN(cuDevicePrimaryCtxSetFlags, (int ordinal, unsigned int flags),
       primary_set_flags(ordinal, flags))
SIM_FN(cuDevicePrimaryCtxSetFlags_v2, (int ordinal, unsigned int flags),
       primary_set_flags(ordinal, flags))
SIM_FN(cuCtxCreate, (void **handle, unsigned int flags, int ordinal),
       create(handle, flags, ordinal))
SIM_FN(cuCtxCreate_v2, (void **handle, unsigned int flags, int ordinal),
       create(handle, flags, ordinal))
SIM_FN(cuCtxCreate_v3,
       (void **handle, const void *parameters, int count, unsigned int flags, int ordinal),
       ((void)parameters, (void)count, create(handle, flags, ordinal)))
SIM_FN(cuCtxCreate_v4, (void **handle, const void *parameters, unsigned int flags, int ordinal),
       ((void)parameters, create(handle, flags, ordinal)))
SIM_FN(cuCtxDestroy, (void *handle), destroy(handle))
SIM_FN(cuCtxDestroy_v2, (void *handle), destroy(handle))
SIM_FN(cuCtxPushCurrent, (void *handle), push(handle))
SIM_FN(cuCtxPushCurrent_v2, (void *handle), push(handle))
SIM_FN(cuCtxPopCurrent, (void **handle), pop(handle))
SIM_FN(cuCtxPopCurrent_v2, (void **handle), pop(handle))
SIM_FN(cuCtxSetCurrent, (void *handle), set_current(handle))
SIM_FN(cuCtxGetCurrent, (void **handle), get_current(handle))
SIM_FN(cuCtxGetDevice, (int *ordinal), get_device(ordinal, NULL))
SIM_FN(cuCtxGetDevice_v2, (int *ordinal, void *handle), get_device(ordinal, handle))
SIM_FN(cuCtxGetFlags, (unsigned int *flags), get_flags(flags))
SIM_FN(cuCtxGetId, (void *handle, unsigned long long *id), get_id(handle, id))
SIM_FN(cuCtxGetApiVersion, (void *handle, unsigned int *version), get_api_version(handle, version))
SIM_FN(cuCtxGetStreamPriorityRange, (int *least, int *greatest), get_priorities(least, greatest))
SIM_FN(cuCtxGetLimit, (size_t * value, int limit), get_limit(value, limit))
SIM_FN(cuCtxSetLimit, (int limit, size_t value), set_limit(limit, value))
SIM_FN(cuCtxSetFlags, (unsigned int flags), set_flags(flags))
SIM_FN(cuCtxGetCacheConfig, (int *out), out == NULL ? SIM_INVALID_VALUE : cache_config(out, 0))
SIM_FN(cuCtxSetCacheConfig, (int value), cache_config(NULL, value))
SIM_FN(cuCtxGetSharedMemConfig, (int *out), out == NULL ? SIM_INVALID_VALUE : shared_config(out, 0))
SIM_FN(cuCtxSetSharedMemConfig, (int value), shared_config(NULL, value))
SIM_FN(cuCtxResetPersistingL2Cache, (void), has_current())
SIM_FN(cuCtxEnablePeerAccess, (void *peer, unsigned int flags),
       flags != 0 ? SIM_INVALID_VALUE : peer_access(peer, true))
SIM_FN(cuCtxDisablePeerAccess, (void *peer), peer_access(peer, false))
SIM_FN(cuCtxGetExecAffinity, (void *out, int type), get_affinity(out, type))
/* Of the tools that listen, which are none: to begin and to end is all right. */
SIM_FN(cuProfilerStart, (void), has_current())
SIM_FN(cuProfilerStop, (void), has_current())
SIM_FN(cuCtxAttach, (void **handle, unsigned int flags), ((void)flags, get_current(handle)))
SIM_FN(cuCtxDetach, (void *handle), ((void)handle, has_current()))
SIM_FN(cuCtxSynchronize, (void), synchronize(NULL))
SIM_FN(cuCtxSynchronize_v2, (void *handle), synchronize(handle))
