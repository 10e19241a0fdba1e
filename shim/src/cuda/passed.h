/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the CUDA driver that are not recorded, each with the reason:
 * ONE(REASON, symbol), or TWO(REASON, symbol, end) as in hooks.h.
 */
#ifndef ANAROS_CUDA_PASSED_H
#define ANAROS_CUDA_PASSED_H

/* clang-format off */
#define ANAROS_CUDA_REASONS(REASON) \
	REASON(QUERY, "it asks, and changes nothing") \
	REASON(SETTING, "it sets how later work is done, which its own call tells") \
	REASON(HANDLE, "it makes or ends a handle, and moves no memory") \
	REASON(GRAPH, "it edits a graph; what runs is told when it is launched") \
	REASON(TEXTURE, "it describes memory for a kernel to read") \
	REASON(GRAPHICS, "it shares memory with a graphics or video library") \
	REASON(SHARING, "it names memory or an event for others; what is opened is recorded") \
	REASON(ENDPOINT, "it sets up an end of the fabric; copies through it are recorded") \
	REASON(TOOL, "it belongs to profilers and debuggers") \
	REASON(PRIVATE, "its tables have no stable layout")

#define ANAROS_CUDA_PASSED(ONE, TWO) \
	ONE(QUERY, cuArray3DGetDescriptor) \
	ONE(QUERY, cuArray3DGetDescriptor_v2) \
	ONE(QUERY, cuArrayGetDescriptor) \
	ONE(QUERY, cuArrayGetDescriptor_v2) \
	ONE(QUERY, cuArrayGetMemoryRequirements) \
	ONE(QUERY, cuArrayGetPlane) \
	ONE(QUERY, cuArrayGetSparseProperties) \
	ONE(QUERY, cuCheckpointProcessGetRestoreThreadId) \
	ONE(QUERY, cuCheckpointProcessGetState) \
	ONE(QUERY, cuCtxGetApiVersion) \
	ONE(QUERY, cuCtxGetCacheConfig) \
	ONE(QUERY, cuCtxGetCurrent) \
	ONE(QUERY, cuCtxGetDevResource) \
	ONE(QUERY, cuCtxGetDevice) \
	ONE(QUERY, cuCtxGetDevice_v2) \
	ONE(QUERY, cuCtxGetExecAffinity) \
	ONE(QUERY, cuCtxGetFlags) \
	ONE(QUERY, cuCtxGetId) \
	ONE(QUERY, cuCtxGetLimit) \
	ONE(QUERY, cuCtxGetSharedMemConfig) \
	ONE(QUERY, cuCtxGetStreamPriorityRange) \
	ONE(QUERY, cuDeviceCanAccessPeer) \
	ONE(QUERY, cuDeviceComputeCapability) \
	ONE(QUERY, cuDeviceGetAttribute) \
	ONE(QUERY, cuDeviceGetCliqueCount) \
	ONE(QUERY, cuDeviceGetCliqueInfo) \
	ONE(QUERY, cuDeviceGetDefaultMemPool) \
	ONE(QUERY, cuDeviceGetDevResource) \
	ONE(QUERY, cuDeviceGetExecAffinitySupport) \
	ONE(QUERY, cuDeviceGetFabricClusterUuid) \
	ONE(QUERY, cuDeviceGetGraphMemAttribute) \
	ONE(QUERY, cuDeviceGetHostAtomicCapabilities) \
	ONE(QUERY, cuDeviceGetLuid) \
	ONE(QUERY, cuDeviceGetMemPool) \
	ONE(QUERY, cuDeviceGetName) \
	ONE(QUERY, cuDeviceGetNvSciSyncAttributes) \
	ONE(QUERY, cuDeviceGetP2PAtomicCapabilities) \
	ONE(QUERY, cuDeviceGetP2PAttribute) \
	ONE(QUERY, cuDeviceGetPCIBusId) \
	ONE(QUERY, cuDeviceGetProperties) \
	ONE(QUERY, cuDeviceGetTexture1DLinearMaxWidth) \
	ONE(QUERY, cuDeviceGetUuid) \
	ONE(QUERY, cuDeviceGetUuid_v2) \
	ONE(QUERY, cuDevicePrimaryCtxGetState) \
	ONE(QUERY, cuDeviceTotalMem) \
	ONE(QUERY, cuDeviceTotalMem_v2) \
	ONE(QUERY, cuDriverGetVersion) \
	ONE(QUERY, cuEventElapsedTime) \
	ONE(QUERY, cuEventElapsedTime_v2) \
	ONE(QUERY, cuFuncGetAttribute) \
	ONE(QUERY, cuFuncGetModule) \
	ONE(QUERY, cuFuncGetParamCount) \
	ONE(QUERY, cuFuncGetParamInfo) \
	ONE(QUERY, cuFuncIsLoaded) \
	ONE(QUERY, cuGetErrorName) \
	ONE(QUERY, cuGetErrorString) \
	ONE(QUERY, cuGraphBatchMemOpNodeGetParams) \
	ONE(QUERY, cuGraphChildGraphNodeGetGraph) \
	ONE(QUERY, cuGraphEventRecordNodeGetEvent) \
	ONE(QUERY, cuGraphEventWaitNodeGetEvent) \
	ONE(QUERY, cuGraphExecGetFlags) \
	ONE(QUERY, cuGraphExecGetId) \
	ONE(QUERY, cuGraphExternalSemaphoresSignalNodeGetParams) \
	ONE(QUERY, cuGraphExternalSemaphoresWaitNodeGetParams) \
	ONE(QUERY, cuGraphGetEdges) \
	ONE(QUERY, cuGraphGetEdges_v2) \
	ONE(QUERY, cuGraphGetId) \
	ONE(QUERY, cuGraphGetNodes) \
	ONE(QUERY, cuGraphGetRootNodes) \
	ONE(QUERY, cuGraphHostNodeGetParams) \
	ONE(QUERY, cuGraphKernelNodeGetAttribute) \
	ONE(QUERY, cuGraphKernelNodeGetParams) \
	ONE(QUERY, cuGraphKernelNodeGetParams_v2) \
	ONE(QUERY, cuGraphMemAllocNodeGetParams) \
	ONE(QUERY, cuGraphMemFreeNodeGetParams) \
	ONE(QUERY, cuGraphMemcpyNodeGetParams) \
	ONE(QUERY, cuGraphMemsetNodeGetParams) \
	ONE(QUERY, cuGraphNodeFindInClone) \
	ONE(QUERY, cuGraphNodeGetContainingGraph) \
	ONE(QUERY, cuGraphNodeGetDependencies) \
	ONE(QUERY, cuGraphNodeGetDependencies_v2) \
	ONE(QUERY, cuGraphNodeGetDependentNodes) \
	ONE(QUERY, cuGraphNodeGetDependentNodes_v2) \
	ONE(QUERY, cuGraphNodeGetEnabled) \
	ONE(QUERY, cuGraphNodeGetLocalId) \
	ONE(QUERY, cuGraphNodeGetParams) \
	ONE(QUERY, cuGraphNodeGetToolsId) \
	ONE(QUERY, cuGraphNodeGetType) \
	ONE(QUERY, cuGreenCtxGetDevResource) \
	ONE(QUERY, cuGreenCtxGetId) \
	ONE(QUERY, cuKernelGetAttribute) \
	ONE(QUERY, cuKernelGetLibrary) \
	ONE(QUERY, cuKernelGetParamCount) \
	ONE(QUERY, cuKernelGetParamInfo) \
	ONE(QUERY, cuLibraryEnumerateKernels) \
	ONE(QUERY, cuLibraryGetGlobal) \
	ONE(QUERY, cuLibraryGetKernelCount) \
	ONE(QUERY, cuLibraryGetManaged) \
	ONE(QUERY, cuLibraryGetModule) \
	ONE(QUERY, cuLibraryGetUnifiedFunction) \
	ONE(QUERY, cuLogicalEndpointGetLimits) \
	ONE(QUERY, cuLogicalEndpointQuery) \
	ONE(QUERY, cuMemGetAccess) \
	ONE(QUERY, cuMemGetAddressRange) \
	ONE(QUERY, cuMemGetAddressRange_v2) \
	ONE(QUERY, cuMemGetAllocationGranularity) \
	ONE(QUERY, cuMemGetAllocationPropertiesFromHandle) \
	ONE(QUERY, cuMemGetDefaultMemPool) \
	ONE(QUERY, cuMemGetInfo) \
	ONE(QUERY, cuMemGetInfo_v2) \
	ONE(QUERY, cuMemGetLocationInfo) \
	ONE(QUERY, cuMemGetMemPool) \
	ONE(QUERY, cuMemHostGetDevicePointer) \
	ONE(QUERY, cuMemHostGetDevicePointer_v2) \
	ONE(QUERY, cuMemHostGetFlags) \
	ONE(QUERY, cuMemPoolGetAccess) \
	ONE(QUERY, cuMemPoolGetAttribute) \
	ONE(QUERY, cuMemRangeGetAttribute) \
	ONE(QUERY, cuMemRangeGetAttributes) \
	ONE(QUERY, cuMipmappedArrayGetLevel) \
	ONE(QUERY, cuMipmappedArrayGetMemoryRequirements) \
	ONE(QUERY, cuMipmappedArrayGetSparseProperties) \
	ONE(QUERY, cuModuleEnumerateFunctions) \
	ONE(QUERY, cuModuleGetFunctionCount) \
	ONE(QUERY, cuModuleGetGlobal) \
	ONE(QUERY, cuModuleGetGlobal_v2) \
	ONE(QUERY, cuModuleGetLoadingMode) \
	ONE(QUERY, cuMulticastGetGranularity) \
	ONE(QUERY, cuOccupancyAvailableDynamicSMemPerBlock) \
	ONE(QUERY, cuOccupancyMaxActiveBlocksPerMultiprocessor) \
	ONE(QUERY, cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags) \
	ONE(QUERY, cuOccupancyMaxActiveClusters) \
	ONE(QUERY, cuOccupancyMaxPotentialBlockSize) \
	ONE(QUERY, cuOccupancyMaxPotentialBlockSizeWithFlags) \
	ONE(QUERY, cuOccupancyMaxPotentialClusterSize) \
	ONE(QUERY, cuPointerGetAttribute) \
	ONE(QUERY, cuPointerGetAttributes) \
	TWO(QUERY, cuStreamGetAttribute, _ptsz) \
	TWO(QUERY, cuStreamGetCaptureInfo, _ptsz) \
	TWO(QUERY, cuStreamGetCaptureInfo_v2, _ptsz) \
	TWO(QUERY, cuStreamGetCaptureInfo_v3, _ptsz) \
	TWO(QUERY, cuStreamGetCtx, _ptsz) \
	TWO(QUERY, cuStreamGetCtx_v2, _ptsz) \
	TWO(QUERY, cuStreamGetDevResource, _ptsz) \
	TWO(QUERY, cuStreamGetDevice, _ptsz) \
	TWO(QUERY, cuStreamGetFlags, _ptsz) \
	ONE(QUERY, cuStreamGetGreenCtx) \
	TWO(QUERY, cuStreamGetId, _ptsz) \
	TWO(QUERY, cuStreamGetPriority, _ptsz) \
	TWO(QUERY, cuStreamIsCapturing, _ptsz) \
	ONE(SETTING, cuCtxDisablePeerAccess) \
	ONE(SETTING, cuCtxEnablePeerAccess) \
	ONE(SETTING, cuCtxResetPersistingL2Cache) \
	ONE(SETTING, cuCtxSetCacheConfig) \
	ONE(SETTING, cuCtxSetFlags) \
	ONE(SETTING, cuCtxSetLimit) \
	ONE(SETTING, cuCtxSetSharedMemConfig) \
	ONE(SETTING, cuDeviceGraphMemTrim) \
	ONE(SETTING, cuDevicePrimaryCtxSetFlags) \
	ONE(SETTING, cuDevicePrimaryCtxSetFlags_v2) \
	ONE(SETTING, cuDeviceSetGraphMemAttribute) \
	ONE(SETTING, cuDeviceSetMemPool) \
	ONE(SETTING, cuFlushGPUDirectRDMAWrites) \
	ONE(SETTING, cuFuncSetAttribute) \
	ONE(SETTING, cuFuncSetBlockShape) \
	ONE(SETTING, cuFuncSetCacheConfig) \
	ONE(SETTING, cuFuncSetSharedMemConfig) \
	ONE(SETTING, cuFuncSetSharedSize) \
	ONE(SETTING, cuKernelSetAttribute) \
	ONE(SETTING, cuKernelSetCacheConfig) \
	ONE(SETTING, cuMemAdvise) \
	ONE(SETTING, cuMemAdvise_v2) \
	ONE(SETTING, cuMemPoolSetAccess) \
	ONE(SETTING, cuMemPoolSetAttribute) \
	ONE(SETTING, cuMemSetMemPool) \
	ONE(SETTING, cuMulticastAddDevice) \
	ONE(SETTING, cuParamSetSize) \
	ONE(SETTING, cuParamSetf) \
	ONE(SETTING, cuParamSeti) \
	ONE(SETTING, cuParamSetv) \
	ONE(SETTING, cuPointerSetAttribute) \
	TWO(SETTING, cuStreamCopyAttributes, _ptsz) \
	TWO(SETTING, cuStreamSetAttribute, _ptsz) \
	ONE(SETTING, cuThreadExchangeStreamCaptureMode) \
	ONE(HANDLE, cuCheckpointOperationComplete) \
	ONE(HANDLE, cuCtxFromGreenCtx) \
	ONE(HANDLE, cuDevResourceGenerateDesc) \
	ONE(HANDLE, cuDevSmResourceSplit) \
	ONE(HANDLE, cuDevSmResourceSplitByCount) \
	ONE(HANDLE, cuEventCreate) \
	ONE(HANDLE, cuEventDestroy) \
	ONE(HANDLE, cuEventDestroy_v2) \
	ONE(HANDLE, cuFuncLoad) \
	ONE(HANDLE, cuLibraryUnload) \
	ONE(HANDLE, cuLinkCreate) \
	ONE(HANDLE, cuLinkCreate_v2) \
	ONE(HANDLE, cuLinkDestroy) \
	ONE(HANDLE, cuModuleUnload) \
	ONE(GRAPH, cuGraphAddDependencies) \
	ONE(GRAPH, cuGraphAddDependencies_v2) \
	ONE(GRAPH, cuGraphAddEmptyNode) \
	ONE(GRAPH, cuGraphAddEventRecordNode) \
	ONE(GRAPH, cuGraphAddEventWaitNode) \
	ONE(GRAPH, cuGraphAddMemAllocNode) \
	ONE(GRAPH, cuGraphAddMemFreeNode) \
	ONE(GRAPH, cuGraphBatchMemOpNodeSetParams) \
	ONE(GRAPH, cuGraphConditionalHandleCreate) \
	ONE(GRAPH, cuGraphEventRecordNodeSetEvent) \
	ONE(GRAPH, cuGraphEventWaitNodeSetEvent) \
	ONE(GRAPH, cuGraphExecBatchMemOpNodeSetParams) \
	ONE(GRAPH, cuGraphExecChildGraphNodeSetParams) \
	ONE(GRAPH, cuGraphExecEventRecordNodeSetEvent) \
	ONE(GRAPH, cuGraphExecEventWaitNodeSetEvent) \
	ONE(GRAPH, cuGraphExecExternalSemaphoresSignalNodeSetParams) \
	ONE(GRAPH, cuGraphExecExternalSemaphoresWaitNodeSetParams) \
	ONE(GRAPH, cuGraphExecHostNodeSetParams) \
	ONE(GRAPH, cuGraphExecKernelNodeSetParams) \
	ONE(GRAPH, cuGraphExecKernelNodeSetParams_v2) \
	ONE(GRAPH, cuGraphExecMemcpyNodeSetParams) \
	ONE(GRAPH, cuGraphExecMemsetNodeSetParams) \
	ONE(GRAPH, cuGraphExecNodeSetParams) \
	ONE(GRAPH, cuGraphExternalSemaphoresSignalNodeSetParams) \
	ONE(GRAPH, cuGraphExternalSemaphoresWaitNodeSetParams) \
	ONE(GRAPH, cuGraphHostNodeSetParams) \
	ONE(GRAPH, cuGraphKernelNodeCopyAttributes) \
	ONE(GRAPH, cuGraphKernelNodeSetAttribute) \
	ONE(GRAPH, cuGraphKernelNodeSetParams) \
	ONE(GRAPH, cuGraphKernelNodeSetParams_v2) \
	ONE(GRAPH, cuGraphMemcpyNodeSetParams) \
	ONE(GRAPH, cuGraphMemsetNodeSetParams) \
	ONE(GRAPH, cuGraphNodeSetParams) \
	ONE(GRAPH, cuGraphNodeSetParams_v2) \
	ONE(GRAPH, cuGraphReleaseUserObject) \
	ONE(GRAPH, cuGraphRemoveDependencies) \
	ONE(GRAPH, cuGraphRemoveDependencies_v2) \
	ONE(GRAPH, cuGraphRetainUserObject) \
	TWO(GRAPH, cuGraphUpload, _ptsz) \
	TWO(GRAPH, cuStreamUpdateCaptureDependencies, _ptsz) \
	TWO(GRAPH, cuStreamUpdateCaptureDependencies_v2, _ptsz) \
	ONE(GRAPH, cuUserObjectCreate) \
	ONE(GRAPH, cuUserObjectRelease) \
	ONE(GRAPH, cuUserObjectRetain) \
	ONE(TEXTURE, cuModuleGetSurfRef) \
	ONE(TEXTURE, cuModuleGetTexRef) \
	ONE(TEXTURE, cuParamSetTexRef) \
	ONE(TEXTURE, cuSurfObjectCreate) \
	ONE(TEXTURE, cuSurfObjectDestroy) \
	ONE(TEXTURE, cuSurfObjectGetResourceDesc) \
	ONE(TEXTURE, cuSurfRefGetArray) \
	ONE(TEXTURE, cuSurfRefSetArray) \
	ONE(TEXTURE, cuTensorMapEncodeIm2col) \
	ONE(TEXTURE, cuTensorMapEncodeIm2colWide) \
	ONE(TEXTURE, cuTensorMapEncodeTiled) \
	ONE(TEXTURE, cuTensorMapReplaceAddress) \
	ONE(TEXTURE, cuTensorMapSetAllocationClass) \
	ONE(TEXTURE, cuTexObjectCreate) \
	ONE(TEXTURE, cuTexObjectDestroy) \
	ONE(TEXTURE, cuTexObjectGetResourceDesc) \
	ONE(TEXTURE, cuTexObjectGetResourceViewDesc) \
	ONE(TEXTURE, cuTexObjectGetTextureDesc) \
	ONE(TEXTURE, cuTexRefCreate) \
	ONE(TEXTURE, cuTexRefDestroy) \
	ONE(TEXTURE, cuTexRefGetAddress) \
	ONE(TEXTURE, cuTexRefGetAddressMode) \
	ONE(TEXTURE, cuTexRefGetAddress_v2) \
	ONE(TEXTURE, cuTexRefGetArray) \
	ONE(TEXTURE, cuTexRefGetBorderColor) \
	ONE(TEXTURE, cuTexRefGetFilterMode) \
	ONE(TEXTURE, cuTexRefGetFlags) \
	ONE(TEXTURE, cuTexRefGetFormat) \
	ONE(TEXTURE, cuTexRefGetMaxAnisotropy) \
	ONE(TEXTURE, cuTexRefGetMipmapFilterMode) \
	ONE(TEXTURE, cuTexRefGetMipmapLevelBias) \
	ONE(TEXTURE, cuTexRefGetMipmapLevelClamp) \
	ONE(TEXTURE, cuTexRefGetMipmappedArray) \
	ONE(TEXTURE, cuTexRefSetAddress) \
	ONE(TEXTURE, cuTexRefSetAddress2D) \
	ONE(TEXTURE, cuTexRefSetAddress2D_v2) \
	ONE(TEXTURE, cuTexRefSetAddress2D_v3) \
	ONE(TEXTURE, cuTexRefSetAddressMode) \
	ONE(TEXTURE, cuTexRefSetAddress_v2) \
	ONE(TEXTURE, cuTexRefSetArray) \
	ONE(TEXTURE, cuTexRefSetBorderColor) \
	ONE(TEXTURE, cuTexRefSetFilterMode) \
	ONE(TEXTURE, cuTexRefSetFlags) \
	ONE(TEXTURE, cuTexRefSetFormat) \
	ONE(TEXTURE, cuTexRefSetMaxAnisotropy) \
	ONE(TEXTURE, cuTexRefSetMipmapFilterMode) \
	ONE(TEXTURE, cuTexRefSetMipmapLevelBias) \
	ONE(TEXTURE, cuTexRefSetMipmapLevelClamp) \
	ONE(TEXTURE, cuTexRefSetMipmappedArray) \
	ONE(GRAPHICS, cuEGLStreamConsumerAcquireFrame) \
	ONE(GRAPHICS, cuEGLStreamConsumerConnect) \
	ONE(GRAPHICS, cuEGLStreamConsumerConnectWithFlags) \
	ONE(GRAPHICS, cuEGLStreamConsumerDisconnect) \
	ONE(GRAPHICS, cuEGLStreamConsumerReleaseFrame) \
	ONE(GRAPHICS, cuEGLStreamProducerConnect) \
	ONE(GRAPHICS, cuEGLStreamProducerDisconnect) \
	ONE(GRAPHICS, cuEGLStreamProducerPresentFrame) \
	ONE(GRAPHICS, cuEGLStreamProducerReturnFrame) \
	ONE(GRAPHICS, cuEventCreateFromEGLSync) \
	ONE(GRAPHICS, cuGLCtxCreate) \
	ONE(GRAPHICS, cuGLCtxCreate_v2) \
	ONE(GRAPHICS, cuGLGetDevices) \
	ONE(GRAPHICS, cuGLGetDevices_v2) \
	ONE(GRAPHICS, cuGLInit) \
	ONE(GRAPHICS, cuGLMapBufferObject) \
	ONE(GRAPHICS, cuGLMapBufferObjectAsync) \
	TWO(GRAPHICS, cuGLMapBufferObjectAsync_v2, _ptsz) \
	TWO(GRAPHICS, cuGLMapBufferObject_v2, _ptds) \
	ONE(GRAPHICS, cuGLRegisterBufferObject) \
	ONE(GRAPHICS, cuGLSetBufferObjectMapFlags) \
	ONE(GRAPHICS, cuGLUnmapBufferObject) \
	ONE(GRAPHICS, cuGLUnmapBufferObjectAsync) \
	ONE(GRAPHICS, cuGLUnregisterBufferObject) \
	ONE(GRAPHICS, cuGraphicsEGLRegisterImage) \
	ONE(GRAPHICS, cuGraphicsGLRegisterBuffer) \
	ONE(GRAPHICS, cuGraphicsGLRegisterImage) \
	TWO(GRAPHICS, cuGraphicsMapResources, _ptsz) \
	ONE(GRAPHICS, cuGraphicsResourceGetMappedEglFrame) \
	ONE(GRAPHICS, cuGraphicsResourceGetMappedMipmappedArray) \
	ONE(GRAPHICS, cuGraphicsResourceGetMappedPointer) \
	ONE(GRAPHICS, cuGraphicsResourceGetMappedPointer_v2) \
	ONE(GRAPHICS, cuGraphicsResourceSetMapFlags) \
	ONE(GRAPHICS, cuGraphicsResourceSetMapFlags_v2) \
	ONE(GRAPHICS, cuGraphicsSubResourceGetMappedArray) \
	TWO(GRAPHICS, cuGraphicsUnmapResources, _ptsz) \
	ONE(GRAPHICS, cuGraphicsUnregisterResource) \
	ONE(GRAPHICS, cuGraphicsVDPAURegisterOutputSurface) \
	ONE(GRAPHICS, cuGraphicsVDPAURegisterVideoSurface) \
	ONE(GRAPHICS, cuVDPAUCtxCreate) \
	ONE(GRAPHICS, cuVDPAUCtxCreate_v2) \
	ONE(GRAPHICS, cuVDPAUGetDevice) \
	ONE(SHARING, cuDestroyExternalMemory) \
	ONE(SHARING, cuDestroyExternalSemaphore) \
	ONE(SHARING, cuImportExternalMemory) \
	ONE(SHARING, cuImportExternalSemaphore) \
	ONE(SHARING, cuIpcGetEventHandle) \
	ONE(SHARING, cuIpcGetMemHandle) \
	ONE(SHARING, cuIpcOpenEventHandle) \
	ONE(SHARING, cuMemGetHandleForAddressRange) \
	ONE(SHARING, cuMemPoolExportPointer) \
	ONE(ENDPOINT, cuLogicalEndpointAddDevice) \
	ONE(ENDPOINT, cuLogicalEndpointBindAddr) \
	ONE(ENDPOINT, cuLogicalEndpointBindMem) \
	ONE(ENDPOINT, cuLogicalEndpointCreate) \
	ONE(ENDPOINT, cuLogicalEndpointDestroy) \
	ONE(ENDPOINT, cuLogicalEndpointExport) \
	ONE(ENDPOINT, cuLogicalEndpointIdRelease) \
	ONE(ENDPOINT, cuLogicalEndpointIdReserve) \
	ONE(ENDPOINT, cuLogicalEndpointImport) \
	ONE(ENDPOINT, cuLogicalEndpointUnbind) \
	ONE(TOOL, cuCoredumpDeregisterCompleteCallback) \
	ONE(TOOL, cuCoredumpDeregisterStartCallback) \
	ONE(TOOL, cuCoredumpGetAttribute) \
	ONE(TOOL, cuCoredumpGetAttributeGlobal) \
	ONE(TOOL, cuCoredumpRegisterCompleteCallback) \
	ONE(TOOL, cuCoredumpRegisterStartCallback) \
	ONE(TOOL, cuCoredumpSetAttribute) \
	ONE(TOOL, cuCoredumpSetAttributeGlobal) \
	ONE(TOOL, cuDeviceRegisterAsyncNotification) \
	ONE(TOOL, cuDeviceUnregisterAsyncNotification) \
	ONE(TOOL, cuGraphDebugDotPrint) \
	ONE(TOOL, cuLogsCurrent) \
	ONE(TOOL, cuLogsDumpToFile) \
	ONE(TOOL, cuLogsDumpToMemory) \
	ONE(TOOL, cuLogsRegisterCallback) \
	ONE(TOOL, cuLogsUnregisterCallback) \
	ONE(TOOL, cuProfilerInitialize) \
	ONE(TOOL, cuProfilerStart) \
	ONE(TOOL, cuProfilerStop) \
	ONE(PRIVATE, cuGetExportTable)
/* clang-format on */

#endif
