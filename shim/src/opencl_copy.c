// SPDX-License-Identifier: Apache-2.0
/* Copies, fills and maps. */
#include "opencl.h"

/* Bytes of a block of `region` bytes, rows and slices. */
static uint64_t volume(const size_t *region)
{
	return region != NULL ? (uint64_t)region[0] * region[1] * region[2] : 0;
}

/* Where a block starts on the host side; 0 pitches mean tightly packed. */
static uint64_t block_at(const void *host, const size_t *origin, const size_t *region,
			 size_t row_pitch, size_t slice_pitch)
{
	if (origin == NULL || region == NULL)
		return (uintptr_t)host;
	if (row_pitch == 0)
		row_pitch = region[0];
	if (slice_pitch == 0)
		slice_pitch = region[1] * row_pitch;
	return (uintptr_t)host + origin[2] * slice_pitch + origin[1] * row_pitch + origin[0];
}

static void copied(struct cl_call *call, cl_int result, bool blocking, uint16_t kind, uint64_t size,
		   uint64_t address)
{
	cl_done(call, result, blocking,
		&(struct anaros_fields){.kind = kind, .size_bytes = size, .address = address});
}

cl_int clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_uint blocking, size_t offset,
			    size_t size, const void *host, cl_uint waits, const cl_event *list,
			    cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueWriteBuffer, queue, event);
	result = call.api->clEnqueueWriteBuffer(queue, buffer, blocking, offset, size, host, waits,
						list, call.event);
	copied(&call, result, blocking, ANAROS_KIND_GPU_COPY_H2D, size, (uintptr_t)host);
	return result;
}

cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem buffer, cl_uint blocking, size_t offset,
			   size_t size, void *host, cl_uint waits, const cl_event *list,
			   cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueReadBuffer, queue, event);
	result = call.api->clEnqueueReadBuffer(queue, buffer, blocking, offset, size, host, waits,
					       list, call.event);
	copied(&call, result, blocking, ANAROS_KIND_GPU_COPY_D2H, size, (uintptr_t)host);
	return result;
}

cl_int clEnqueueWriteBufferRect(cl_command_queue queue, cl_mem buffer, cl_uint blocking,
				const size_t *buffer_origin, const size_t *host_origin,
				const size_t *region, size_t buffer_row, size_t buffer_slice,
				size_t host_row, size_t host_slice, const void *host, cl_uint waits,
				const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueWriteBufferRect, queue, event);
	result = call.api->clEnqueueWriteBufferRect(
	    queue, buffer, blocking, buffer_origin, host_origin, region, buffer_row, buffer_slice,
	    host_row, host_slice, host, waits, list, call.event);
	copied(&call, result, blocking, ANAROS_KIND_GPU_COPY_H2D, volume(region),
	       block_at(host, host_origin, region, host_row, host_slice));
	return result;
}

cl_int clEnqueueReadBufferRect(cl_command_queue queue, cl_mem buffer, cl_uint blocking,
			       const size_t *buffer_origin, const size_t *host_origin,
			       const size_t *region, size_t buffer_row, size_t buffer_slice,
			       size_t host_row, size_t host_slice, void *host, cl_uint waits,
			       const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueReadBufferRect, queue, event);
	result = call.api->clEnqueueReadBufferRect(
	    queue, buffer, blocking, buffer_origin, host_origin, region, buffer_row, buffer_slice,
	    host_row, host_slice, host, waits, list, call.event);
	copied(&call, result, blocking, ANAROS_KIND_GPU_COPY_D2H, volume(region),
	       block_at(host, host_origin, region, host_row, host_slice));
	return result;
}

cl_int clEnqueueCopyBuffer(cl_command_queue queue, cl_mem source, cl_mem target,
			   size_t source_offset, size_t target_offset, size_t size, cl_uint waits,
			   const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueCopyBuffer, queue, event);
	result = call.api->clEnqueueCopyBuffer(queue, source, target, source_offset, target_offset,
					       size, waits, list, call.event);
	copied(&call, result, false, ANAROS_KIND_GPU_COPY_D2D, size, (uintptr_t)target);
	return result;
}

cl_int clEnqueueCopyBufferRect(cl_command_queue queue, cl_mem source, cl_mem target,
			       const size_t *source_origin, const size_t *target_origin,
			       const size_t *region, size_t source_row, size_t source_slice,
			       size_t target_row, size_t target_slice, cl_uint waits,
			       const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueCopyBufferRect, queue, event);
	result = call.api->clEnqueueCopyBufferRect(
	    queue, source, target, source_origin, target_origin, region, source_row, source_slice,
	    target_row, target_slice, waits, list, call.event);
	copied(&call, result, false, ANAROS_KIND_GPU_COPY_D2D, volume(region), (uintptr_t)target);
	return result;
}

cl_int clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern,
			   size_t pattern_size, size_t offset, size_t size, cl_uint waits,
			   const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueFillBuffer, queue, event);
	result = call.api->clEnqueueFillBuffer(queue, buffer, pattern, pattern_size, offset, size,
					       waits, list, call.event);
	copied(&call, result, false, ANAROS_KIND_GPU_MEMSET, size, (uintptr_t)buffer);
	return result;
}

void *clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_uint blocking, cl_bitfield flags,
			 size_t offset, size_t size, cl_uint waits, const cl_event *list,
			 cl_event *event, cl_int *status)
{
	struct cl_call call;
	cl_int own = CL_SUCCESS;
	void *host;

	CL_ENQUEUE_OR(call, clEnqueueMapBuffer, queue, event, NULL);
	status = status != NULL ? status : &own;
	host = call.api->clEnqueueMapBuffer(queue, buffer, blocking, flags, offset, size, waits,
					    list, call.event, status);
	copied(&call, *status, blocking, ANAROS_KIND_GPU_MAP, size, (uintptr_t)host);
	return host;
}

cl_int clEnqueueUnmapMemObject(cl_command_queue queue, cl_mem memory, void *host, cl_uint waits,
			       const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueUnmapMemObject, queue, event);
	result = call.api->clEnqueueUnmapMemObject(queue, memory, host, waits, list, call.event);
	copied(&call, result, false, ANAROS_KIND_GPU_UNMAP, 0, (uintptr_t)host);
	return result;
}

/* A region of an image is in pixels. */
static uint64_t image_bytes(const struct cl_call *call, cl_mem image, const size_t *region,
			    cl_int result)
{
	int saved = errno;
	size_t pixel = 0;

	if (!call->recording || result != CL_SUCCESS || call->api->clGetImageInfo == NULL)
		return 0;
	call->api->clGetImageInfo(image, CL_IMAGE_ELEMENT_SIZE, sizeof(pixel), &pixel, NULL);
	errno = saved;
	return volume(region) * pixel;
}

cl_int clEnqueueWriteImage(cl_command_queue queue, cl_mem image, cl_uint blocking,
			   const size_t *origin, const size_t *region, size_t row, size_t slice,
			   const void *host, cl_uint waits, const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueWriteImage, queue, event);
	result = call.api->clEnqueueWriteImage(queue, image, blocking, origin, region, row, slice,
					       host, waits, list, call.event);
	copied(&call, result, blocking, ANAROS_KIND_GPU_COPY_H2D,
	       image_bytes(&call, image, region, result), (uintptr_t)host);
	return result;
}

cl_int clEnqueueReadImage(cl_command_queue queue, cl_mem image, cl_uint blocking,
			  const size_t *origin, const size_t *region, size_t row, size_t slice,
			  void *host, cl_uint waits, const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueReadImage, queue, event);
	result = call.api->clEnqueueReadImage(queue, image, blocking, origin, region, row, slice,
					      host, waits, list, call.event);
	copied(&call, result, blocking, ANAROS_KIND_GPU_COPY_D2H,
	       image_bytes(&call, image, region, result), (uintptr_t)host);
	return result;
}

cl_int clEnqueueSVMMemcpy(cl_command_queue queue, cl_uint blocking, void *target,
			  const void *source, size_t size, cl_uint waits, const cl_event *list,
			  cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueSVMMemcpy, queue, event);
	result = call.api->clEnqueueSVMMemcpy(queue, blocking, target, source, size, waits, list,
					      call.event);
	copied(&call, result, blocking, ANAROS_KIND_GPU_COPY, size, (uintptr_t)target);
	return result;
}

cl_int clEnqueueSVMMemFill(cl_command_queue queue, void *target, const void *pattern,
			   size_t pattern_size, size_t size, cl_uint waits, const cl_event *list,
			   cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueSVMMemFill, queue, event);
	result = call.api->clEnqueueSVMMemFill(queue, target, pattern, pattern_size, size, waits,
					       list, call.event);
	copied(&call, result, false, ANAROS_KIND_GPU_MEMSET, size, (uintptr_t)target);
	return result;
}

cl_int clEnqueueSVMMap(cl_command_queue queue, cl_uint blocking, cl_bitfield flags, void *host,
		       size_t size, cl_uint waits, const cl_event *list, cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueSVMMap, queue, event);
	result =
	    call.api->clEnqueueSVMMap(queue, blocking, flags, host, size, waits, list, call.event);
	copied(&call, result, blocking, ANAROS_KIND_GPU_MAP, size, (uintptr_t)host);
	return result;
}

cl_int clEnqueueSVMUnmap(cl_command_queue queue, void *host, cl_uint waits, const cl_event *list,
			 cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueSVMUnmap, queue, event);
	result = call.api->clEnqueueSVMUnmap(queue, host, waits, list, call.event);
	copied(&call, result, false, ANAROS_KIND_GPU_UNMAP, 0, (uintptr_t)host);
	return result;
}
