/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How Level Zero passes its parameters: neutral types, its own names. One
 * line for each function that is wrapped.
 */
#ifndef ANAROS_LEVEL_ZERO_ABI_H
#define ANAROS_LEVEL_ZERO_ABI_H

#include <stddef.h>
#include <stdint.h>

/* What is passed by value. */
struct ze_group {
	uint32_t x, y, z;
};

struct ze_value_64 {
	char bytes[64];
};

/* clang-format off */
#define ZE_ABI_zeCommandListAppendBarrier (void *hCommandList, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendGraphExt (void *hCommandList, void *hGraph, const void *pNext, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hGraph, pNext, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendHostFunction (void *hCommandList, void *pfnHostFunction, void *pUserData, const void *pNext, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, pfnHostFunction, pUserData, pNext, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendImageCopy (void *hCommandList, void *hDstImage, void *hSrcImage, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hDstImage, hSrcImage, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendImageCopyFromMemory (void *hCommandList, void *hDstImage, const void *srcptr, const void *pDstRegion, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hDstImage, srcptr, pDstRegion, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendImageCopyFromMemoryExt (void *hCommandList, void *hDstImage, const void *srcptr, const void *pDstRegion, uint32_t srcRowPitch, uint32_t srcSlicePitch, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hDstImage, srcptr, pDstRegion, srcRowPitch, srcSlicePitch, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendImageCopyRegion (void *hCommandList, void *hDstImage, void *hSrcImage, const void *pDstRegion, const void *pSrcRegion, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hDstImage, hSrcImage, pDstRegion, pSrcRegion, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendImageCopyToMemory (void *hCommandList, void *dstptr, void *hSrcImage, const void *pSrcRegion, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, dstptr, hSrcImage, pSrcRegion, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendImageCopyToMemoryExt (void *hCommandList, void *dstptr, void *hSrcImage, const void *pSrcRegion, uint32_t destRowPitch, uint32_t destSlicePitch, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, dstptr, hSrcImage, pSrcRegion, destRowPitch, destSlicePitch, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendLaunchCooperativeKernel (void *hCommandList, void *hKernel, const struct ze_group *pLaunchFuncArgs, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hKernel, pLaunchFuncArgs, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendLaunchKernel (void *hCommandList, void *hKernel, const struct ze_group *pLaunchFuncArgs, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hKernel, pLaunchFuncArgs, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendLaunchKernelIndirect (void *hCommandList, void *hKernel, const struct ze_group *pLaunchArgumentsBuffer, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hKernel, pLaunchArgumentsBuffer, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendLaunchKernelWithArguments (void *hCommandList, void *hKernel, struct ze_group groupCounts, struct ze_group groupSizes, void **pArguments, const void *pNext, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hKernel, groupCounts, groupSizes, pArguments, pNext, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendLaunchKernelWithParameters (void *hCommandList, void *hKernel, const struct ze_group *pGroupCounts, const void *pNext, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, hKernel, pGroupCounts, pNext, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendLaunchMultipleKernelsIndirect (void *hCommandList, uint32_t numKernels, void **phKernels, const uint32_t *pCountBuffer, const struct ze_group *pLaunchArgumentsBuffer, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, numKernels, phKernels, pCountBuffer, pLaunchArgumentsBuffer, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendMemoryCopy (void *hCommandList, void *dstptr, const void *srcptr, size_t size, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, dstptr, srcptr, size, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendMemoryCopyFromContext (void *hCommandList, void *dstptr, void *hContextSrc, const void *srcptr, size_t size, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, dstptr, hContextSrc, srcptr, size, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendMemoryCopyRegion (void *hCommandList, void *dstptr, const void *dstRegion, uint32_t dstPitch, uint32_t dstSlicePitch, const void *srcptr, const void *srcRegion, uint32_t srcPitch, uint32_t srcSlicePitch, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, dstptr, dstRegion, dstPitch, dstSlicePitch, srcptr, srcRegion, srcPitch, srcSlicePitch, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendMemoryCopyWithParameters (void *hCommandList, void *dstptr, const void *srcptr, size_t size, const void *pNext, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, dstptr, srcptr, size, pNext, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendMemoryFill (void *hCommandList, void *ptr, const void *pattern, size_t pattern_size, size_t size, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, ptr, pattern, pattern_size, size, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendMemoryFillWithParameters (void *hCommandList, void *ptr, const void *pattern, size_t pattern_size, size_t size, const void *pNext, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, ptr, pattern, pattern_size, size, pNext, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendMemoryPrefetch (void *hCommandList, const void *ptr, size_t size), (hCommandList, ptr, size)
#define ZE_ABI_zeCommandListAppendMemoryRangesBarrier (void *hCommandList, uint32_t numRanges, const size_t *pRangeSizes, const void **pRanges, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, numRanges, pRangeSizes, pRanges, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendSignalEvent (void *hCommandList, void *hEvent), (hCommandList, hEvent)
#define ZE_ABI_zeCommandListAppendSignalExternalSemaphoreExt (void *hCommandList, uint32_t numSemaphores, void **phSemaphores, void *signalParams, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, numSemaphores, phSemaphores, signalParams, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendWaitExternalSemaphoreExt (void *hCommandList, uint32_t numSemaphores, void **phSemaphores, void *waitParams, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandList, numSemaphores, phSemaphores, waitParams, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListAppendWaitOnEvents (void *hCommandList, uint32_t numEvents, void **phEvents), (hCommandList, numEvents, phEvents)
#define ZE_ABI_zeCommandListBeginCaptureIntoGraphExt (void *hCommandList, void *hGraph, const void *pNext), (hCommandList, hGraph, pNext)
#define ZE_ABI_zeCommandListBeginGraphCaptureExt (void *hCommandList, const void *pNext), (hCommandList, pNext)
#define ZE_ABI_zeCommandListClose (void *hCommandList), (hCommandList)
#define ZE_ABI_zeCommandListCreate (void *hContext, void *hDevice, const void *desc, void **phCommandList), (hContext, hDevice, desc, phCommandList)
#define ZE_ABI_zeCommandListCreateImmediate (void *hContext, void *hDevice, const void *altdesc, void **phCommandList), (hContext, hDevice, altdesc, phCommandList)
#define ZE_ABI_zeCommandListDestroy (void *hCommandList), (hCommandList)
#define ZE_ABI_zeCommandListEndGraphCaptureExt (void *hCommandList, const void *pNext, void **phGraph), (hCommandList, pNext, phGraph)
#define ZE_ABI_zeCommandListHostSynchronize (void *hCommandList, uint64_t timeout), (hCommandList, timeout)
#define ZE_ABI_zeCommandListImmediateAppendCommandListsExp (void *hCommandListImmediate, uint32_t numCommandLists, void **phCommandLists, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandListImmediate, numCommandLists, phCommandLists, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListImmediateAppendCommandListsWithParameters (void *hCommandListImmediate, uint32_t numCommandLists, void **phCommandLists, const void *pNext, void *hSignalEvent, uint32_t numWaitEvents, void **phWaitEvents), (hCommandListImmediate, numCommandLists, phCommandLists, pNext, hSignalEvent, numWaitEvents, phWaitEvents)
#define ZE_ABI_zeCommandListReset (void *hCommandList), (hCommandList)
#define ZE_ABI_zeCommandQueueCreate (void *hContext, void *hDevice, const void *desc, void **phCommandQueue), (hContext, hDevice, desc, phCommandQueue)
#define ZE_ABI_zeCommandQueueDestroy (void *hCommandQueue), (hCommandQueue)
#define ZE_ABI_zeCommandQueueExecuteCommandLists (void *hCommandQueue, uint32_t numCommandLists, void **phCommandLists, void *hFence), (hCommandQueue, numCommandLists, phCommandLists, hFence)
#define ZE_ABI_zeCommandQueueSynchronize (void *hCommandQueue, uint64_t timeout), (hCommandQueue, timeout)
#define ZE_ABI_zeContextCreate (void *hDriver, const void *desc, void **phContext), (hDriver, desc, phContext)
#define ZE_ABI_zeContextCreateEx (void *hDriver, const void *desc, uint32_t numDevices, void **phDevices, void **phContext), (hDriver, desc, numDevices, phDevices, phContext)
#define ZE_ABI_zeContextDestroy (void *hContext), (hContext)
#define ZE_ABI_zeDeviceSynchronize (void *hDevice), (hDevice)
#define ZE_ABI_zeEventHostSignal (void *hEvent), (hEvent)
#define ZE_ABI_zeEventHostSynchronize (void *hEvent, uint64_t timeout), (hEvent, timeout)
#define ZE_ABI_zeEventQueryStatus (void *hEvent), (hEvent)
#define ZE_ABI_zeExecutableGraphDestroyExt (void *hGraph), (hGraph)
#define ZE_ABI_zeFenceHostSynchronize (void *hFence, uint64_t timeout), (hFence, timeout)
#define ZE_ABI_zeFenceQueryStatus (void *hFence), (hFence)
#define ZE_ABI_zeGraphInstantiateExt (void *hGraph, const void *pNext, void **phExecutableGraph), (hGraph, pNext, phExecutableGraph)
#define ZE_ABI_zeKernelCreate (void *hModule, const void *desc, void **phKernel), (hModule, desc, phKernel)
#define ZE_ABI_zeKernelDestroy (void *hKernel), (hKernel)
#define ZE_ABI_zeKernelSetGroupSize (void *hKernel, uint32_t groupSizeX, uint32_t groupSizeY, uint32_t groupSizeZ), (hKernel, groupSizeX, groupSizeY, groupSizeZ)
#define ZE_ABI_zeMemAllocDevice (void *hContext, const void *device_desc, size_t size, size_t alignment, void *hDevice, void **pptr), (hContext, device_desc, size, alignment, hDevice, pptr)
#define ZE_ABI_zeMemAllocHost (void *hContext, const void *host_desc, size_t size, size_t alignment, void **pptr), (hContext, host_desc, size, alignment, pptr)
#define ZE_ABI_zeMemAllocShared (void *hContext, const void *device_desc, const void *host_desc, size_t size, size_t alignment, void *hDevice, void **pptr), (hContext, device_desc, host_desc, size, alignment, hDevice, pptr)
#define ZE_ABI_zeMemCloseIpcHandle (void *hContext, const void *ptr), (hContext, ptr)
#define ZE_ABI_zeMemFree (void *hContext, void *ptr), (hContext, ptr)
#define ZE_ABI_zeMemFreeExt (void *hContext, const void *pMemFreeDesc, void *ptr), (hContext, pMemFreeDesc, ptr)
#define ZE_ABI_zeMemOpenIpcHandle (void *hContext, void *hDevice, struct ze_value_64 handle, uint32_t flags, void **pptr), (hContext, hDevice, handle, flags, pptr)
#define ZE_ABI_zeModuleCreate (void *hContext, void *hDevice, const void *desc, void **phModule, void **phBuildLog), (hContext, hDevice, desc, phModule, phBuildLog)
#define ZE_ABI_zePhysicalMemCreate (void *hContext, void *hDevice, void *desc, void **phPhysicalMemory), (hContext, hDevice, desc, phPhysicalMemory)
#define ZE_ABI_zePhysicalMemDestroy (void *hContext, void *hPhysicalMemory), (hContext, hPhysicalMemory)
#define ZE_ABI_zeVirtualMemFree (void *hContext, const void *ptr, size_t size), (hContext, ptr, size)
#define ZE_ABI_zeVirtualMemMap (void *hContext, const void *ptr, size_t size, void *hPhysicalMemory, size_t offset, int access), (hContext, ptr, size, hPhysicalMemory, offset, access)
#define ZE_ABI_zeVirtualMemReserve (void *hContext, const void *pStart, size_t size, void **pptr), (hContext, pStart, size, pptr)
#define ZE_ABI_zeVirtualMemSetAccessAttribute (void *hContext, const void *ptr, size_t size, int access), (hContext, ptr, size, access)
#define ZE_ABI_zeVirtualMemUnmap (void *hContext, const void *ptr, size_t size), (hContext, ptr, size)
/* clang-format on */

#endif
