/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of functions that Level Zero fills. FIELD(getter, index, name,
 * major, minor): where a wrapped function is, since which version of the API.
 */
#ifndef ANAROS_LEVEL_ZERO_TABLES_H
#define ANAROS_LEVEL_ZERO_TABLES_H

/* clang-format off */
#define ANAROS_LEVEL_ZERO_GETTERS(GETTER) \
	GETTER(zeGetCommandListExpProcAddrTable) \
	GETTER(zeGetCommandListProcAddrTable) \
	GETTER(zeGetCommandQueueProcAddrTable) \
	GETTER(zeGetContextProcAddrTable) \
	GETTER(zeGetDeviceProcAddrTable) \
	GETTER(zeGetEventProcAddrTable) \
	GETTER(zeGetExecutableGraphProcAddrTable) \
	GETTER(zeGetFenceProcAddrTable) \
	GETTER(zeGetGraphProcAddrTable) \
	GETTER(zeGetKernelProcAddrTable) \
	GETTER(zeGetMemProcAddrTable) \
	GETTER(zeGetModuleProcAddrTable) \
	GETTER(zeGetPhysicalMemProcAddrTable) \
	GETTER(zeGetVirtualMemProcAddrTable)

#define ANAROS_LEVEL_ZERO_FIELDS(FIELD) \
	FIELD(zeGetCommandListExpProcAddrTable, 1, zeCommandListImmediateAppendCommandListsExp, 1, 9) \
	FIELD(zeGetCommandListProcAddrTable, 0, zeCommandListCreate, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 1, zeCommandListCreateImmediate, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 2, zeCommandListDestroy, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 3, zeCommandListClose, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 4, zeCommandListReset, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 6, zeCommandListAppendBarrier, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 7, zeCommandListAppendMemoryRangesBarrier, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 8, zeCommandListAppendMemoryCopy, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 9, zeCommandListAppendMemoryFill, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 10, zeCommandListAppendMemoryCopyRegion, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 11, zeCommandListAppendMemoryCopyFromContext, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 12, zeCommandListAppendImageCopy, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 13, zeCommandListAppendImageCopyRegion, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 14, zeCommandListAppendImageCopyToMemory, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 15, zeCommandListAppendImageCopyFromMemory, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 16, zeCommandListAppendMemoryPrefetch, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 18, zeCommandListAppendSignalEvent, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 19, zeCommandListAppendWaitOnEvents, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 22, zeCommandListAppendLaunchKernel, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 23, zeCommandListAppendLaunchCooperativeKernel, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 24, zeCommandListAppendLaunchKernelIndirect, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 25, zeCommandListAppendLaunchMultipleKernelsIndirect, 1, 0) \
	FIELD(zeGetCommandListProcAddrTable, 26, zeCommandListAppendImageCopyToMemoryExt, 1, 3) \
	FIELD(zeGetCommandListProcAddrTable, 27, zeCommandListAppendImageCopyFromMemoryExt, 1, 3) \
	FIELD(zeGetCommandListProcAddrTable, 28, zeCommandListHostSynchronize, 1, 6) \
	FIELD(zeGetCommandListProcAddrTable, 34, zeCommandListAppendSignalExternalSemaphoreExt, 1, 12) \
	FIELD(zeGetCommandListProcAddrTable, 35, zeCommandListAppendWaitExternalSemaphoreExt, 1, 12) \
	FIELD(zeGetCommandListProcAddrTable, 36, zeCommandListAppendLaunchKernelWithParameters, 1, 14) \
	FIELD(zeGetCommandListProcAddrTable, 37, zeCommandListAppendLaunchKernelWithArguments, 1, 14) \
	FIELD(zeGetCommandListProcAddrTable, 38, zeCommandListAppendMemoryCopyWithParameters, 1, 16) \
	FIELD(zeGetCommandListProcAddrTable, 39, zeCommandListAppendMemoryFillWithParameters, 1, 16) \
	FIELD(zeGetCommandListProcAddrTable, 40, zeCommandListImmediateAppendCommandListsWithParameters, 1, 16) \
	FIELD(zeGetCommandListProcAddrTable, 45, zeCommandListBeginGraphCaptureExt, 1, 17) \
	FIELD(zeGetCommandListProcAddrTable, 46, zeCommandListBeginCaptureIntoGraphExt, 1, 17) \
	FIELD(zeGetCommandListProcAddrTable, 48, zeCommandListEndGraphCaptureExt, 1, 17) \
	FIELD(zeGetCommandListProcAddrTable, 50, zeCommandListAppendGraphExt, 1, 17) \
	FIELD(zeGetCommandListProcAddrTable, 51, zeCommandListAppendHostFunction, 1, 17) \
	FIELD(zeGetCommandQueueProcAddrTable, 0, zeCommandQueueCreate, 1, 0) \
	FIELD(zeGetCommandQueueProcAddrTable, 1, zeCommandQueueDestroy, 1, 0) \
	FIELD(zeGetCommandQueueProcAddrTable, 2, zeCommandQueueExecuteCommandLists, 1, 0) \
	FIELD(zeGetCommandQueueProcAddrTable, 3, zeCommandQueueSynchronize, 1, 0) \
	FIELD(zeGetContextProcAddrTable, 0, zeContextCreate, 1, 0) \
	FIELD(zeGetContextProcAddrTable, 1, zeContextDestroy, 1, 0) \
	FIELD(zeGetContextProcAddrTable, 8, zeContextCreateEx, 1, 1) \
	FIELD(zeGetDeviceProcAddrTable, 22, zeDeviceSynchronize, 1, 14) \
	FIELD(zeGetEventProcAddrTable, 2, zeEventHostSignal, 1, 0) \
	FIELD(zeGetEventProcAddrTable, 3, zeEventHostSynchronize, 1, 0) \
	FIELD(zeGetEventProcAddrTable, 4, zeEventQueryStatus, 1, 0) \
	FIELD(zeGetExecutableGraphProcAddrTable, 1, zeExecutableGraphDestroyExt, 1, 17) \
	FIELD(zeGetFenceProcAddrTable, 2, zeFenceHostSynchronize, 1, 0) \
	FIELD(zeGetFenceProcAddrTable, 3, zeFenceQueryStatus, 1, 0) \
	FIELD(zeGetGraphProcAddrTable, 3, zeGraphInstantiateExt, 1, 17) \
	FIELD(zeGetKernelProcAddrTable, 0, zeKernelCreate, 1, 0) \
	FIELD(zeGetKernelProcAddrTable, 1, zeKernelDestroy, 1, 0) \
	FIELD(zeGetKernelProcAddrTable, 3, zeKernelSetGroupSize, 1, 0) \
	FIELD(zeGetMemProcAddrTable, 0, zeMemAllocShared, 1, 0) \
	FIELD(zeGetMemProcAddrTable, 1, zeMemAllocDevice, 1, 0) \
	FIELD(zeGetMemProcAddrTable, 2, zeMemAllocHost, 1, 0) \
	FIELD(zeGetMemProcAddrTable, 3, zeMemFree, 1, 0) \
	FIELD(zeGetMemProcAddrTable, 7, zeMemOpenIpcHandle, 1, 0) \
	FIELD(zeGetMemProcAddrTable, 8, zeMemCloseIpcHandle, 1, 0) \
	FIELD(zeGetMemProcAddrTable, 9, zeMemFreeExt, 1, 3) \
	FIELD(zeGetModuleProcAddrTable, 0, zeModuleCreate, 1, 0) \
	FIELD(zeGetPhysicalMemProcAddrTable, 0, zePhysicalMemCreate, 1, 0) \
	FIELD(zeGetPhysicalMemProcAddrTable, 1, zePhysicalMemDestroy, 1, 0) \
	FIELD(zeGetVirtualMemProcAddrTable, 0, zeVirtualMemReserve, 1, 0) \
	FIELD(zeGetVirtualMemProcAddrTable, 1, zeVirtualMemFree, 1, 0) \
	FIELD(zeGetVirtualMemProcAddrTable, 3, zeVirtualMemMap, 1, 0) \
	FIELD(zeGetVirtualMemProcAddrTable, 4, zeVirtualMemUnmap, 1, 0) \
	FIELD(zeGetVirtualMemProcAddrTable, 5, zeVirtualMemSetAccessAttribute, 1, 0)
/* clang-format on */

#endif
