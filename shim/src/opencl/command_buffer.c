// SPDX-License-Identifier: Apache-2.0
/*
 * Command buffers, which OpenCL's graphs are: commands are put into one, it
 * is made final, and then enqueued as often as the program likes. What is put
 * in is recorded as such, and does not run.
 */
#include "opencl/opencl.h"

#define BUFFERS 1024u

/* The first queue of a buffer: commands and enqueues need not name one. */
static struct {
	cl_command_buffer buffer;
	cl_command_queue queue;
} queues[BUFFERS];

static unsigned int slot_of(cl_command_buffer buffer)
{
	return (unsigned int)(((uintptr_t)buffer * 0x9e3779b97f4a7c15ull) >> 54);
}

static void remember(cl_command_buffer buffer, cl_command_queue queue)
{
	unsigned int slot = slot_of(buffer);

	__atomic_store_n(&queues[slot].buffer, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&queues[slot].queue, queue, __ATOMIC_RELEASE);
	__atomic_store_n(&queues[slot].buffer, buffer, __ATOMIC_RELEASE);
}

/* NULL: it gave its place to another. */
static cl_command_queue queue_of(cl_command_buffer buffer)
{
	unsigned int slot = slot_of(buffer);
	cl_command_queue queue;

	if (__atomic_load_n(&queues[slot].buffer, __ATOMIC_ACQUIRE) != buffer)
		return NULL;
	queue = __atomic_load_n(&queues[slot].queue, __ATOMIC_ACQUIRE);
	return __atomic_load_n(&queues[slot].buffer, __ATOMIC_RELAXED) == buffer ? queue : NULL;
}

static void begun(const struct anaros_call *call, cl_command_buffer buffer, cl_uint count,
		  const cl_command_queue *list, cl_int status)
{
	cl_command_queue queue = buffer != NULL && count > 0 && list != NULL ? list[0] : NULL;

	if (buffer != NULL)
		remember(buffer, queue);
	anaros_device_note(call, &(struct anaros_fields){
				     .kind = ANAROS_KIND_GPU_CAPTURE,
				     .status = status,
				     .object = (uintptr_t)queue,
				 });
}
CL_CREATE_EXTENSION(cl_command_buffer, clCreateCommandBufferKHR,
		    (cl_uint count, const cl_command_queue *list, const cl_ulong *properties,
		     cl_int *status),
		    (count, list, properties, status), begun(&call, made, count, list, *status))

#define READY(made, from)                                                                          \
	CL_NOTE(result, .kind = ANAROS_KIND_GPU_INSTANTIATE, .object = (uintptr_t)(made),          \
		.address = (uintptr_t)(from))

/* Ends the recording, and makes it ready: both are told, of the one call. */
CL_PLAIN_EXTENSION(clFinalizeCommandBufferKHR, (cl_command_buffer buffer), (buffer),
		   CL_NOTE(result, .kind = ANAROS_KIND_GPU_CAPTURE,
			   .object = (uintptr_t)queue_of(buffer), .address = (uintptr_t)buffer);
		   READY(buffer, buffer))
CL_PLAIN_EXTENSION(clUpdateMutableCommandsKHR,
		   (cl_command_buffer buffer, uintptr_t count, const void *types,
		    const void **configurations),
		   (buffer, count, types, configurations), READY(buffer, buffer))
CL_PLAIN_EXTENSION(clReleaseCommandBufferKHR, (cl_command_buffer buffer), (buffer),
		   READY(buffer, NULL))

static void remapped(const struct anaros_call *call, cl_command_buffer made, cl_command_buffer from,
		     cl_uint count, cl_command_queue *list, cl_int status)
{
	if (made != NULL)
		remember(made, count > 0 && list != NULL ? list[0] : NULL);
	anaros_device_note(call, &(struct anaros_fields){
				     .kind = ANAROS_KIND_GPU_INSTANTIATE,
				     .status = status,
				     .object = (uintptr_t)made,
				     .address = (uintptr_t)from,
				 });
}
CL_CREATE_EXTENSION(cl_command_buffer, clRemapCommandBufferKHR,
		    (cl_command_buffer buffer, cl_uint automatic, cl_uint count,
		     cl_command_queue *list, cl_uint handle_count, void **handles,
		     void **made_handles, cl_int *status),
		    (buffer, automatic, count, list, handle_count, handles, made_handles, status),
		    remapped(&call, made, buffer, count, list, *status))

/* On the device it is one command: its kernels have no times of their own. */
CL_EXTENSION(CL_HOT, cl_int, clEnqueueCommandBufferKHR,
	     (cl_uint count, cl_command_queue *targets, cl_command_buffer buffer, WAIT_LIST),
	     (count, targets, buffer, WAITED))
{
	struct cl_call call;
	cl_int result;

	CL_REQUIRE(api, clEnqueueCommandBufferKHR, CL_INVALID_OPERATION);
	event = cl_begin(&call, api, count > 0 && targets != NULL ? targets[0] : queue_of(buffer),
			 event);
	result = api->clEnqueueCommandBufferKHR(count, targets, buffer, WAITED);
	CL_COPIED(GRAPH, false, 0, buffer);
	return result;
}

/* What goes into a buffer. */
static void put(const struct anaros_call *call, cl_int result, cl_command_buffer buffer,
		cl_command_queue queue, uint16_t kind, uint64_t size, uint64_t address)
{
	if (queue == NULL)
		queue = queue_of(buffer);
	anaros_device_note(call, &(struct anaros_fields){
				     .kind = kind,
				     .flags = ANAROS_FLAG_CAPTURE | ANAROS_FLAG_ASYNC,
				     .status = result,
				     .object = (uintptr_t)queue,
				     .size_bytes = size,
				     .address = address,
				 });
}
#define PUT(kind, size, at)                                                                        \
	put(&call, result, buffer, queue, ANAROS_KIND_GPU_##kind, size, (uintptr_t)(at))

CL_PLAIN_EXTENSION(clCommandNDRangeKernelKHR,
		   (cl_command_buffer buffer, cl_command_queue queue, const void *properties,
		    cl_kernel kernel, cl_uint dimensions, const size_t *offset,
		    const size_t *global, const size_t *local, cl_uint waits, const cl_uint *list,
		    cl_uint *point, void **handle),
		   (buffer, queue, properties, kernel, dimensions, offset, global, local, waits,
		    list, point, handle),
		   PUT(LAUNCH, cl_items(result, dimensions, global), kernel))

/*
 * From version 0.9.5 of the extension on, properties come before the third
 * parameter: none, mostly, or a list that begins with a small number. What
 * was there before is a handle, which begins with the address of the table
 * that loaders call through.
 */
#define SMALL 0x10000u
static bool has_properties(cl_int result, uintptr_t third)
{
	return third == 0 || (result == CL_SUCCESS && *(const uintptr_t *)third < SMALL);
}
/* Memory of the program may begin with anything. */
static bool has_no_memory(uintptr_t third)
{
	return third == 0;
}

#define REST                                                                                       \
	uintptr_t p3, uintptr_t p4, uintptr_t p5, uintptr_t p6, uintptr_t p7, uintptr_t p8,        \
	    uintptr_t p9, uintptr_t p10
CL_PLAIN_EXTENSION(clCommandCopyBufferKHR,
		   (cl_command_buffer buffer, cl_command_queue queue, REST, uintptr_t p11,
		    uintptr_t p12),
		   (buffer, queue, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12),
		   bool later = has_properties(result, p3);
		   PUT(COPY_D2D, later ? p8 : p7, later ? p5 : p4))
CL_PLAIN_EXTENSION(clCommandFillBufferKHR,
		   (cl_command_buffer buffer, cl_command_queue queue, REST, uintptr_t p11,
		    uintptr_t p12),
		   (buffer, queue, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12),
		   bool later = has_properties(result, p3);
		   PUT(MEMSET, later ? p8 : p7, later ? p4 : p3))
CL_PLAIN_EXTENSION(clCommandSVMMemcpyKHR, (cl_command_buffer buffer, cl_command_queue queue, REST),
		   (buffer, queue, p3, p4, p5, p6, p7, p8, p9, p10), bool later = has_no_memory(p3);
		   PUT(COPY, later ? p6 : p5, later ? p4 : p3))
CL_PLAIN_EXTENSION(clCommandSVMMemFillKHR,
		   (cl_command_buffer buffer, cl_command_queue queue, REST, uintptr_t p11),
		   (buffer, queue, p3, p4, p5, p6, p7, p8, p9, p10, p11),
		   bool later = has_no_memory(p3);
		   PUT(MEMSET, later ? p7 : p6, later ? p4 : p3))
