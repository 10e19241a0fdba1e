// SPDX-License-Identifier: Apache-2.0
/* Copies, fills and maps. */
#include "opencl/opencl.h"

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

#define COPY(name, kind, blocking, size, at, parameters, arguments)                                \
	CL_COMMAND(name, parameters, arguments,                                                    \
		   copied(&call, result, blocking, ANAROS_KIND_GPU_##kind, size, (uintptr_t)(at)))

/* Between host and buffer. */
#define HOST(name, kind, host_type)                                                                \
	COPY(name, kind, blocking, size, host,                                                     \
	     (cl_command_queue queue, cl_mem buffer, cl_uint blocking, size_t offset, size_t size, \
	      host_type host, WAIT_LIST),                                                          \
	     (queue, buffer, blocking, offset, size, host, WAITED))
HOST(clEnqueueWriteBuffer, COPY_H2D, const void *)
HOST(clEnqueueReadBuffer, COPY_D2H, void *)

#define HOST_RECT(name, kind, host_type)                                                           \
	COPY(name, kind, blocking, volume(region),                                                 \
	     block_at(host, host_origin, region, host_row, host_slice),                            \
	     (cl_command_queue queue, cl_mem buffer, cl_uint blocking,                             \
	      const size_t *buffer_origin, const size_t *host_origin, const size_t *region,        \
	      size_t buffer_row, size_t buffer_slice, size_t host_row, size_t host_slice,          \
	      host_type host, WAIT_LIST),                                                          \
	     (queue, buffer, blocking, buffer_origin, host_origin, region, buffer_row,             \
	      buffer_slice, host_row, host_slice, host, WAITED))
HOST_RECT(clEnqueueWriteBufferRect, COPY_H2D, const void *)
HOST_RECT(clEnqueueReadBufferRect, COPY_D2H, void *)

/* On the device. */
COPY(clEnqueueCopyBuffer, COPY_D2D, false, size, target,
     (cl_command_queue queue, cl_mem source, cl_mem target, size_t source_offset,
      size_t target_offset, size_t size, WAIT_LIST),
     (queue, source, target, source_offset, target_offset, size, WAITED))
COPY(clEnqueueCopyBufferRect, COPY_D2D, false, volume(region), target,
     (cl_command_queue queue, cl_mem source, cl_mem target, const size_t *source_origin,
      const size_t *target_origin, const size_t *region, size_t source_row, size_t source_slice,
      size_t target_row, size_t target_slice, WAIT_LIST),
     (queue, source, target, source_origin, target_origin, region, source_row, source_slice,
      target_row, target_slice, WAITED))
COPY(clEnqueueFillBuffer, MEMSET, false, size, buffer,
     (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_size,
      size_t offset, size_t size, WAIT_LIST),
     (queue, buffer, pattern, pattern_size, offset, size, WAITED))

void *clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_uint blocking, cl_bitfield flags,
			 size_t offset, size_t size, cl_uint waits, const cl_event *list,
			 cl_event *event, cl_int *status)
{
	struct cl_call call;
	cl_int own = CL_SUCCESS;
	void *host;

	CL_ENQUEUE(call, clEnqueueMapBuffer, queue, event, NULL);
	status = status != NULL ? status : &own;
	host = call.api->clEnqueueMapBuffer(queue, buffer, blocking, flags, offset, size, waits,
					    list, call.event, status);
	copied(&call, *status, blocking, ANAROS_KIND_GPU_MAP, size, (uintptr_t)host);
	return host;
}

COPY(clEnqueueUnmapMemObject, UNMAP, false, 0, host,
     (cl_command_queue queue, cl_mem memory, void *host, WAIT_LIST), (queue, memory, host, WAITED))

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

#define IMAGE(name, kind, host_type)                                                               \
	COPY(name, kind, blocking, image_bytes(&call, image, region, result), host,                \
	     (cl_command_queue queue, cl_mem image, cl_uint blocking, const size_t *origin,        \
	      const size_t *region, size_t row, size_t slice, host_type host, WAIT_LIST),          \
	     (queue, image, blocking, origin, region, row, slice, host, WAITED))
IMAGE(clEnqueueWriteImage, COPY_H2D, const void *)
IMAGE(clEnqueueReadImage, COPY_D2H, void *)

/* Shared virtual memory. */
COPY(clEnqueueSVMMemcpy, COPY, blocking, size, target,
     (cl_command_queue queue, cl_uint blocking, void *target, const void *source, size_t size,
      WAIT_LIST),
     (queue, blocking, target, source, size, WAITED))
COPY(clEnqueueSVMMemFill, MEMSET, false, size, target,
     (cl_command_queue queue, void *target, const void *pattern, size_t pattern_size, size_t size,
      WAIT_LIST),
     (queue, target, pattern, pattern_size, size, WAITED))
COPY(clEnqueueSVMMap, MAP, blocking, size, host,
     (cl_command_queue queue, cl_uint blocking, cl_bitfield flags, void *host, size_t size,
      WAIT_LIST),
     (queue, blocking, flags, host, size, WAITED))
COPY(clEnqueueSVMUnmap, UNMAP, false, 0, host, (cl_command_queue queue, void *host, WAIT_LIST),
     (queue, host, WAITED))
