// SPDX-License-Identifier: Apache-2.0
/* Queues, waits, and what orders the commands of a queue. */
#include "opencl/opencl.h"

#define EVENTS_ASKED 64u

/* Markers and barriers order the device; they do not move or compute. */
static void ordered(const struct cl_call *call, cl_int result, const cl_event *event)
{
	if (call->recording)
		anaros_record(
		    &call->call,
		    &(struct anaros_fields){
			.kind = ANAROS_KIND_GPU_EVENT,
			.flags = ANAROS_FLAG_ASYNC,
			.status = result,
			.object = (uintptr_t)call->handle,
			.address = event != NULL && result == CL_SUCCESS ? (uintptr_t)*event : 0,
		    });
}

static void begin_plain(struct cl_call *call, cl_command_queue queue)
{
	call->handle = queue;
	call->recording = anaros_enter(&call->call);
}

/* As CL_COMMAND, where no event of ours tells the device's times. */
#define CL_PLAIN(name, parameters, arguments, record)                                              \
	cl_int name parameters                                                                     \
	{                                                                                          \
		struct cl_call call;                                                               \
		cl_int result;                                                                     \
                                                                                                   \
		call.api = CL_LIBRARY();                                                           \
		CL_REQUIRE(call.api, name, CL_INVALID_OPERATION);                                  \
		begin_plain(&call, queue);                                                         \
		result = call.api->name arguments;                                                 \
		record;                                                                            \
		return result;                                                                     \
	}
CL_PLAIN(clEnqueueMarkerWithWaitList, (cl_command_queue queue, WAIT_LIST),
	 (queue, waits, list, event), ordered(&call, result, event))
CL_PLAIN(clEnqueueBarrierWithWaitList, (cl_command_queue queue, WAIT_LIST),
	 (queue, waits, list, event), ordered(&call, result, event))
CL_PLAIN(clEnqueueMarker, (cl_command_queue queue, cl_event *event), (queue, event),
	 ordered(&call, result, event))
CL_PLAIN(clEnqueueBarrier, (cl_command_queue queue), (queue), ordered(&call, result, NULL))
CL_PLAIN(clEnqueueWaitForEvents, (cl_command_queue queue, cl_uint count, const cl_event *events),
	 (queue, count, events), ordered(&call, result, count > 0 ? events : NULL))

static void finished(const struct cl_call *call, cl_int result)
{
	struct cl_waited waited = {.start_ns = call->call.start_ns};

	if (!call->recording)
		return;
	waited.end_ns = anaros_now_ns();
	anaros_record_at(waited.start_ns, waited.end_ns,
			 &(struct anaros_fields){
			     .kind = ANAROS_KIND_GPU_SYNC,
			     .status = result,
			     .object = (uintptr_t)call->handle,
			 });
	cl_harvest(cl_queue_lookup(call->handle), result == CL_SUCCESS ? &waited : NULL);
}
CL_PLAIN(clFinish, (cl_command_queue queue), (queue), finished(&call, result))

/* NULL for an event of the user's, which belongs to no queue. */
static cl_command_queue queue_of_event(const struct cl_api *api, cl_event event)
{
	cl_command_queue queue = NULL;

	if (api->clGetEventInfo == NULL ||
	    api->clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof(cl_command_queue), &queue,
				NULL) != CL_SUCCESS)
		return NULL;
	return queue;
}

cl_int clWaitForEvents(cl_uint count, const cl_event *events)
{
	const struct cl_api *api = CL_LIBRARY();
	cl_command_queue queue, last = NULL;
	struct anaros_call call;
	uint64_t end_ns;
	cl_int result;
	int saved;

	CL_REQUIRE(api, clWaitForEvents, CL_INVALID_OPERATION);
	if (!anaros_enter(&call))
		return api->clWaitForEvents(count, events);
	result = api->clWaitForEvents(count, events);
	end_ns = anaros_now_ns();
	saved = errno;
	/* What the call refused was perhaps no event. */
	if (result != CL_SUCCESS && result != CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
		count = 0;
	if (count > EVENTS_ASKED)
		count = EVENTS_ASKED;
	queue = count > 0 ? queue_of_event(api, events[0]) : NULL;
	anaros_record_at(call.start_ns, end_ns,
			 &(struct anaros_fields){
			     .kind = ANAROS_KIND_GPU_SYNC,
			     .status = result,
			     .object = count > 0 ? (uintptr_t)events[0] : 0,
			     .address = (uintptr_t)queue,
			 });
	for (cl_uint i = 0; i < count; i++) {
		if (i > 0)
			queue = queue_of_event(api, events[i]);
		if (queue != NULL && queue != last)
			cl_harvest(cl_queue_lookup(queue), NULL);
		last = queue;
	}
	errno = saved;
	return result;
}

static void created(const struct cl_api *api, const struct anaros_call *call, cl_device_id device,
		    cl_command_queue handle, cl_int status)
{
	if (handle != NULL)
		cl_queue_learn(api, handle, 1);
	anaros_record(call, &(struct anaros_fields){
				.kind = ANAROS_KIND_GPU_STREAM,
				.status = status,
				.object = (uintptr_t)handle,
				.address = (uintptr_t)device,
			    });
}
#define QUEUE(name, properties_type)                                                               \
	CL_CREATE(cl_command_queue, name,                                                          \
		  (cl_context context, cl_device_id device, properties_type properties,            \
		   cl_int * status),                                                               \
		  (context, device, properties, status),                                           \
		  created(api, &call, device, made, *status))
QUEUE(clCreateCommandQueue, cl_bitfield)
QUEUE(clCreateCommandQueueWithProperties, const cl_ulong *)

cl_int clRetainCommandQueue(cl_command_queue handle)
{
	const struct cl_api *api = CL_LIBRARY();
	struct cl_queue *queue;
	cl_int result;

	CL_REQUIRE(api, clRetainCommandQueue, CL_INVALID_OPERATION);
	result = api->clRetainCommandQueue(handle);
	queue = cl_queue_lookup(handle);
	if (result == CL_SUCCESS && queue != NULL)
		cl_queue_retained(queue);
	return result;
}

cl_int clReleaseCommandQueue(cl_command_queue handle)
{
	const struct cl_api *api = CL_LIBRARY();
	struct cl_queue *queue;
	struct anaros_call call;
	cl_int result;

	CL_REQUIRE(api, clReleaseCommandQueue, CL_INVALID_OPERATION);
	queue = cl_queue_lookup(handle);
	if (queue == NULL || !cl_queue_released(queue))
		return api->clReleaseCommandQueue(handle);
	if (!anaros_enter(&call)) {
		cl_queue_forget(queue);
		return api->clReleaseCommandQueue(handle);
	}
	cl_queue_forget(queue);
	result = api->clReleaseCommandQueue(handle);
	anaros_record(&call, &(struct anaros_fields){
				 .kind = ANAROS_KIND_GPU_STREAM,
				 .status = result,
				 .object = (uintptr_t)handle,
			     });
	return result;
}
