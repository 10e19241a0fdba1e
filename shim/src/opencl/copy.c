// SPDX-License-Identifier: Apache-2.0
/* Copies, fills and maps of buffers. */
#include "opencl/opencl.h"

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

/* Between host and buffer. */
#define HOST(name, kind, host_type)                                                                \
	CL_COMMAND(name,                                                                           \
		   (cl_command_queue queue, cl_mem buffer, cl_uint blocking, size_t offset,        \
		    size_t size, host_type host, WAIT_LIST),                                       \
		   (queue, buffer, blocking, offset, size, host, WAITED),                          \
		   CL_COPIED(kind, blocking, size, host))
HOST(clEnqueueWriteBuffer, COPY_H2D, const void *)
HOST(clEnqueueReadBuffer, COPY_D2H, void *)

#define HOST_RECT(name, kind, host_type)                                                           \
	CL_COMMAND_RARE(name,                                                                      \
			(cl_command_queue queue, cl_mem buffer, cl_uint blocking,                  \
			 const size_t *buffer_origin, const size_t *host_origin,                   \
			 const size_t *region, size_t buffer_row, size_t buffer_slice,             \
			 size_t host_row, size_t host_slice, host_type host, WAIT_LIST),           \
			(queue, buffer, blocking, buffer_origin, host_origin, region, buffer_row,  \
			 buffer_slice, host_row, host_slice, host, WAITED),                        \
			CL_COPIED(kind, blocking, cl_volume(region),                               \
				  block_at(host, host_origin, region, host_row, host_slice)))
HOST_RECT(clEnqueueWriteBufferRect, COPY_H2D, const void *)
HOST_RECT(clEnqueueReadBufferRect, COPY_D2H, void *)

/* On the device. */
CL_COMMAND(clEnqueueCopyBuffer,
	   (cl_command_queue queue, cl_mem source, cl_mem target, size_t source_offset,
	    size_t target_offset, size_t size, WAIT_LIST),
	   (queue, source, target, source_offset, target_offset, size, WAITED),
	   CL_COPIED(COPY_D2D, false, size, target))
CL_COMMAND_RARE(clEnqueueCopyBufferRect,
		(cl_command_queue queue, cl_mem source, cl_mem target, const size_t *source_origin,
		 const size_t *target_origin, const size_t *region, size_t source_row,
		 size_t source_slice, size_t target_row, size_t target_slice, WAIT_LIST),
		(queue, source, target, source_origin, target_origin, region, source_row,
		 source_slice, target_row, target_slice, WAITED),
		CL_COPIED(COPY_D2D, false, cl_volume(region), target))
CL_COMMAND(clEnqueueFillBuffer,
	   (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_size,
	    size_t offset, size_t size, WAIT_LIST),
	   (queue, buffer, pattern, pattern_size, offset, size, WAITED),
	   CL_COPIED(MEMSET, false, size, buffer))

CL_HOOK(CL_HOT, void *, clEnqueueMapBuffer,
	(cl_command_queue queue, cl_mem buffer, cl_uint blocking, cl_bitfield flags, size_t offset,
	 size_t size, WAIT_LIST, cl_int *status),
	(queue, buffer, blocking, flags, offset, size, WAITED, status))
{
	struct cl_call call;
	cl_int result = CL_SUCCESS;
	void *host;

	CL_REQUIRE(api, clEnqueueMapBuffer, NULL);
	event = cl_begin(&call, api, queue, event);
	status = status != NULL ? status : &result;
	host =
	    api->clEnqueueMapBuffer(queue, buffer, blocking, flags, offset, size, WAITED, status);
	result = *status;
	CL_COPIED(MAP, blocking, size, host);
	return host;
}

CL_COMMAND(clEnqueueUnmapMemObject, (cl_command_queue queue, cl_mem memory, void *host, WAIT_LIST),
	   (queue, memory, host, WAITED), CL_COPIED(UNMAP, false, 0, host))

/* Where the objects are to be used next. */
static void migrated(struct cl_call *call, cl_int result, cl_uint count, const cl_mem *objects)
{
	bool known = call->recording && result == CL_SUCCESS && count > 0;

	cl_copied(call, result, false, ANAROS_KIND_GPU_PREFETCH,
		  known ? cl_memory_bytes(call->api, count, objects) : 0,
		  known ? (uintptr_t)objects[0] : 0);
}
#define MIGRATE_PARAMETERS                                                                         \
	(cl_command_queue queue, cl_uint count, const cl_mem *objects, cl_bitfield flags, WAIT_LIST)
#define MIGRATE_ARGUMENTS (queue, count, objects, flags, WAITED)
CL_COMMAND_RARE(clEnqueueMigrateMemObjects, MIGRATE_PARAMETERS, MIGRATE_ARGUMENTS,
		migrated(&call, result, count, objects))
CL_COMMAND_EXTENSION_RARE(clEnqueueMigrateMemObjectEXT, MIGRATE_PARAMETERS, MIGRATE_ARGUMENTS,
			  migrated(&call, result, count, objects))

/* Between the host and what a program has by name. */
#define PIPE(name, kind, host_type)                                                                \
	CL_COMMAND_EXTENSION_RARE(name,                                                            \
				  (cl_command_queue queue, cl_program program, const char *symbol, \
				   cl_uint blocking, host_type host, size_t size, WAIT_LIST),      \
				  (queue, program, symbol, blocking, host, size, WAITED),          \
				  CL_COPIED(kind, blocking, size, host))
PIPE(clEnqueueWriteHostPipeINTEL, COPY_H2D, const void *)
PIPE(clEnqueueReadHostPipeINTEL, COPY_D2H, void *)

#define VARIABLE(name, kind, host_type)                                                            \
	CL_COMMAND_EXTENSION_RARE(name,                                                            \
				  (cl_command_queue queue, cl_program program, const char *symbol, \
				   cl_uint blocking, size_t size, size_t offset, host_type host,   \
				   WAIT_LIST),                                                     \
				  (queue, program, symbol, blocking, size, offset, host, WAITED),  \
				  CL_COPIED(kind, blocking, size, host))
VARIABLE(clEnqueueWriteGlobalVariableINTEL, COPY_H2D, const void *)
VARIABLE(clEnqueueReadGlobalVariableINTEL, COPY_D2H, void *)
