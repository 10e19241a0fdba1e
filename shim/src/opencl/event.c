// SPDX-License-Identifier: Apache-2.0
/* Events: waits, questions, callbacks, and what orders the commands of a queue. */
#include "core/question.h"
#include "cuda/cuda.h"
#include "opencl/opencl.h"

#define EVENTS_ASKED 64u
/* The last of the states before an event is complete; those before have higher numbers. */
#define CL_RUNNING 1

/* Markers and barriers order the device; they do not move or compute. */
#define ORDERED(at)                                                                                \
	anaros_record(&call, &(struct anaros_fields){                                              \
				 .kind = ANAROS_KIND_GPU_EVENT,                                    \
				 .flags = ANAROS_FLAG_ASYNC,                                       \
				 .status = result,                                                 \
				 .object = (uintptr_t)queue,                                       \
				 .address = (at),                                                  \
			     })
/* With the event that the call made, if the program wants it. */
#define ORDERED_MADE                                                                               \
	do {                                                                                       \
		cl_event made = event != NULL && result == CL_SUCCESS ? *event : NULL;             \
                                                                                                   \
		ORDERED((uintptr_t)made);                                                          \
		if (made != NULL)                                                                  \
			cl_event_made(made, call.start_ns);                                        \
	} while (0)

CL_PLAIN(clEnqueueMarkerWithWaitList, (cl_command_queue queue, WAIT_LIST), (queue, WAITED),
	 ORDERED_MADE)
CL_PLAIN(clEnqueueBarrierWithWaitList, (cl_command_queue queue, WAIT_LIST), (queue, WAITED),
	 ORDERED_MADE)
CL_PLAIN(clEnqueueMarker, (cl_command_queue queue, cl_event *event), (queue, event), ORDERED_MADE)
CL_PLAIN(clEnqueueBarrier, (cl_command_queue queue), (queue), ORDERED(0))
CL_PLAIN(clEnqueueWaitForEvents, (cl_command_queue queue, cl_uint count, const cl_event *events),
	 (queue, count, events),
	 ORDERED(result == CL_SUCCESS && count > 0 ? (uintptr_t)events[0] : 0))

/* Semaphores, and memory that another library gives and takes back. */
#define SIGNALLED(first, waits_for_it)                                                             \
	CL_NOTE(result, .kind = ANAROS_KIND_GPU_SIGNAL, .flags = ANAROS_FLAG_ASYNC,                \
		.object = (uintptr_t)queue, .size_bytes = (waits_for_it),                          \
		.address = result == CL_SUCCESS && count > 0 ? (uintptr_t)(first)[0] : 0)
#define SEMAPHORES(name, waits_for_it)                                                             \
	CL_PLAIN_EXTENSION(name,                                                                   \
			   (cl_command_queue queue, cl_uint count, void *const *semaphores,        \
			    const cl_ulong *values, WAIT_LIST),                                    \
			   (queue, count, semaphores, values, WAITED),                             \
			   SIGNALLED(semaphores, waits_for_it))
SEMAPHORES(clEnqueueWaitSemaphoresKHR, 1)
SEMAPHORES(clEnqueueSignalSemaphoresKHR, 0)
#define EXTERNAL(name, waits_for_it)                                                               \
	CL_PLAIN_EXTENSION(                                                                        \
	    name, (cl_command_queue queue, cl_uint count, const cl_mem *objects, WAIT_LIST),       \
	    (queue, count, objects, WAITED), SIGNALLED(objects, waits_for_it))
EXTERNAL(clEnqueueAcquireExternalMemObjectsKHR, 1)
EXTERNAL(clEnqueueReleaseExternalMemObjectsKHR, 0)

CL_PLAIN(clSetUserEventStatus, (cl_event event, cl_int status), (event, status),
	 CL_NOTE(result, .kind = ANAROS_KIND_GPU_SIGNAL, .address = (uintptr_t)event))

cl_command_queue cl_queue_of_event(const struct cl_api *api, cl_event event)
{
	cl_command_queue queue = NULL;

	if (api->clGetEventInfo == NULL ||
	    api->clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof(cl_command_queue), &queue,
				NULL) != CL_SUCCESS)
		return NULL;
	return queue;
}

/* Asked before: the call may run the callback, which may end the event. */
CL_HOOK(CL_RARE, cl_int, clSetEventCallback,
	(cl_event event, cl_int when, cl_notify_event notify, void *data),
	(event, when, notify, data))
{
	struct anaros_call call;
	cl_command_queue queue;
	cl_int result;
	int saved;

	CL_REQUIRE(api, clSetEventCallback, CL_INVALID_OPERATION);
	if (!cl_within(api))
		return api->clSetEventCallback(event, when, notify, data);
	saved = errno;
	queue = event != NULL ? cl_queue_of_event(api, event) : NULL;
	errno = saved;
	call.start_ns = anaros_now_ns();
	result = api->clSetEventCallback(event, when, ANAROS_CALLBACK(notify), data);
	CL_NOTE(result, .kind = ANAROS_KIND_GPU_HOST_CALL, .object = (uintptr_t)queue,
		.address = (uintptr_t)notify);
	cl_leave();
	return result;
}

/* That it is not done yet is one answer, whether it is queued, submitted or running. */
static void answered(const struct anaros_call *call, cl_event event, cl_int result,
		     const cl_int *status)
{
	int32_t answer = result != CL_SUCCESS || status == NULL ? result : *status;
	bool not_yet = answer >= CL_RUNNING;

	if (not_yet)
		answer = CL_RUNNING;
	if (anaros_answer_is_news(call, (uintptr_t)event, answer, not_yet))
		anaros_record(call, &(struct anaros_fields){
					.kind = ANAROS_KIND_GPU_QUERY,
					.status = answer,
					.object = (uintptr_t)event,
				    });
}

CL_HOOK(CL_HOT, cl_int, clGetEventInfo,
	(cl_event event, cl_uint name, size_t room, void *value, size_t *size),
	(event, name, room, value, size))
{
	struct anaros_call call;
	cl_int result;

	CL_REQUIRE(api, clGetEventInfo, CL_INVALID_OPERATION);
	if (name != CL_EVENT_COMMAND_EXECUTION_STATUS || !cl_enter(api, &call))
		return api->clGetEventInfo(event, name, room, value, size);
	result = api->clGetEventInfo(event, name, room, value, size);
	answered(&call, event, result, value);
	cl_leave();
	return result;
}

/* What the first of the events that were waited for tell. */
struct waited {
	cl_command_queue queue[EVENTS_ASKED];
	cl_uint count;
	/* How long before the wait the last command of the first queue was enqueued, 0: not told.
	 */
	uint64_t age_ns;
};

static COLD void look_at(struct waited *waited, const struct cl_api *api, uint64_t start_ns,
			 cl_uint count, const cl_event *events)
{
	uint64_t last_ns = 0;

	waited->queue[0] = NULL;
	waited->count = count < EVENTS_ASKED ? count : EVENTS_ASKED;
	for (cl_uint i = 0; i < waited->count; i++) {
		uint64_t made_ns = cl_event_made_ns(events[i]);

		waited->queue[i] = cl_queue_of_event(api, events[i]);
		if (waited->queue[i] == waited->queue[0] && made_ns > last_ns)
			last_ns = made_ns;
	}
	/* Of a queue without order an event proves nothing of other commands. */
	waited->age_ns = last_ns != 0 && last_ns < start_ns && cl_in_order(waited->queue[0])
			     ? start_ns - last_ns
			     : 0;
}

/* Takes the device times of the queues that the events belong to. */
static COLD void harvest_of(const struct waited *waited)
{
	for (cl_uint i = 0; i < waited->count; i++)
		if (waited->queue[i] != NULL &&
		    (i == 0 || waited->queue[i] != waited->queue[i - 1]))
			cl_harvest(cl_queue_lookup(waited->queue[i]), NULL);
}

CL_HOOK(CL_RARE, cl_int, clWaitForEvents, (cl_uint count, const cl_event *events), (count, events))
{
	struct waited waited;
	struct anaros_call call;
	uint64_t end_ns;
	cl_int result;
	int saved;

	CL_REQUIRE(api, clWaitForEvents, CL_INVALID_OPERATION);
	if (!cl_enter(api, &call))
		return api->clWaitForEvents(count, events);
	result = api->clWaitForEvents(count, events);
	end_ns = anaros_now_ns();
	saved = errno;
	/* What the call refused was perhaps no event. */
	if (result != CL_SUCCESS && result != CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
		count = 0;
	look_at(&waited, api, call.start_ns, count, events);
	anaros_questions_over();
	anaros_record_at(call.start_ns, end_ns,
			 &(struct anaros_fields){
			     .kind = ANAROS_KIND_GPU_SYNC,
			     .status = result,
			     .object = count > 0 ? (uintptr_t)events[0] : 0,
			     .size_bytes = waited.age_ns,
			     .address = (uintptr_t)waited.queue[0],
			 });
	harvest_of(&waited);
	cl_leave();
	errno = saved;
	return result;
}
