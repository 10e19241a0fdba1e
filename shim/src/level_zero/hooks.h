/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every Level Zero function that is known, sorted by name. HOOK(name):
 * wrapped and exported. GETTER(name): likewise, it fills a table. PASS(REASON,
 * name): not recorded, and why. A name that is not here came with a later
 * release; what resolves it is counted.
 */
#ifndef ANAROS_LEVEL_ZERO_HOOKS_H
#define ANAROS_LEVEL_ZERO_HOOKS_H

/* clang-format off */
#define ANAROS_LEVEL_ZERO_REASONS(REASON) \
	REASON(QUERY, "it asks, and changes nothing") \
	REASON(SETTING, "it sets how later work is done, which its own call tells") \
	REASON(HANDLE, "it makes or ends a handle, and moves no memory") \
	REASON(GRAPH, "it edits or describes a graph; what runs is told when it is executed") \
	REASON(MUTABLE, "it edits commands of a list; what runs is told when it is executed") \
	REASON(SHARING, "it names memory or an event for others; what is opened is recorded") \
	REASON(RESIDENT, "it holds memory on the device or lets it go; what moves, it does not tell") \
	REASON(TIMES, "the program takes times of its own") \
	REASON(RAYS, "it builds structures for ray tracing on the host")

#define ANAROS_LEVEL_ZERO(HOOK, GETTER, PASS) \
	HOOK(zeCommandListAppendBarrier) \
	PASS(SETTING, zeCommandListAppendEventReset) \
	HOOK(zeCommandListAppendGraphExt) \
	HOOK(zeCommandListAppendHostFunction) \
	HOOK(zeCommandListAppendImageCopy) \
	HOOK(zeCommandListAppendImageCopyFromMemory) \
	HOOK(zeCommandListAppendImageCopyFromMemoryExt) \
	HOOK(zeCommandListAppendImageCopyRegion) \
	HOOK(zeCommandListAppendImageCopyToMemory) \
	HOOK(zeCommandListAppendImageCopyToMemoryExt) \
	HOOK(zeCommandListAppendLaunchCooperativeKernel) \
	HOOK(zeCommandListAppendLaunchKernel) \
	HOOK(zeCommandListAppendLaunchKernelIndirect) \
	HOOK(zeCommandListAppendLaunchKernelWithArguments) \
	HOOK(zeCommandListAppendLaunchKernelWithParameters) \
	HOOK(zeCommandListAppendLaunchMultipleKernelsIndirect) \
	PASS(SETTING, zeCommandListAppendMemAdvise) \
	HOOK(zeCommandListAppendMemoryCopy) \
	HOOK(zeCommandListAppendMemoryCopyFromContext) \
	HOOK(zeCommandListAppendMemoryCopyRegion) \
	HOOK(zeCommandListAppendMemoryCopyWithParameters) \
	HOOK(zeCommandListAppendMemoryFill) \
	HOOK(zeCommandListAppendMemoryFillWithParameters) \
	HOOK(zeCommandListAppendMemoryPrefetch) \
	HOOK(zeCommandListAppendMemoryRangesBarrier) \
	PASS(TIMES, zeCommandListAppendQueryKernelTimestamps) \
	HOOK(zeCommandListAppendSignalEvent) \
	HOOK(zeCommandListAppendSignalExternalSemaphoreExt) \
	HOOK(zeCommandListAppendWaitExternalSemaphoreExt) \
	HOOK(zeCommandListAppendWaitOnEvents) \
	PASS(TIMES, zeCommandListAppendWriteGlobalTimestamp) \
	HOOK(zeCommandListBeginCaptureIntoGraphExt) \
	HOOK(zeCommandListBeginGraphCaptureExt) \
	HOOK(zeCommandListClose) \
	HOOK(zeCommandListCreate) \
	HOOK(zeCommandListCreateCloneExp) \
	HOOK(zeCommandListCreateImmediate) \
	HOOK(zeCommandListDestroy) \
	HOOK(zeCommandListEndGraphCaptureExt) \
	PASS(QUERY, zeCommandListGetContextHandle) \
	PASS(QUERY, zeCommandListGetDeviceHandle) \
	PASS(QUERY, zeCommandListGetFlags) \
	PASS(GRAPH, zeCommandListGetGraphExt) \
	PASS(MUTABLE, zeCommandListGetNextCommandIdExp) \
	PASS(MUTABLE, zeCommandListGetNextCommandIdWithKernelsExp) \
	PASS(QUERY, zeCommandListGetOrdinal) \
	HOOK(zeCommandListHostSynchronize) \
	HOOK(zeCommandListImmediateAppendCommandListsExp) \
	HOOK(zeCommandListImmediateAppendCommandListsWithParameters) \
	PASS(QUERY, zeCommandListImmediateGetFlags) \
	PASS(QUERY, zeCommandListImmediateGetIndex) \
	PASS(QUERY, zeCommandListImmediateGetMode) \
	PASS(QUERY, zeCommandListImmediateGetPriority) \
	PASS(GRAPH, zeCommandListIsGraphCaptureEnabledExt) \
	PASS(QUERY, zeCommandListIsImmediate) \
	PASS(QUERY, zeCommandListIsMutableExp) \
	HOOK(zeCommandListReset) \
	PASS(MUTABLE, zeCommandListUpdateMutableCommandKernelsExp) \
	PASS(MUTABLE, zeCommandListUpdateMutableCommandSignalEventExp) \
	PASS(MUTABLE, zeCommandListUpdateMutableCommandWaitEventsExp) \
	PASS(MUTABLE, zeCommandListUpdateMutableCommandsExp) \
	HOOK(zeCommandQueueCreate) \
	HOOK(zeCommandQueueDestroy) \
	HOOK(zeCommandQueueExecuteCommandLists) \
	PASS(QUERY, zeCommandQueueGetFlags) \
	PASS(QUERY, zeCommandQueueGetIndex) \
	PASS(QUERY, zeCommandQueueGetMode) \
	PASS(QUERY, zeCommandQueueGetOrdinal) \
	PASS(QUERY, zeCommandQueueGetPriority) \
	HOOK(zeCommandQueueSynchronize) \
	HOOK(zeContextCreate) \
	HOOK(zeContextCreateEx) \
	HOOK(zeContextDestroy) \
	PASS(RESIDENT, zeContextEvictImage) \
	PASS(RESIDENT, zeContextEvictMemory) \
	PASS(QUERY, zeContextGetStatus) \
	PASS(RESIDENT, zeContextMakeImageResident) \
	PASS(RESIDENT, zeContextMakeMemoryResident) \
	PASS(RESIDENT, zeContextSystemBarrier) \
	PASS(QUERY, zeDeviceCanAccessPeer) \
	PASS(QUERY, zeDeviceGet) \
	PASS(QUERY, zeDeviceGetAggregatedCopyOffloadIncrementValue) \
	PASS(QUERY, zeDeviceGetCacheProperties) \
	PASS(QUERY, zeDeviceGetCommandQueueGroupProperties) \
	PASS(QUERY, zeDeviceGetComputeProperties) \
	PASS(QUERY, zeDeviceGetCounterBasedEventMaxValue) \
	PASS(QUERY, zeDeviceGetExternalMemoryProperties) \
	PASS(QUERY, zeDeviceGetFabricVertexExp) \
	PASS(QUERY, zeDeviceGetGlobalTimestamps) \
	PASS(QUERY, zeDeviceGetImageProperties) \
	PASS(QUERY, zeDeviceGetMemoryAccessProperties) \
	PASS(QUERY, zeDeviceGetMemoryProperties) \
	PASS(QUERY, zeDeviceGetModuleProperties) \
	PASS(QUERY, zeDeviceGetP2PProperties) \
	PASS(QUERY, zeDeviceGetProperties) \
	PASS(QUERY, zeDeviceGetRootDevice) \
	PASS(QUERY, zeDeviceGetRuntimeRequirements) \
	PASS(QUERY, zeDeviceGetRuntimeRequirementsKey) \
	PASS(QUERY, zeDeviceGetStatus) \
	PASS(QUERY, zeDeviceGetSubDevices) \
	PASS(QUERY, zeDeviceGetVectorWidthPropertiesExt) \
	PASS(SHARING, zeDeviceImportExternalSemaphoreExt) \
	PASS(QUERY, zeDevicePciGetPropertiesExt) \
	PASS(SHARING, zeDeviceReleaseExternalSemaphoreExt) \
	PASS(SETTING, zeDeviceReserveCacheExt) \
	PASS(SETTING, zeDeviceSetCacheAdviceExt) \
	HOOK(zeDeviceSynchronize) \
	PASS(QUERY, zeDeviceValidateRuntimeRequirements) \
	PASS(QUERY, zeDriverGet) \
	PASS(QUERY, zeDriverGetApiVersion) \
	PASS(QUERY, zeDriverGetDefaultContext) \
	HOOK(zeDriverGetExtensionFunctionAddress) \
	PASS(QUERY, zeDriverGetExtensionProperties) \
	PASS(SHARING, zeDriverGetIpcProperties) \
	PASS(QUERY, zeDriverGetLastErrorDescription) \
	PASS(QUERY, zeDriverGetProperties) \
	PASS(RAYS, zeDriverRTASFormatCompatibilityCheckExp) \
	PASS(RAYS, zeDriverRTASFormatCompatibilityCheckExt) \
	PASS(SHARING, zeEventCounterBasedCloseIpcHandle) \
	PASS(HANDLE, zeEventCounterBasedCreate) \
	PASS(QUERY, zeEventCounterBasedGetDeviceAddress) \
	PASS(SHARING, zeEventCounterBasedGetIpcHandle) \
	PASS(SHARING, zeEventCounterBasedOpenIpcHandle) \
	PASS(HANDLE, zeEventCreate) \
	PASS(HANDLE, zeEventDestroy) \
	PASS(QUERY, zeEventGetCounterBasedFlags) \
	PASS(QUERY, zeEventGetEventPool) \
	PASS(QUERY, zeEventGetSignalScope) \
	PASS(QUERY, zeEventGetWaitScope) \
	PASS(SETTING, zeEventHostReset) \
	HOOK(zeEventHostSignal) \
	HOOK(zeEventHostSynchronize) \
	PASS(SHARING, zeEventPoolCloseIpcHandle) \
	PASS(HANDLE, zeEventPoolCreate) \
	PASS(HANDLE, zeEventPoolDestroy) \
	PASS(QUERY, zeEventPoolGetContextHandle) \
	PASS(QUERY, zeEventPoolGetFlags) \
	PASS(SHARING, zeEventPoolGetIpcHandle) \
	PASS(SHARING, zeEventPoolOpenIpcHandle) \
	PASS(SHARING, zeEventPoolPutIpcHandle) \
	PASS(TIMES, zeEventQueryKernelTimestamp) \
	PASS(TIMES, zeEventQueryKernelTimestampsExt) \
	HOOK(zeEventQueryStatus) \
	PASS(TIMES, zeEventQueryTimestampsExp) \
	HOOK(zeExecutableGraphDestroyExt) \
	PASS(GRAPH, zeExecutableGraphGetSourceGraphExt) \
	PASS(QUERY, zeFabricEdgeGetExp) \
	PASS(QUERY, zeFabricEdgeGetPropertiesExp) \
	PASS(QUERY, zeFabricEdgeGetVerticesExp) \
	PASS(QUERY, zeFabricVertexGetDeviceExp) \
	PASS(QUERY, zeFabricVertexGetExp) \
	PASS(QUERY, zeFabricVertexGetPropertiesExp) \
	PASS(QUERY, zeFabricVertexGetSubVerticesExp) \
	PASS(HANDLE, zeFenceCreate) \
	PASS(HANDLE, zeFenceDestroy) \
	HOOK(zeFenceHostSynchronize) \
	HOOK(zeFenceQueryStatus) \
	PASS(SETTING, zeFenceReset) \
	GETTER(zeGetCommandListExpProcAddrTable) \
	GETTER(zeGetCommandListProcAddrTable) \
	GETTER(zeGetCommandQueueProcAddrTable) \
	GETTER(zeGetContextProcAddrTable) \
	GETTER(zeGetDeviceExpProcAddrTable) \
	GETTER(zeGetDeviceProcAddrTable) \
	GETTER(zeGetDriverExpProcAddrTable) \
	GETTER(zeGetDriverProcAddrTable) \
	GETTER(zeGetEventExpProcAddrTable) \
	GETTER(zeGetEventPoolProcAddrTable) \
	GETTER(zeGetEventProcAddrTable) \
	GETTER(zeGetExecutableGraphProcAddrTable) \
	GETTER(zeGetFabricEdgeExpProcAddrTable) \
	GETTER(zeGetFabricVertexExpProcAddrTable) \
	GETTER(zeGetFenceProcAddrTable) \
	GETTER(zeGetGlobalProcAddrTable) \
	GETTER(zeGetGraphProcAddrTable) \
	GETTER(zeGetImageExpProcAddrTable) \
	GETTER(zeGetImageProcAddrTable) \
	GETTER(zeGetKernelExpProcAddrTable) \
	GETTER(zeGetKernelProcAddrTable) \
	GETTER(zeGetMemExpProcAddrTable) \
	GETTER(zeGetMemProcAddrTable) \
	GETTER(zeGetModuleBuildLogProcAddrTable) \
	GETTER(zeGetModuleProcAddrTable) \
	GETTER(zeGetPhysicalMemProcAddrTable) \
	GETTER(zeGetRTASBuilderExpProcAddrTable) \
	GETTER(zeGetRTASBuilderProcAddrTable) \
	GETTER(zeGetRTASParallelOperationExpProcAddrTable) \
	GETTER(zeGetRTASParallelOperationProcAddrTable) \
	GETTER(zeGetSamplerProcAddrTable) \
	GETTER(zeGetVirtualMemProcAddrTable) \
	PASS(GRAPH, zeGraphCreateExt) \
	PASS(GRAPH, zeGraphDestroyExt) \
	PASS(GRAPH, zeGraphDumpContentsExt) \
	PASS(GRAPH, zeGraphGetPrimaryCommandListExt) \
	HOOK(zeGraphInstantiateExt) \
	PASS(GRAPH, zeGraphIsEmptyExt) \
	PASS(GRAPH, zeGraphSetDestructionCallbackExt) \
	HOOK(zeImageCreate) \
	HOOK(zeImageDestroy) \
	PASS(QUERY, zeImageGetAllocPropertiesExt) \
	PASS(QUERY, zeImageGetDeviceOffsetExp) \
	PASS(QUERY, zeImageGetMemoryPropertiesExp) \
	PASS(QUERY, zeImageGetProperties) \
	PASS(HANDLE, zeImageViewCreateExp) \
	PASS(HANDLE, zeImageViewCreateExt) \
	PASS(SETTING, zeInit) \
	PASS(SETTING, zeInitDrivers) \
	HOOK(zeKernelCreate) \
	HOOK(zeKernelDestroy) \
	PASS(QUERY, zeKernelGetAllocationPropertiesExp) \
	PASS(QUERY, zeKernelGetBinaryExp) \
	PASS(QUERY, zeKernelGetIndirectAccess) \
	PASS(QUERY, zeKernelGetName) \
	PASS(QUERY, zeKernelGetProperties) \
	PASS(QUERY, zeKernelGetSourceAttributes) \
	PASS(SETTING, zeKernelSchedulingHintExp) \
	PASS(SETTING, zeKernelSetArgumentValue) \
	PASS(SETTING, zeKernelSetCacheConfig) \
	PASS(SETTING, zeKernelSetGlobalOffsetExp) \
	HOOK(zeKernelSetGroupSize) \
	PASS(SETTING, zeKernelSetIndirectAccess) \
	PASS(QUERY, zeKernelSuggestGroupSize) \
	PASS(QUERY, zeKernelSuggestMaxCooperativeGroupCount) \
	HOOK(zeMemAllocDevice) \
	HOOK(zeMemAllocHost) \
	HOOK(zeMemAllocShared) \
	HOOK(zeMemCloseIpcHandle) \
	HOOK(zeMemFree) \
	HOOK(zeMemFreeExt) \
	PASS(QUERY, zeMemGetAddressRange) \
	PASS(QUERY, zeMemGetAllocProperties) \
	PASS(QUERY, zeMemGetAtomicAccessAttributeExp) \
	PASS(SHARING, zeMemGetFileDescriptorFromIpcHandleExp) \
	PASS(SHARING, zeMemGetIpcHandle) \
	PASS(SHARING, zeMemGetIpcHandleFromFileDescriptorExp) \
	PASS(SHARING, zeMemGetIpcHandleWithProperties) \
	PASS(QUERY, zeMemGetPitchFor2dImage) \
	HOOK(zeMemOpenIpcHandle) \
	PASS(SHARING, zeMemPutIpcHandle) \
	PASS(SETTING, zeMemSetAtomicAccessAttributeExp) \
	PASS(HANDLE, zeModuleBuildLogDestroy) \
	PASS(QUERY, zeModuleBuildLogGetString) \
	HOOK(zeModuleCreate) \
	PASS(HANDLE, zeModuleDestroy) \
	HOOK(zeModuleDynamicLink) \
	PASS(QUERY, zeModuleGetFunctionPointer) \
	PASS(QUERY, zeModuleGetGlobalPointer) \
	PASS(QUERY, zeModuleGetKernelNames) \
	PASS(QUERY, zeModuleGetNativeBinary) \
	PASS(QUERY, zeModuleGetProperties) \
	PASS(QUERY, zeModuleInspectLinkageExt) \
	HOOK(zePhysicalMemCreate) \
	HOOK(zePhysicalMemDestroy) \
	PASS(QUERY, zePhysicalMemGetProperties) \
	PASS(RAYS, zeRTASBuilderBuildExp) \
	PASS(RAYS, zeRTASBuilderBuildExt) \
	HOOK(zeRTASBuilderCommandListAppendCopyExt) \
	PASS(RAYS, zeRTASBuilderCreateExp) \
	PASS(RAYS, zeRTASBuilderCreateExt) \
	PASS(RAYS, zeRTASBuilderDestroyExp) \
	PASS(RAYS, zeRTASBuilderDestroyExt) \
	PASS(RAYS, zeRTASBuilderGetBuildPropertiesExp) \
	PASS(RAYS, zeRTASBuilderGetBuildPropertiesExt) \
	PASS(RAYS, zeRTASParallelOperationCreateExp) \
	PASS(RAYS, zeRTASParallelOperationCreateExt) \
	PASS(RAYS, zeRTASParallelOperationDestroyExp) \
	PASS(RAYS, zeRTASParallelOperationDestroyExt) \
	PASS(RAYS, zeRTASParallelOperationGetPropertiesExp) \
	PASS(RAYS, zeRTASParallelOperationGetPropertiesExt) \
	PASS(RAYS, zeRTASParallelOperationJoinExp) \
	PASS(RAYS, zeRTASParallelOperationJoinExt) \
	PASS(HANDLE, zeSamplerCreate) \
	PASS(HANDLE, zeSamplerDestroy) \
	HOOK(zeVirtualMemFree) \
	PASS(QUERY, zeVirtualMemGetAccessAttribute) \
	HOOK(zeVirtualMemMap) \
	PASS(QUERY, zeVirtualMemQueryPageSize) \
	HOOK(zeVirtualMemReserve) \
	HOOK(zeVirtualMemSetAccessAttribute) \
	HOOK(zeVirtualMemUnmap)
/* clang-format on */

#endif
