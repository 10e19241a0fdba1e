/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenCL functions that have a wrapper, or that the shim calls.
 * HOOK(type, name, arguments): wrapped and exported. EXTENSION: wrapped, but
 * handed out by address only, for programs give their own pointers to such
 * functions the same names. USED: called, never wrapped. All others are in
 * passed.h. Expanded into the table of real functions (opencl.h) and the
 * export list.
 */
#ifndef ANAROS_OPENCL_HOOKS_H
#define ANAROS_OPENCL_HOOKS_H

/* clang-format off */
#define CL_WAITS cl_uint, const cl_event *, cl_event *
/* Sync points of a command buffer: waits, one made, and a handle to the command. */
#define CL_POINTS cl_uint, const cl_uint *, cl_uint *, void **
#define CL_3D const size_t *

#define ANAROS_OPENCL(HOOK, EXTENSION, USED) \
	/* library.c, found.c */ \
	HOOK(void *, clGetExtensionFunctionAddress, (const char *)) \
	HOOK(void *, clGetExtensionFunctionAddressForPlatform, (cl_platform_id, const char *)) \
	EXTENSION(cl_int, clIcdGetPlatformIDsKHR, (cl_uint, cl_platform_id *, cl_uint *)) \
	USED(cl_int, clGetPlatformInfo, (cl_platform_id, cl_uint, size_t, void *, size_t *)) \
	/* device.c */ \
	HOOK(cl_int, clGetPlatformIDs, (cl_uint, cl_platform_id *, cl_uint *)) \
	HOOK(cl_int, clGetDeviceIDs, (cl_platform_id, cl_bitfield, cl_uint, cl_device_id *, cl_uint *)) \
	HOOK(cl_context, clCreateContextFromType, (const cl_properties *, cl_bitfield, cl_notify_context, void *, cl_int *)) \
	HOOK(cl_context, clCreateContext, (const cl_properties *, cl_uint, const cl_device_id *, cl_notify_context, void *, cl_int *)) \
	HOOK(cl_int, clRetainContext, (cl_context)) \
	HOOK(cl_int, clReleaseContext, (cl_context)) \
	EXTENSION(cl_int, clTerminateContextKHR, (cl_context)) \
	USED(cl_int, clGetDeviceInfo, (cl_device_id, cl_uint, size_t, void *, size_t *)) \
	/* memory.c */ \
	HOOK(cl_mem, clCreateBuffer, (cl_context, cl_bitfield, size_t, void *, cl_int *)) \
	HOOK(cl_mem, clCreateBufferWithProperties, (cl_context, const cl_ulong *, cl_bitfield, size_t, void *, cl_int *)) \
	EXTENSION(cl_mem, clCreateBufferWithPropertiesINTEL, (cl_context, const cl_ulong *, cl_bitfield, size_t, void *, cl_int *)) \
	HOOK(cl_mem, clCreateSubBuffer, (cl_mem, cl_bitfield, cl_uint, const void *, cl_int *)) \
	HOOK(cl_mem, clCreateImage, (cl_context, cl_bitfield, const void *, const void *, void *, cl_int *)) \
	HOOK(cl_mem, clCreateImageWithProperties, (cl_context, const cl_ulong *, cl_bitfield, const void *, const void *, void *, cl_int *)) \
	EXTENSION(cl_mem, clCreateImageWithPropertiesINTEL, (cl_context, const cl_ulong *, cl_bitfield, const void *, const void *, void *, cl_int *)) \
	HOOK(cl_mem, clCreateImage2D, (cl_context, cl_bitfield, const void *, size_t, size_t, size_t, void *, cl_int *)) \
	HOOK(cl_mem, clCreateImage3D, (cl_context, cl_bitfield, const void *, size_t, size_t, size_t, size_t, size_t, void *, cl_int *)) \
	HOOK(cl_mem, clCreatePipe, (cl_context, cl_bitfield, cl_uint, cl_uint, const cl_properties *, cl_int *)) \
	EXTENSION(cl_mem, clImportMemoryARM, (cl_context, cl_bitfield, const cl_properties *, void *, size_t, cl_int *)) \
	USED(cl_int, clGetMemObjectInfo, (cl_mem, cl_uint, size_t, void *, size_t *)) \
	/* shared.c */ \
	HOOK(void *, clSVMAlloc, (cl_context, cl_bitfield, size_t, cl_uint)) \
	HOOK(void, clSVMFree, (cl_context, void *)) \
	HOOK(cl_int, clEnqueueSVMFree, (cl_command_queue, cl_uint, void **, cl_notify_svm, void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueSVMMemcpy, (cl_command_queue, cl_uint, void *, const void *, size_t, CL_WAITS)) \
	HOOK(cl_int, clEnqueueSVMMemFill, (cl_command_queue, void *, const void *, size_t, size_t, CL_WAITS)) \
	HOOK(cl_int, clEnqueueSVMMap, (cl_command_queue, cl_uint, cl_bitfield, void *, size_t, CL_WAITS)) \
	HOOK(cl_int, clEnqueueSVMUnmap, (cl_command_queue, void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueSVMMigrateMem, (cl_command_queue, cl_uint, const void **, const size_t *, cl_bitfield, CL_WAITS)) \
	EXTENSION(void *, clSVMAllocARM, (cl_context, cl_bitfield, size_t, cl_uint)) \
	EXTENSION(void, clSVMFreeARM, (cl_context, void *)) \
	EXTENSION(cl_int, clEnqueueSVMFreeARM, (cl_command_queue, cl_uint, void **, cl_notify_svm, void *, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueSVMMemcpyARM, (cl_command_queue, cl_uint, void *, const void *, size_t, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueSVMMemFillARM, (cl_command_queue, void *, const void *, size_t, size_t, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueSVMMapARM, (cl_command_queue, cl_uint, cl_bitfield, void *, size_t, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueSVMUnmapARM, (cl_command_queue, void *, CL_WAITS)) \
	EXTENSION(void *, clHostMemAllocINTEL, (cl_context, const cl_ulong *, size_t, cl_uint, cl_int *)) \
	EXTENSION(void *, clDeviceMemAllocINTEL, (cl_context, cl_device_id, const cl_ulong *, size_t, cl_uint, cl_int *)) \
	EXTENSION(void *, clSharedMemAllocINTEL, (cl_context, cl_device_id, const cl_ulong *, size_t, cl_uint, cl_int *)) \
	EXTENSION(cl_int, clMemFreeINTEL, (cl_context, void *)) \
	EXTENSION(cl_int, clMemBlockingFreeINTEL, (cl_context, void *)) \
	EXTENSION(cl_int, clEnqueueMemcpyINTEL, (cl_command_queue, cl_uint, void *, const void *, size_t, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueMemFillINTEL, (cl_command_queue, void *, const void *, size_t, size_t, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueMemsetINTEL, (cl_command_queue, void *, cl_int, size_t, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueMigrateMemINTEL, (cl_command_queue, const void *, size_t, cl_bitfield, CL_WAITS)) \
	/* copy.c */ \
	HOOK(cl_int, clEnqueueWriteBuffer, (cl_command_queue, cl_mem, cl_uint, size_t, size_t, const void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueReadBuffer, (cl_command_queue, cl_mem, cl_uint, size_t, size_t, void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueWriteBufferRect, (cl_command_queue, cl_mem, cl_uint, CL_3D, CL_3D, CL_3D, size_t, size_t, size_t, size_t, const void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueReadBufferRect, (cl_command_queue, cl_mem, cl_uint, CL_3D, CL_3D, CL_3D, size_t, size_t, size_t, size_t, void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueCopyBuffer, (cl_command_queue, cl_mem, cl_mem, size_t, size_t, size_t, CL_WAITS)) \
	HOOK(cl_int, clEnqueueCopyBufferRect, (cl_command_queue, cl_mem, cl_mem, CL_3D, CL_3D, CL_3D, size_t, size_t, size_t, size_t, CL_WAITS)) \
	HOOK(cl_int, clEnqueueFillBuffer, (cl_command_queue, cl_mem, const void *, size_t, size_t, size_t, CL_WAITS)) \
	HOOK(void *, clEnqueueMapBuffer, (cl_command_queue, cl_mem, cl_uint, cl_bitfield, size_t, size_t, CL_WAITS, cl_int *)) \
	HOOK(cl_int, clEnqueueUnmapMemObject, (cl_command_queue, cl_mem, void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueMigrateMemObjects, (cl_command_queue, cl_uint, const cl_mem *, cl_bitfield, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueMigrateMemObjectEXT, (cl_command_queue, cl_uint, const cl_mem *, cl_bitfield, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueReadHostPipeINTEL, (cl_command_queue, cl_program, const char *, cl_uint, void *, size_t, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueWriteHostPipeINTEL, (cl_command_queue, cl_program, const char *, cl_uint, const void *, size_t, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueReadGlobalVariableINTEL, (cl_command_queue, cl_program, const char *, cl_uint, size_t, size_t, void *, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueWriteGlobalVariableINTEL, (cl_command_queue, cl_program, const char *, cl_uint, size_t, size_t, const void *, CL_WAITS)) \
	/* image.c */ \
	HOOK(cl_int, clEnqueueWriteImage, (cl_command_queue, cl_mem, cl_uint, CL_3D, CL_3D, size_t, size_t, const void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueReadImage, (cl_command_queue, cl_mem, cl_uint, CL_3D, CL_3D, size_t, size_t, void *, CL_WAITS)) \
	HOOK(cl_int, clEnqueueCopyImage, (cl_command_queue, cl_mem, cl_mem, CL_3D, CL_3D, CL_3D, CL_WAITS)) \
	HOOK(cl_int, clEnqueueCopyImageToBuffer, (cl_command_queue, cl_mem, cl_mem, CL_3D, CL_3D, size_t, CL_WAITS)) \
	HOOK(cl_int, clEnqueueCopyBufferToImage, (cl_command_queue, cl_mem, cl_mem, size_t, CL_3D, CL_3D, CL_WAITS)) \
	HOOK(cl_int, clEnqueueFillImage, (cl_command_queue, cl_mem, const void *, CL_3D, CL_3D, CL_WAITS)) \
	HOOK(void *, clEnqueueMapImage, (cl_command_queue, cl_mem, cl_uint, cl_bitfield, CL_3D, CL_3D, size_t *, size_t *, CL_WAITS, cl_int *)) \
	USED(cl_int, clGetImageInfo, (cl_mem, cl_uint, size_t, void *, size_t *)) \
	/* kernel.c */ \
	HOOK(cl_int, clEnqueueNDRangeKernel, (cl_command_queue, cl_kernel, cl_uint, CL_3D, CL_3D, CL_3D, CL_WAITS)) \
	HOOK(cl_int, clEnqueueTask, (cl_command_queue, cl_kernel, CL_WAITS)) \
	HOOK(cl_int, clEnqueueNativeKernel, (cl_command_queue, cl_native_kernel, void *, size_t, cl_uint, const cl_mem *, const void **, CL_WAITS)) \
	HOOK(cl_kernel, clCreateKernel, (cl_program, const char *, cl_int *)) \
	HOOK(cl_int, clCreateKernelsInProgram, (cl_program, cl_uint, cl_kernel *, cl_uint *)) \
	HOOK(cl_kernel, clCloneKernel, (cl_kernel, cl_int *)) \
	USED(cl_int, clGetKernelInfo, (cl_kernel, cl_uint, size_t, void *, size_t *)) \
	/* program.c */ \
	HOOK(cl_int, clBuildProgram, (cl_program, cl_uint, const cl_device_id *, const char *, cl_notify_program, void *)) \
	HOOK(cl_int, clCompileProgram, (cl_program, cl_uint, const cl_device_id *, const char *, cl_uint, const cl_program *, const char **, cl_notify_program, void *)) \
	HOOK(cl_program, clLinkProgram, (cl_context, cl_uint, const cl_device_id *, const char *, cl_uint, const cl_program *, cl_notify_program, void *, cl_int *)) \
	HOOK(cl_program, clCreateProgramWithSource, (cl_context, cl_uint, const char **, const size_t *, cl_int *)) \
	HOOK(cl_program, clCreateProgramWithBinary, (cl_context, cl_uint, const cl_device_id *, const size_t *, const unsigned char **, cl_int *, cl_int *)) \
	HOOK(cl_program, clCreateProgramWithIL, (cl_context, const void *, size_t, cl_int *)) \
	EXTENSION(cl_program, clCreateProgramWithILKHR, (cl_context, const void *, size_t, cl_int *)) \
	HOOK(cl_program, clCreateProgramWithBuiltInKernels, (cl_context, cl_uint, const cl_device_id *, const char *, cl_int *)) \
	/* queue.c, times.c */ \
	HOOK(cl_command_queue, clCreateCommandQueue, (cl_context, cl_device_id, cl_bitfield, cl_int *)) \
	HOOK(cl_command_queue, clCreateCommandQueueWithProperties, (cl_context, cl_device_id, const cl_ulong *, cl_int *)) \
	EXTENSION(cl_command_queue, clCreateCommandQueueWithPropertiesKHR, (cl_context, cl_device_id, const cl_ulong *, cl_int *)) \
	EXTENSION(cl_command_queue, clCreateCommandQueueWithPropertiesAPPLE, (cl_context, cl_device_id, const cl_ulong *, cl_int *)) \
	EXTENSION(cl_command_queue, clCreatePerfCountersCommandQueueINTEL, (cl_context, cl_device_id, cl_bitfield, cl_uint, cl_int *)) \
	HOOK(cl_int, clRetainCommandQueue, (cl_command_queue)) \
	HOOK(cl_int, clReleaseCommandQueue, (cl_command_queue)) \
	HOOK(cl_int, clFlush, (cl_command_queue)) \
	HOOK(cl_int, clFinish, (cl_command_queue)) \
	USED(cl_int, clGetCommandQueueInfo, (cl_command_queue, cl_uint, size_t, void *, size_t *)) \
	USED(cl_int, clGetDeviceAndHostTimer, (cl_device_id, cl_ulong *, cl_ulong *)) \
	/* event.c */ \
	HOOK(cl_int, clWaitForEvents, (cl_uint, const cl_event *)) \
	HOOK(cl_int, clGetEventInfo, (cl_event, cl_uint, size_t, void *, size_t *)) \
	HOOK(cl_int, clSetUserEventStatus, (cl_event, cl_int)) \
	HOOK(cl_int, clSetEventCallback, (cl_event, cl_int, cl_notify_event, void *)) \
	HOOK(cl_int, clEnqueueMarker, (cl_command_queue, cl_event *)) \
	HOOK(cl_int, clEnqueueBarrier, (cl_command_queue)) \
	HOOK(cl_int, clEnqueueWaitForEvents, (cl_command_queue, cl_uint, const cl_event *)) \
	HOOK(cl_int, clEnqueueMarkerWithWaitList, (cl_command_queue, CL_WAITS)) \
	HOOK(cl_int, clEnqueueBarrierWithWaitList, (cl_command_queue, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueWaitSemaphoresKHR, (cl_command_queue, cl_uint, void *const *, const cl_ulong *, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueSignalSemaphoresKHR, (cl_command_queue, cl_uint, void *const *, const cl_ulong *, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueAcquireExternalMemObjectsKHR, (cl_command_queue, cl_uint, const cl_mem *, CL_WAITS)) \
	EXTENSION(cl_int, clEnqueueReleaseExternalMemObjectsKHR, (cl_command_queue, cl_uint, const cl_mem *, CL_WAITS)) \
	USED(cl_int, clRetainEvent, (cl_event)) \
	/* handle.c: no records of their own */ \
	HOOK(cl_int, clReleaseMemObject, (cl_mem)) \
	HOOK(cl_int, clReleaseProgram, (cl_program)) \
	HOOK(cl_int, clReleaseKernel, (cl_kernel)) \
	HOOK(cl_int, clReleaseEvent, (cl_event)) \
	HOOK(cl_int, clGetEventProfilingInfo, (cl_event, cl_uint, size_t, void *, size_t *)) \
	HOOK(cl_int, clSetMemObjectDestructorCallback, (cl_mem, cl_notify_memory, void *)) \
	HOOK(cl_int, clSetContextDestructorCallback, (cl_context, cl_notify_ended, void *)) \
	HOOK(cl_int, clSetProgramReleaseCallback, (cl_program, cl_notify_program, void *)) \
	/* command_buffer.c */ \
	EXTENSION(cl_command_buffer, clCreateCommandBufferKHR, (cl_uint, const cl_command_queue *, const cl_ulong *, cl_int *)) \
	EXTENSION(cl_int, clFinalizeCommandBufferKHR, (cl_command_buffer)) \
	EXTENSION(cl_int, clReleaseCommandBufferKHR, (cl_command_buffer)) \
	EXTENSION(cl_int, clEnqueueCommandBufferKHR, (cl_uint, cl_command_queue *, cl_command_buffer, CL_WAITS)) \
	EXTENSION(cl_command_buffer, clRemapCommandBufferKHR, (cl_command_buffer, cl_uint, cl_uint, cl_command_queue *, cl_uint, void **, void **, cl_int *)) \
	EXTENSION(cl_int, clUpdateMutableCommandsKHR, (cl_command_buffer, uintptr_t, const void *, const void **)) \
	EXTENSION(cl_int, clCommandNDRangeKernelKHR, (cl_command_buffer, cl_command_queue, const void *, cl_kernel, cl_uint, CL_3D, CL_3D, CL_3D, CL_POINTS)) \
	EXTENSION(cl_int, clCommandCopyBufferKHR, (cl_command_buffer, cl_command_queue, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)) \
	EXTENSION(cl_int, clCommandFillBufferKHR, (cl_command_buffer, cl_command_queue, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)) \
	EXTENSION(cl_int, clCommandSVMMemcpyKHR, (cl_command_buffer, cl_command_queue, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)) \
	EXTENSION(cl_int, clCommandSVMMemFillKHR, (cl_command_buffer, cl_command_queue, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t))
/* clang-format on */

#endif
