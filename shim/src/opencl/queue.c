// SPDX-License-Identifier: Apache-2.0
/* Queues, and the calls that hand over or wait for all that is in one. */
#include "core/question.h"
#include "opencl/opencl.h"

CL_HOOK(CL_RARE, cl_int, clFinish, (cl_command_queue queue), (queue))
{
	struct cl_waited waited;
	struct anaros_call call;
	cl_int result;

	CL_REQUIRE(api, clFinish, CL_INVALID_OPERATION);
	if (!cl_enter(api, &call))
		return api->clFinish(queue);
	result = api->clFinish(queue);
	waited.start_ns = call.start_ns;
	waited.end_ns = anaros_now_ns();
	anaros_questions_over();
	anaros_record_at(waited.start_ns, waited.end_ns,
			 &(struct anaros_fields){
			     .kind = ANAROS_KIND_GPU_SYNC,
			     .status = result,
			     .object = (uintptr_t)queue,
			 });
	cl_harvest(cl_queue_lookup(queue), result == CL_SUCCESS ? &waited : NULL);
	cl_leave();
	return result;
}

CL_PLAIN(clFlush, (cl_command_queue queue), (queue),
	 CL_NOTE(result, .kind = ANAROS_KIND_GPU_FLUSH, .object = (uintptr_t)queue))

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
#define QUEUE(create, name, properties_type)                                                       \
	create(cl_command_queue, name,                                                             \
	       (cl_context context, cl_device_id device, properties_type properties,               \
		cl_int * status),                                                                  \
	       (context, device, properties, status), created(api, &call, device, made, *status))
QUEUE(CL_CREATE, clCreateCommandQueue, cl_bitfield)
QUEUE(CL_CREATE, clCreateCommandQueueWithProperties, const cl_ulong *)
QUEUE(CL_CREATE_EXTENSION, clCreateCommandQueueWithPropertiesKHR, const cl_ulong *)
QUEUE(CL_CREATE_EXTENSION, clCreateCommandQueueWithPropertiesAPPLE, const cl_ulong *)
CL_CREATE_EXTENSION(cl_command_queue, clCreatePerfCountersCommandQueueINTEL,
		    (cl_context context, cl_device_id device, cl_bitfield properties,
		     cl_uint configuration, cl_int *status),
		    (context, device, properties, configuration, status),
		    created(api, &call, device, made, *status))

CL_HOOK(CL_RARE, cl_int, clRetainCommandQueue, (cl_command_queue handle), (handle))
{
	struct cl_queue *queue;
	cl_int result;

	CL_REQUIRE(api, clRetainCommandQueue, CL_INVALID_OPERATION);
	result = api->clRetainCommandQueue(handle);
	queue = api->passes ? NULL : cl_queue_lookup(handle);
	if (result == CL_SUCCESS && queue != NULL)
		cl_queue_retained(queue);
	return result;
}

CL_HOOK(CL_RARE, cl_int, clReleaseCommandQueue, (cl_command_queue handle), (handle))
{
	struct cl_queue *queue;
	struct anaros_call call;
	bool last, recording;
	cl_int result;

	CL_REQUIRE(api, clReleaseCommandQueue, CL_INVALID_OPERATION);
	queue = api->passes ? NULL : cl_queue_lookup(handle);
	last = queue != NULL && cl_queue_released(queue);
	recording = cl_enter(api, &call);
	if (last)
		cl_queue_forget(queue);
	result = api->clReleaseCommandQueue(handle);
	if (last && recording)
		CL_NOTE(result, .kind = ANAROS_KIND_GPU_STREAM, .object = (uintptr_t)handle);
	if (recording)
		cl_leave();
	return result;
}
