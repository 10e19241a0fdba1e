/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenCL functions that are not recorded, each with the reason: PASS(REASON,
 * name). What hooks.h has as USED is called by the shim, and passes as well.
 */
#ifndef ANAROS_OPENCL_PASSED_H
#define ANAROS_OPENCL_PASSED_H

/* clang-format off */
#define ANAROS_OPENCL_REASONS(REASON) \
	REASON(QUERY, "it asks, and changes nothing") \
	REASON(SETTING, "it sets how later work is done, which its own call tells") \
	REASON(HANDLE, "it makes, keeps or ends a handle, and moves no memory") \
	REASON(GRAPH, "it edits a command buffer; what runs is told when that is enqueued") \
	REASON(GRAPHICS, "it shares memory with a graphics or video library") \
	REASON(SHARING, "it names a semaphore for others; waits and signals are recorded") \
	REASON(LAYER, "it stands between loader and driver")

#define ANAROS_OPENCL_PASSED(PASS) \
	PASS(QUERY, clGetAcceleratorInfoINTEL) \
	PASS(QUERY, clGetCommandBufferInfoKHR) \
	PASS(QUERY, clGetCommandBufferMutableDispatchDataKHR) \
	PASS(QUERY, clGetContextInfo) \
	PASS(QUERY, clGetDeviceFunctionPointerINTEL) \
	PASS(QUERY, clGetDeviceGlobalVariablePointerINTEL) \
	PASS(QUERY, clGetDeviceImageInfoQCOM) \
	PASS(QUERY, clGetExecutionInfoINTEL) \
	PASS(QUERY, clGetHostTimer) \
	PASS(QUERY, clGetICDLoaderInfoOCLICD) \
	PASS(QUERY, clGetImageParamsINTEL) \
	PASS(QUERY, clGetImageRequirementsInfoEXT) \
	PASS(QUERY, clGetKernelArgInfo) \
	PASS(QUERY, clGetKernelMaxConcurrentWorkGroupCountINTEL) \
	PASS(QUERY, clGetKernelSubGroupInfo) \
	PASS(QUERY, clGetKernelSubGroupInfoKHR) \
	PASS(QUERY, clGetKernelSuggestedLocalWorkSizeINTEL) \
	PASS(QUERY, clGetKernelSuggestedLocalWorkSizeKHR) \
	PASS(QUERY, clGetKernelWorkGroupInfo) \
	PASS(QUERY, clGetMemAllocInfoINTEL) \
	PASS(QUERY, clGetMutableCommandInfoKHR) \
	PASS(QUERY, clGetPipeInfo) \
	PASS(QUERY, clGetProgramBuildInfo) \
	PASS(QUERY, clGetProgramInfo) \
	PASS(QUERY, clGetSamplerInfo) \
	PASS(QUERY, clGetSemaphoreInfoKHR) \
	PASS(QUERY, clGetSupportedImageFormats) \
	PASS(SETTING, clEnqueueMemAdviseINTEL) \
	PASS(SETTING, clSetCommandQueueProperty) \
	PASS(SETTING, clSetContentSizeBufferPoCL) \
	PASS(SETTING, clSetDefaultDeviceCommandQueue) \
	PASS(SETTING, clSetKernelArg) \
	PASS(SETTING, clSetKernelArgDevicePointerEXT) \
	PASS(SETTING, clSetKernelArgMemPointerINTEL) \
	PASS(SETTING, clSetKernelArgSVMPointer) \
	PASS(SETTING, clSetKernelArgSVMPointerARM) \
	PASS(SETTING, clSetKernelExecInfo) \
	PASS(SETTING, clSetKernelExecInfoARM) \
	PASS(SETTING, clSetMemObjectDestructorAPPLE) \
	PASS(SETTING, clSetPerformanceConfigurationINTEL) \
	PASS(SETTING, clSetProgramSpecializationConstant) \
	PASS(SETTING, clLogMessagesToStderrAPPLE) \
	PASS(SETTING, clLogMessagesToStdoutAPPLE) \
	PASS(SETTING, clLogMessagesToSystemLogAPPLE) \
	PASS(SETTING, clUnloadCompiler) \
	PASS(SETTING, clUnloadPlatformCompiler) \
	PASS(HANDLE, clCreateAcceleratorINTEL) \
	PASS(HANDLE, clCreateSampler) \
	PASS(HANDLE, clCreateSamplerWithProperties) \
	PASS(HANDLE, clCreateSemaphoreWithPropertiesKHR) \
	PASS(HANDLE, clCreateSubDevices) \
	PASS(HANDLE, clCreateSubDevicesEXT) \
	PASS(HANDLE, clCreateUserEvent) \
	PASS(HANDLE, clReleaseAcceleratorINTEL) \
	PASS(HANDLE, clReleaseDevice) \
	PASS(HANDLE, clReleaseDeviceEXT) \
	PASS(HANDLE, clReleaseSampler) \
	PASS(HANDLE, clReleaseSemaphoreKHR) \
	PASS(HANDLE, clRetainAcceleratorINTEL) \
	PASS(HANDLE, clRetainCommandBufferKHR) \
	PASS(HANDLE, clRetainDevice) \
	PASS(HANDLE, clRetainDeviceEXT) \
	PASS(HANDLE, clRetainKernel) \
	PASS(HANDLE, clRetainMemObject) \
	PASS(HANDLE, clRetainProgram) \
	PASS(HANDLE, clRetainSampler) \
	PASS(HANDLE, clRetainSemaphoreKHR) \
	PASS(GRAPH, clCommandBarrierWithWaitListKHR) \
	PASS(GRAPH, clCommandCopyBufferRectKHR) \
	PASS(GRAPH, clCommandCopyBufferToImageKHR) \
	PASS(GRAPH, clCommandCopyImageKHR) \
	PASS(GRAPH, clCommandCopyImageToBufferKHR) \
	PASS(GRAPH, clCommandFillImageKHR) \
	PASS(GRAPHICS, clCreateEventFromEGLSyncKHR) \
	PASS(GRAPHICS, clCreateEventFromGLsyncKHR) \
	PASS(GRAPHICS, clCreateFromD3D10BufferKHR) \
	PASS(GRAPHICS, clCreateFromD3D10Texture2DKHR) \
	PASS(GRAPHICS, clCreateFromD3D10Texture3DKHR) \
	PASS(GRAPHICS, clCreateFromD3D11BufferKHR) \
	PASS(GRAPHICS, clCreateFromD3D11Texture2DKHR) \
	PASS(GRAPHICS, clCreateFromD3D11Texture3DKHR) \
	PASS(GRAPHICS, clCreateFromDX9MediaSurfaceINTEL) \
	PASS(GRAPHICS, clCreateFromDX9MediaSurfaceKHR) \
	PASS(GRAPHICS, clCreateFromEGLImageKHR) \
	PASS(GRAPHICS, clCreateFromGLBuffer) \
	PASS(GRAPHICS, clCreateFromGLRenderbuffer) \
	PASS(GRAPHICS, clCreateFromGLTexture) \
	PASS(GRAPHICS, clCreateFromGLTexture2D) \
	PASS(GRAPHICS, clCreateFromGLTexture3D) \
	PASS(GRAPHICS, clCreateFromVA_APIMediaSurfaceINTEL) \
	PASS(GRAPHICS, clEnqueueAcquireD3D10ObjectsKHR) \
	PASS(GRAPHICS, clEnqueueAcquireD3D11ObjectsKHR) \
	PASS(GRAPHICS, clEnqueueAcquireDX9MediaSurfacesKHR) \
	PASS(GRAPHICS, clEnqueueAcquireDX9ObjectsINTEL) \
	PASS(GRAPHICS, clEnqueueAcquireEGLObjectsKHR) \
	PASS(GRAPHICS, clEnqueueAcquireGLObjects) \
	PASS(GRAPHICS, clEnqueueAcquireGrallocObjectsIMG) \
	PASS(GRAPHICS, clEnqueueAcquireVA_APIMediaSurfacesINTEL) \
	PASS(GRAPHICS, clEnqueueGenerateMipmapIMG) \
	PASS(GRAPHICS, clEnqueueReleaseD3D10ObjectsKHR) \
	PASS(GRAPHICS, clEnqueueReleaseD3D11ObjectsKHR) \
	PASS(GRAPHICS, clEnqueueReleaseDX9MediaSurfacesKHR) \
	PASS(GRAPHICS, clEnqueueReleaseDX9ObjectsINTEL) \
	PASS(GRAPHICS, clEnqueueReleaseEGLObjectsKHR) \
	PASS(GRAPHICS, clEnqueueReleaseGLObjects) \
	PASS(GRAPHICS, clEnqueueReleaseGrallocObjectsIMG) \
	PASS(GRAPHICS, clEnqueueReleaseVA_APIMediaSurfacesINTEL) \
	PASS(GRAPHICS, clGetDeviceIDsFromD3D10KHR) \
	PASS(GRAPHICS, clGetDeviceIDsFromD3D11KHR) \
	PASS(GRAPHICS, clGetDeviceIDsFromDX9INTEL) \
	PASS(GRAPHICS, clGetDeviceIDsFromDX9MediaAdapterKHR) \
	PASS(GRAPHICS, clGetDeviceIDsFromVA_APIMediaAdapterINTEL) \
	PASS(GRAPHICS, clGetGLContextInfoKHR) \
	PASS(GRAPHICS, clGetGLObjectInfo) \
	PASS(GRAPHICS, clGetGLTextureInfo) \
	PASS(GRAPHICS, clGetSupportedD3D10TextureFormatsINTEL) \
	PASS(GRAPHICS, clGetSupportedD3D11TextureFormatsINTEL) \
	PASS(GRAPHICS, clGetSupportedDX9MediaSurfaceFormatsINTEL) \
	PASS(GRAPHICS, clGetSupportedEGLImageFormatsEXT) \
	PASS(GRAPHICS, clGetSupportedGLTextureFormatsINTEL) \
	PASS(GRAPHICS, clGetSupportedVA_APIMediaSurfaceFormatsINTEL) \
	PASS(SHARING, clGetSemaphoreHandleForTypeKHR) \
	PASS(SHARING, clReImportSemaphoreSyncFdKHR) \
	PASS(LAYER, clGetLayerInfo) \
	PASS(LAYER, clIcdGetFunctionAddressForPlatformKHR) \
	PASS(LAYER, clIcdSetPlatformDispatchDataKHR) \
	PASS(LAYER, clInitLayer)
/* clang-format on */

#endif
