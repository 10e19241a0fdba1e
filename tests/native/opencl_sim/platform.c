// SPDX-License-Identifier: Apache-2.0
/* The platform with its two devices, contexts, queues and events. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static struct object platform = {.dispatch = sim_dispatch, .kind = PLATFORM, .references = 1};
static struct object devices[] = {
    {.dispatch = sim_dispatch, .kind = DEVICE, .references = 1, .name = "sim-0"},
    {.dispatch = sim_dispatch, .kind = DEVICE, .references = 1, .name = "sim-1"},
};

CL(cl_int, clIcdGetPlatformIDsKHR, (cl_uint room, struct object **platforms, cl_uint *count))
{
	ENTER_OR_FAIL(clIcdGetPlatformIDsKHR);
	sim_device_start();
	if (platforms != NULL && room > 0)
		platforms[0] = &platform;
	TOLD(count, 1);
	return SUCCESS;
}

CL(cl_int, clGetPlatformIDs, (cl_uint room, struct object **platforms, cl_uint *count))
{
	ENTER_OR_FAIL(clGetPlatformIDs);
	return clIcdGetPlatformIDsKHR(room, platforms, count);
}

CL(cl_int, clGetPlatformInfo,
   (struct object * of, cl_uint name, size_t room, void *value, size_t *size))
{
	const char *text = name == 0x0901   ? "OpenCL 3.0 sim"
			   : name == 0x0920 ? "SIM"
					    : "cl_khr_icd cl_khr_command_buffer";

	return sim_answer(text, strlen(text) + 1, room, value, size);
}

CL(cl_int, clGetDeviceIDs,
   (struct object * of, cl_ulong type, cl_uint room, struct object **found, cl_uint *count))
{
	ENTER_OR_FAIL(clGetDeviceIDs);
	if (sim_of(of, PLATFORM) == NULL)
		return -32;
	if (type == 1 << 4) /* custom devices */
		return DEVICE_NOT_FOUND;
	for (cl_uint i = 0; found != NULL && i < room && i < 2; i++)
		found[i] = &devices[i];
	TOLD(count, 2);
	return SUCCESS;
}

CL(cl_int, clGetDeviceInfo,
   (struct object * device, cl_uint name, size_t room, void *value, size_t *size))
{
	if (sim_of(device, DEVICE) == NULL || name != 0x102b)
		return INVALID_VALUE;
	return sim_answer(device->name, strlen(device->name) + 1, room, value, size);
}

CL(struct object *, clCreateContext,
   (const intptr_t *properties, cl_uint count, struct object *const *list, void *notify, void *data,
    cl_int *status))
{
	ENTER_OR_NULL(clCreateContext, status);
	return sim_make(CONTEXT, NULL);
}

#define REFERENCES(object_kind, word)                                                              \
	CL(cl_int, clRetain##word, (struct object * object))                                       \
	{                                                                                          \
		ENTER_OR_FAIL(clRetain##word);                                                     \
		return sim_retain(object, object_kind);                                            \
	}                                                                                          \
	CL(cl_int, clRelease##word, (struct object * object))                                      \
	{                                                                                          \
		ENTER_OR_FAIL(clRelease##word);                                                    \
		return sim_release(object, object_kind);                                           \
	}
REFERENCES(CONTEXT, Context)
REFERENCES(QUEUE, CommandQueue)
REFERENCES(MEMORY, MemObject)
REFERENCES(PROGRAM, Program)
REFERENCES(KERNEL, Kernel)
REFERENCES(EVENT, Event)
REFERENCES(BUFFER, CommandBufferKHR)

static struct object *make_queue(struct object *device, cl_ulong properties)
{
	struct object *queue = sim_make(QUEUE, device);

	queue->properties = properties;
	sim_device_queue();
	return queue;
}

CL(struct object *, clCreateCommandQueue,
   (struct object * context, struct object *device, cl_ulong properties, cl_int *status))
{
	ENTER_OR_NULL(clCreateCommandQueue, status);
	return make_queue(device, properties);
}

#define WITH_PROPERTIES(name)                                                                      \
	CL(struct object *, name,                                                                  \
	   (struct object * context, struct object * device, const cl_ulong *properties,           \
	    cl_int *status))                                                                       \
	{                                                                                          \
		ENTER_OR_NULL(name, status);                                                       \
		return make_queue(                                                                 \
		    device, properties != NULL && properties[0] == 0x1093 ? properties[1] : 0);    \
	}
WITH_PROPERTIES(clCreateCommandQueueWithProperties)
WITH_PROPERTIES(clCreateCommandQueueWithPropertiesKHR)

CL(cl_int, clGetCommandQueueInfo,
   (struct object * queue, cl_uint name, size_t room, void *value, size_t *size))
{
	cl_ulong properties = queue->properties;

	ENTER_OR_FAIL(clGetCommandQueueInfo);
	if (name == 0x1091)
		return sim_answer(&queue->parent, sizeof(void *), room, value, size);
	return sim_answer(&properties, sizeof(properties), room, value, size);
}

#define QUEUE_CALL(name)                                                                           \
	CL(cl_int, name, (struct object * queue))                                                  \
	{                                                                                          \
		ENTER_OR_FAIL(name);                                                               \
		return sim_of(queue, QUEUE) != NULL ? SUCCESS : INVALID_QUEUE;                     \
	}
QUEUE_CALL(clFlush)
QUEUE_CALL(clEnqueueBarrier)

CL(cl_int, clFinish, (struct object * queue))
{
	ENTER_OR_FAIL(clFinish);
	if (sim_of(queue, QUEUE) == NULL)
		return INVALID_QUEUE;
	sim_device_wait();
	return SUCCESS;
}

CL(cl_int, clWaitForEvents, (cl_uint count, struct object *const *events))
{
	ENTER_OR_FAIL(clWaitForEvents);
	for (cl_uint i = 0; i < count; i++) {
		if (sim_of(events[i], EVENT) == NULL)
			return INVALID_EVENT;
		events[i]->polls = 0;
	}
	return count > 0 ? SUCCESS : INVALID_VALUE;
}

CL(cl_int, clGetEventInfo,
   (struct object * event, cl_uint name, size_t room, void *value, size_t *size))
{
	cl_int status;

	ENTER_OR_FAIL(clGetEventInfo);
	if (sim_of(event, EVENT) == NULL)
		return INVALID_EVENT;
	if (name == 0x11d0)
		return sim_answer(&event->parent, sizeof(void *), room, value, size);
	sim_device_ask();
	status = event->polls > 0 ? 1 : event->status;
	event->polls -= event->polls > 0;
	return sim_answer(&status, sizeof(status), room, value, size);
}

CL(cl_int, clGetEventProfilingInfo,
   (struct object * event, cl_uint name, size_t room, void *value, size_t *size))
{
	const cl_ulong *time = name == 0x1280   ? &event->queued
			       : name == 0x1282 ? &event->start
						: &event->end;

	ENTER_OR_FAIL(clGetEventProfilingInfo);
	sim_device_ask();
	if (event->parent == NULL || !(event->parent->properties & 2))
		return NOT_AVAILABLE;
	return sim_answer(time, sizeof(*time), room, value, size);
}

CL(struct object *, clCreateUserEvent, (struct object * context, cl_int *status))
{
	struct object *event;

	ENTER_OR_NULL(clCreateUserEvent, status);
	event = sim_make(EVENT, NULL);
	event->status = SUBMITTED;
	return event;
}

CL(cl_int, clSetUserEventStatus, (struct object * event, cl_int status))
{
	ENTER_OR_FAIL(clSetUserEventStatus);
	event->status = status;
	for (int i = 0; i < NOTES && event->called[i] != NULL; i++)
		event->called[i](event, status, event->called_with[i]);
	return SUCCESS;
}

CL(cl_int, clSetEventCallback,
   (struct object * event, cl_int when, void (*notify)(struct object *, cl_int, void *),
    void *data))
{
	ENTER_OR_FAIL(clSetEventCallback);
	/* It is done, but for a user's: the callback runs at once, on this thread. */
	if (event->status != SUBMITTED)
		notify(event, when, data);
	for (int i = 0; event->status == SUBMITTED && i < NOTES; i++)
		if (event->called[i] == NULL) {
			event->called[i] = notify;
			event->called_with[i] = data;
			break;
		}
	sim_device_ask();
	return SUCCESS;
}

#define ORDER(name)                                                                                \
	CL(cl_int, name, (struct object * queue, WAIT_LIST))                                       \
	{                                                                                          \
		ENTER_OR_FAIL(name);                                                               \
		return sim_done(queue, sim_now(), event);                                          \
	}
ORDER(clEnqueueMarkerWithWaitList)
ORDER(clEnqueueBarrierWithWaitList)

#define SEMAPHORES(name)                                                                           \
	CL(cl_int, name,                                                                           \
	   (struct object * queue, cl_uint count, struct object *const *semaphores,                \
	    const cl_ulong *values, WAIT_LIST))                                                    \
	{                                                                                          \
		ENTER_OR_FAIL(name);                                                               \
		return sim_done(queue, sim_now(), event);                                          \
	}
SEMAPHORES(clEnqueueWaitSemaphoresKHR)
SEMAPHORES(clEnqueueSignalSemaphoresKHR)

CL(struct object *, clCreateSemaphoreWithPropertiesKHR,
   (struct object * context, const cl_ulong *properties, cl_int *status))
{
	ENTER_OR_NULL(clCreateSemaphoreWithPropertiesKHR, status);
	return sim_make(SEMAPHORE, NULL);
}

CL(void *, clGetExtensionFunctionAddress, (const char *name))
{
	return sim_function(name);
}

CL(void *, clGetExtensionFunctionAddressForPlatform, (struct object * platform, const char *name))
{
	return sim_of(platform, PLATFORM) != NULL ? sim_function(name) : NULL;
}
