/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of OpenCL functions. HOOK(type, name, arguments): wrapped and
 * exported. USED(type, name, arguments): called by the shim, never wrapped.
 * Expanded into the table of real functions (opencl.h, library.c) and
 * the export list.
 */
#ifndef ANAROS_OPENCL_HOOKS_H
#define ANAROS_OPENCL_HOOKS_H

/* clang-format off */
#define ANAROS_OPENCL(HOOK, USED)                                                                  \
	/* device.c */                                                                             \
	HOOK(cl_int, clGetPlatformIDs, (cl_uint, cl_platform_id *, cl_uint *))                     \
	HOOK(cl_int, clGetDeviceIDs,                                                               \
	     (cl_platform_id, cl_bitfield, cl_uint, cl_device_id *, cl_uint *))                    \
	HOOK(cl_context, clCreateContextFromType,                                                  \
	     (const cl_properties *, cl_bitfield, cl_notify_context, void *, cl_int *))            \
	USED(cl_context, clCreateContext, (const cl_properties *, cl_uint, const cl_device_id *,   \
					   cl_notify_context, void *, cl_int *))                   \
	USED(cl_int, clGetDeviceInfo, (cl_device_id, cl_uint, size_t, void *, size_t *))           \
	/* memory.c */                                                                             \
	HOOK(cl_mem, clCreateBuffer, (cl_context, cl_bitfield, size_t, void *, cl_int *))          \
	HOOK(cl_mem, clCreateBufferWithProperties,                                                 \
	     (cl_context, const cl_ulong *, cl_bitfield, size_t, void *, cl_int *))                \
	HOOK(cl_mem, clCreateImage, (cl_context, cl_bitfield, const void *, const void *, void *,  \
				     cl_int *))                                                    \
	HOOK(void *, clSVMAlloc, (cl_context, cl_bitfield, size_t, cl_uint))                       \
	HOOK(void, clSVMFree, (cl_context, void *))                                                \
	USED(cl_int, clSetMemObjectDestructorCallback, (cl_mem, cl_notify_memory, void *))         \
	USED(cl_int, clGetMemObjectInfo, (cl_mem, cl_uint, size_t, void *, size_t *))              \
	/* copy.c */                                                                               \
	HOOK(cl_int, clEnqueueWriteBuffer, (cl_command_queue, cl_mem, cl_uint, size_t, size_t,     \
					    const void *, CL_WAITS))                               \
	HOOK(cl_int, clEnqueueReadBuffer, (cl_command_queue, cl_mem, cl_uint, size_t, size_t,      \
					   void *, CL_WAITS))                                      \
	HOOK(cl_int, clEnqueueWriteBufferRect,                                                     \
	     (cl_command_queue, cl_mem, cl_uint, const size_t *, const size_t *, const size_t *,   \
	      size_t, size_t, size_t, size_t, const void *, CL_WAITS))                             \
	HOOK(cl_int, clEnqueueReadBufferRect,                                                      \
	     (cl_command_queue, cl_mem, cl_uint, const size_t *, const size_t *, const size_t *,   \
	      size_t, size_t, size_t, size_t, void *, CL_WAITS))                                   \
	HOOK(cl_int, clEnqueueCopyBuffer, (cl_command_queue, cl_mem, cl_mem, size_t, size_t,       \
					   size_t, CL_WAITS))                                      \
	HOOK(cl_int, clEnqueueCopyBufferRect,                                                      \
	     (cl_command_queue, cl_mem, cl_mem, const size_t *, const size_t *, const size_t *,    \
	      size_t, size_t, size_t, size_t, CL_WAITS))                                           \
	HOOK(cl_int, clEnqueueFillBuffer, (cl_command_queue, cl_mem, const void *, size_t, size_t, \
					   size_t, CL_WAITS))                                      \
	HOOK(void *, clEnqueueMapBuffer, (cl_command_queue, cl_mem, cl_uint, cl_bitfield, size_t,  \
					  size_t, CL_WAITS, cl_int *))                             \
	HOOK(cl_int, clEnqueueUnmapMemObject, (cl_command_queue, cl_mem, void *, CL_WAITS))        \
	HOOK(cl_int, clEnqueueWriteImage,                                                          \
	     (cl_command_queue, cl_mem, cl_uint, const size_t *, const size_t *, size_t, size_t,   \
	      const void *, CL_WAITS))                                                             \
	HOOK(cl_int, clEnqueueReadImage,                                                           \
	     (cl_command_queue, cl_mem, cl_uint, const size_t *, const size_t *, size_t, size_t,   \
	      void *, CL_WAITS))                                                                   \
	HOOK(cl_int, clEnqueueSVMMemcpy, (cl_command_queue, cl_uint, void *, const void *, size_t, \
					  CL_WAITS))                                               \
	HOOK(cl_int, clEnqueueSVMMemFill, (cl_command_queue, void *, const void *, size_t, size_t, \
					   CL_WAITS))                                              \
	HOOK(cl_int, clEnqueueSVMMap, (cl_command_queue, cl_uint, cl_bitfield, void *, size_t,     \
				       CL_WAITS))                                                  \
	HOOK(cl_int, clEnqueueSVMUnmap, (cl_command_queue, void *, CL_WAITS))                      \
	USED(cl_int, clGetImageInfo, (cl_mem, cl_uint, size_t, void *, size_t *))                  \
	/* kernel.c */                                                                             \
	HOOK(cl_int, clEnqueueNDRangeKernel, (cl_command_queue, cl_kernel, cl_uint,                \
					      const size_t *, const size_t *, const size_t *,      \
					      CL_WAITS))                                           \
	HOOK(cl_int, clEnqueueTask, (cl_command_queue, cl_kernel, CL_WAITS))                       \
	HOOK(cl_kernel, clCreateKernel, (cl_program, const char *, cl_int *))                      \
	HOOK(cl_int, clCreateKernelsInProgram, (cl_program, cl_uint, cl_kernel *, cl_uint *))      \
	HOOK(cl_kernel, clCloneKernel, (cl_kernel, cl_int *))                                      \
	HOOK(cl_int, clBuildProgram, (cl_program, cl_uint, const cl_device_id *, const char *,     \
				      cl_notify_program, void *))                                  \
	HOOK(cl_int, clCompileProgram, (cl_program, cl_uint, const cl_device_id *, const char *,   \
					cl_uint, const cl_program *, const char **,                \
					cl_notify_program, void *))                                \
	HOOK(cl_program, clLinkProgram, (cl_context, cl_uint, const cl_device_id *, const char *,  \
					 cl_uint, const cl_program *, cl_notify_program, void *,   \
					 cl_int *))                                                \
	HOOK(cl_program, clCreateProgramWithBinary,                                                \
	     (cl_context, cl_uint, const cl_device_id *, const size_t *, const unsigned char **,   \
	      cl_int *, cl_int *))                                                                 \
	USED(cl_int, clGetKernelInfo, (cl_kernel, cl_uint, size_t, void *, size_t *))              \
	/* queue.c, opencl_times.c */                                                               \
	HOOK(cl_command_queue, clCreateCommandQueue,                                               \
	     (cl_context, cl_device_id, cl_bitfield, cl_int *))                                    \
	HOOK(cl_command_queue, clCreateCommandQueueWithProperties,                                 \
	     (cl_context, cl_device_id, const cl_ulong *, cl_int *))                               \
	HOOK(cl_int, clRetainCommandQueue, (cl_command_queue))                                     \
	HOOK(cl_int, clReleaseCommandQueue, (cl_command_queue))                                    \
	HOOK(cl_int, clFinish, (cl_command_queue))                                                 \
	HOOK(cl_int, clWaitForEvents, (cl_uint, const cl_event *))                                 \
	HOOK(cl_int, clEnqueueMarker, (cl_command_queue, cl_event *))                              \
	HOOK(cl_int, clEnqueueBarrier, (cl_command_queue))                                         \
	HOOK(cl_int, clEnqueueWaitForEvents, (cl_command_queue, cl_uint, const cl_event *))        \
	HOOK(cl_int, clEnqueueMarkerWithWaitList, (cl_command_queue, CL_WAITS))                    \
	HOOK(cl_int, clEnqueueBarrierWithWaitList, (cl_command_queue, CL_WAITS))                   \
	USED(cl_int, clGetCommandQueueInfo, (cl_command_queue, cl_uint, size_t, void *, size_t *)) \
	USED(cl_int, clGetEventInfo, (cl_event, cl_uint, size_t, void *, size_t *))                \
	USED(cl_int, clGetEventProfilingInfo, (cl_event, cl_uint, size_t, void *, size_t *))       \
	USED(cl_int, clRetainEvent, (cl_event))                                                    \
	USED(cl_int, clReleaseEvent, (cl_event))                                                   \
	USED(cl_int, clGetDeviceAndHostTimer, (cl_device_id, cl_ulong *, cl_ulong *))
/* clang-format on */

#endif
