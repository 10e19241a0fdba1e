/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every HIP function that is known, sorted by name. HOOK(name): wrapped and
 * exported. PASS(REASON, name): not recorded, and why. A name that is not
 * here came with a later HIP; what resolves it is counted.
 */
#ifndef ANAROS_HIP_HOOKS_H
#define ANAROS_HIP_HOOKS_H

/* clang-format off */
#define ANAROS_HIP_REASONS(REASON) \
	REASON(QUERY, "it asks, and changes nothing") \
	REASON(SETTING, "it sets how later work is done, which its own call tells") \
	REASON(HANDLE, "it makes or ends a handle, and moves no memory") \
	REASON(GRAPH, "it edits a graph; what runs is told when it is launched") \
	REASON(TEXTURE, "it describes memory for a kernel to read") \
	REASON(GRAPHICS, "it shares memory with a graphics library") \
	REASON(SHARING, "it names memory or an event for others; what is opened is recorded") \
	REASON(TOOL, "it belongs to profilers and debuggers") \
	REASON(COMPILER, "compiled code calls it before main or around a launch, which its own call tells")

#define ANAROS_HIP(HOOK, PASS) \
	PASS(COMPILER, __hipGetPCH) \
	PASS(COMPILER, __hipPopCallConfiguration) \
	PASS(COMPILER, __hipPushCallConfiguration) \
	PASS(COMPILER, __hipRegisterFatBinary) \
	HOOK(__hipRegisterFunction) \
	PASS(COMPILER, __hipRegisterManagedVar) \
	PASS(COMPILER, __hipRegisterSurface) \
	PASS(COMPILER, __hipRegisterTexture) \
	PASS(COMPILER, __hipRegisterVar) \
	PASS(COMPILER, __hipReportDevices) \
	PASS(COMPILER, __hipUnregisterFatBinary) \
	PASS(TOOL, hipApiName) \
	HOOK(hipArray3DCreate) \
	PASS(QUERY, hipArray3DGetDescriptor) \
	HOOK(hipArrayCreate) \
	HOOK(hipArrayDestroy) \
	PASS(QUERY, hipArrayGetDescriptor) \
	PASS(QUERY, hipArrayGetInfo) \
	PASS(TEXTURE, hipBindTexture) \
	PASS(TEXTURE, hipBindTexture2D) \
	PASS(TEXTURE, hipBindTextureToArray) \
	PASS(TEXTURE, hipBindTextureToMipmappedArray) \
	PASS(QUERY, hipChooseDevice) \
	PASS(QUERY, hipChooseDeviceR0000) \
	PASS(QUERY, hipChooseDeviceR0600) \
	HOOK(hipConfigureCall) \
	PASS(TEXTURE, hipCreateChannelDesc) \
	PASS(TEXTURE, hipCreateSurfaceObject) \
	PASS(TEXTURE, hipCreateTextureObject) \
	HOOK(hipCtxCreate) \
	HOOK(hipCtxDestroy) \
	PASS(SETTING, hipCtxDisablePeerAccess) \
	PASS(SETTING, hipCtxEnablePeerAccess) \
	PASS(QUERY, hipCtxGetApiVersion) \
	PASS(QUERY, hipCtxGetCacheConfig) \
	PASS(QUERY, hipCtxGetCurrent) \
	PASS(QUERY, hipCtxGetDevice) \
	PASS(QUERY, hipCtxGetFlags) \
	PASS(QUERY, hipCtxGetSharedMemConfig) \
	HOOK(hipCtxPopCurrent) \
	HOOK(hipCtxPushCurrent) \
	PASS(SETTING, hipCtxSetCacheConfig) \
	HOOK(hipCtxSetCurrent) \
	PASS(SETTING, hipCtxSetSharedMemConfig) \
	HOOK(hipCtxSynchronize) \
	PASS(SHARING, hipDestroyExternalMemory) \
	PASS(SHARING, hipDestroyExternalSemaphore) \
	PASS(TEXTURE, hipDestroySurfaceObject) \
	PASS(TEXTURE, hipDestroyTextureObject) \
	PASS(QUERY, hipDeviceCanAccessPeer) \
	PASS(QUERY, hipDeviceComputeCapability) \
	PASS(SETTING, hipDeviceDisablePeerAccess) \
	PASS(SETTING, hipDeviceEnablePeerAccess) \
	PASS(QUERY, hipDeviceGet) \
	PASS(QUERY, hipDeviceGetAttribute) \
	PASS(QUERY, hipDeviceGetByPCIBusId) \
	PASS(QUERY, hipDeviceGetCacheConfig) \
	PASS(QUERY, hipDeviceGetDefaultMemPool) \
	PASS(QUERY, hipDeviceGetGraphMemAttribute) \
	PASS(QUERY, hipDeviceGetLimit) \
	PASS(QUERY, hipDeviceGetMemPool) \
	PASS(QUERY, hipDeviceGetName) \
	PASS(QUERY, hipDeviceGetP2PAttribute) \
	PASS(QUERY, hipDeviceGetPCIBusId) \
	PASS(QUERY, hipDeviceGetSharedMemConfig) \
	PASS(QUERY, hipDeviceGetStreamPriorityRange) \
	PASS(TEXTURE, hipDeviceGetTexture1DLinearMaxWidth) \
	PASS(QUERY, hipDeviceGetUuid) \
	PASS(SETTING, hipDeviceGraphMemTrim) \
	PASS(QUERY, hipDevicePrimaryCtxGetState) \
	HOOK(hipDevicePrimaryCtxRelease) \
	HOOK(hipDevicePrimaryCtxReset) \
	HOOK(hipDevicePrimaryCtxRetain) \
	PASS(SETTING, hipDevicePrimaryCtxSetFlags) \
	HOOK(hipDeviceReset) \
	PASS(SETTING, hipDeviceSetCacheConfig) \
	PASS(SETTING, hipDeviceSetGraphMemAttribute) \
	PASS(SETTING, hipDeviceSetLimit) \
	PASS(SETTING, hipDeviceSetMemPool) \
	PASS(SETTING, hipDeviceSetSharedMemConfig) \
	HOOK(hipDeviceSynchronize) \
	PASS(QUERY, hipDeviceTotalMem) \
	PASS(QUERY, hipDriverGetVersion) \
	PASS(QUERY, hipDrvGetErrorName) \
	PASS(QUERY, hipDrvGetErrorString) \
	PASS(GRAPH, hipDrvGraphAddMemFreeNode) \
	PASS(GRAPH, hipDrvGraphAddMemcpyNode) \
	PASS(GRAPH, hipDrvGraphAddMemsetNode) \
	PASS(GRAPH, hipDrvGraphExecMemcpyNodeSetParams) \
	PASS(GRAPH, hipDrvGraphExecMemsetNodeSetParams) \
	PASS(GRAPH, hipDrvGraphMemcpyNodeGetParams) \
	PASS(GRAPH, hipDrvGraphMemcpyNodeSetParams) \
	HOOK(hipDrvLaunchKernelEx) \
	HOOK(hipDrvMemcpy2DUnaligned) \
	HOOK(hipDrvMemcpy3D) \
	HOOK(hipDrvMemcpy3DAsync) \
	PASS(QUERY, hipDrvPointerGetAttributes) \
	PASS(HANDLE, hipEventCreate) \
	PASS(HANDLE, hipEventCreateWithFlags) \
	PASS(HANDLE, hipEventDestroy) \
	PASS(QUERY, hipEventElapsedTime) \
	HOOK(hipEventQuery) \
	HOOK(hipEventRecord) \
	HOOK(hipEventRecordWithFlags) \
	HOOK(hipEventRecord_spt) \
	HOOK(hipEventSynchronize) \
	PASS(TOOL, hipExtDisableLogging) \
	PASS(TOOL, hipExtEnableLogging) \
	PASS(QUERY, hipExtGetLastError) \
	PASS(QUERY, hipExtGetLinkTypeAndHopCount) \
	HOOK(hipExtHostAlloc) \
	HOOK(hipExtLaunchKernel) \
	HOOK(hipExtLaunchMultiKernelMultiDevice) \
	HOOK(hipExtMallocWithFlags) \
	HOOK(hipExtModuleLaunchKernel) \
	PASS(TOOL, hipExtSetLoggingParams) \
	HOOK(hipExtStreamCreateWithCUMask) \
	PASS(QUERY, hipExtStreamGetCUMask) \
	HOOK(hipExternalMemoryGetMappedBuffer) \
	HOOK(hipExternalMemoryGetMappedMipmappedArray) \
	HOOK(hipFree) \
	HOOK(hipFreeArray) \
	HOOK(hipFreeAsync) \
	HOOK(hipFreeHost) \
	HOOK(hipFreeMipmappedArray) \
	PASS(QUERY, hipFuncGetAttribute) \
	PASS(QUERY, hipFuncGetAttributes) \
	PASS(SETTING, hipFuncSetAttribute) \
	PASS(SETTING, hipFuncSetCacheConfig) \
	PASS(SETTING, hipFuncSetSharedMemConfig) \
	PASS(GRAPHICS, hipGLGetDevices) \
	PASS(TEXTURE, hipGetChannelDesc) \
	PASS(TOOL, hipGetCmdName) \
	PASS(QUERY, hipGetDevice) \
	HOOK(hipGetDeviceCount) \
	PASS(QUERY, hipGetDeviceFlags) \
	PASS(QUERY, hipGetDeviceProperties) \
	PASS(QUERY, hipGetDevicePropertiesR0000) \
	PASS(QUERY, hipGetDevicePropertiesR0600) \
	HOOK(hipGetDriverEntryPoint) \
	HOOK(hipGetDriverEntryPoint_spt) \
	PASS(QUERY, hipGetErrorName) \
	PASS(QUERY, hipGetErrorString) \
	HOOK(hipGetFuncBySymbol) \
	PASS(QUERY, hipGetLastError) \
	PASS(QUERY, hipGetMipmappedArrayLevel) \
	HOOK(hipGetProcAddress) \
	HOOK(hipGetProcAddress_spt) \
	PASS(TOOL, hipGetStreamDeviceId) \
	PASS(QUERY, hipGetSymbolAddress) \
	PASS(QUERY, hipGetSymbolSize) \
	PASS(TEXTURE, hipGetTextureAlignmentOffset) \
	PASS(TEXTURE, hipGetTextureObjectResourceDesc) \
	PASS(TEXTURE, hipGetTextureObjectResourceViewDesc) \
	PASS(TEXTURE, hipGetTextureObjectTextureDesc) \
	PASS(TEXTURE, hipGetTextureReference) \
	PASS(GRAPH, hipGraphAddBatchMemOpNode) \
	PASS(GRAPH, hipGraphAddChildGraphNode) \
	PASS(GRAPH, hipGraphAddDependencies) \
	PASS(GRAPH, hipGraphAddEmptyNode) \
	PASS(GRAPH, hipGraphAddEventRecordNode) \
	PASS(GRAPH, hipGraphAddEventWaitNode) \
	PASS(GRAPH, hipGraphAddExternalSemaphoresSignalNode) \
	PASS(GRAPH, hipGraphAddExternalSemaphoresWaitNode) \
	PASS(GRAPH, hipGraphAddHostNode) \
	PASS(GRAPH, hipGraphAddKernelNode) \
	PASS(GRAPH, hipGraphAddMemAllocNode) \
	PASS(GRAPH, hipGraphAddMemFreeNode) \
	PASS(GRAPH, hipGraphAddMemcpyNode) \
	PASS(GRAPH, hipGraphAddMemcpyNode1D) \
	PASS(GRAPH, hipGraphAddMemcpyNodeFromSymbol) \
	PASS(GRAPH, hipGraphAddMemcpyNodeToSymbol) \
	PASS(GRAPH, hipGraphAddMemsetNode) \
	PASS(GRAPH, hipGraphAddNode) \
	PASS(GRAPH, hipGraphBatchMemOpNodeGetParams) \
	PASS(GRAPH, hipGraphBatchMemOpNodeSetParams) \
	PASS(GRAPH, hipGraphChildGraphNodeGetGraph) \
	PASS(GRAPH, hipGraphClone) \
	PASS(GRAPH, hipGraphCreate) \
	PASS(GRAPH, hipGraphDebugDotPrint) \
	PASS(GRAPH, hipGraphDestroy) \
	PASS(GRAPH, hipGraphDestroyNode) \
	PASS(GRAPH, hipGraphEventRecordNodeGetEvent) \
	PASS(GRAPH, hipGraphEventRecordNodeSetEvent) \
	PASS(GRAPH, hipGraphEventWaitNodeGetEvent) \
	PASS(GRAPH, hipGraphEventWaitNodeSetEvent) \
	PASS(GRAPH, hipGraphExecBatchMemOpNodeSetParams) \
	PASS(GRAPH, hipGraphExecChildGraphNodeSetParams) \
	HOOK(hipGraphExecDestroy) \
	PASS(GRAPH, hipGraphExecEventRecordNodeSetEvent) \
	PASS(GRAPH, hipGraphExecEventWaitNodeSetEvent) \
	PASS(GRAPH, hipGraphExecExternalSemaphoresSignalNodeSetParams) \
	PASS(GRAPH, hipGraphExecExternalSemaphoresWaitNodeSetParams) \
	PASS(GRAPH, hipGraphExecGetFlags) \
	PASS(GRAPH, hipGraphExecHostNodeSetParams) \
	PASS(GRAPH, hipGraphExecKernelNodeSetParams) \
	PASS(GRAPH, hipGraphExecMemcpyNodeSetParams) \
	PASS(GRAPH, hipGraphExecMemcpyNodeSetParams1D) \
	PASS(GRAPH, hipGraphExecMemcpyNodeSetParamsFromSymbol) \
	PASS(GRAPH, hipGraphExecMemcpyNodeSetParamsToSymbol) \
	PASS(GRAPH, hipGraphExecMemsetNodeSetParams) \
	PASS(GRAPH, hipGraphExecNodeSetParams) \
	HOOK(hipGraphExecUpdate) \
	PASS(GRAPH, hipGraphExternalSemaphoresSignalNodeGetParams) \
	PASS(GRAPH, hipGraphExternalSemaphoresSignalNodeSetParams) \
	PASS(GRAPH, hipGraphExternalSemaphoresWaitNodeGetParams) \
	PASS(GRAPH, hipGraphExternalSemaphoresWaitNodeSetParams) \
	PASS(GRAPH, hipGraphGetEdges) \
	PASS(GRAPH, hipGraphGetNodes) \
	PASS(GRAPH, hipGraphGetRootNodes) \
	PASS(GRAPH, hipGraphHostNodeGetParams) \
	PASS(GRAPH, hipGraphHostNodeSetParams) \
	HOOK(hipGraphInstantiate) \
	HOOK(hipGraphInstantiateWithFlags) \
	HOOK(hipGraphInstantiateWithParams) \
	PASS(GRAPH, hipGraphKernelNodeCopyAttributes) \
	PASS(GRAPH, hipGraphKernelNodeGetAttribute) \
	PASS(GRAPH, hipGraphKernelNodeGetParams) \
	PASS(GRAPH, hipGraphKernelNodeSetAttribute) \
	PASS(GRAPH, hipGraphKernelNodeSetParams) \
	HOOK(hipGraphLaunch) \
	HOOK(hipGraphLaunch_spt) \
	PASS(GRAPH, hipGraphMemAllocNodeGetParams) \
	PASS(GRAPH, hipGraphMemFreeNodeGetParams) \
	PASS(GRAPH, hipGraphMemcpyNodeGetParams) \
	PASS(GRAPH, hipGraphMemcpyNodeSetParams) \
	PASS(GRAPH, hipGraphMemcpyNodeSetParams1D) \
	PASS(GRAPH, hipGraphMemcpyNodeSetParamsFromSymbol) \
	PASS(GRAPH, hipGraphMemcpyNodeSetParamsToSymbol) \
	PASS(GRAPH, hipGraphMemsetNodeGetParams) \
	PASS(GRAPH, hipGraphMemsetNodeSetParams) \
	PASS(GRAPH, hipGraphNodeFindInClone) \
	PASS(GRAPH, hipGraphNodeGetDependencies) \
	PASS(GRAPH, hipGraphNodeGetDependentNodes) \
	PASS(GRAPH, hipGraphNodeGetEnabled) \
	PASS(GRAPH, hipGraphNodeGetType) \
	PASS(GRAPH, hipGraphNodeSetEnabled) \
	PASS(GRAPH, hipGraphNodeSetParams) \
	PASS(GRAPH, hipGraphReleaseUserObject) \
	PASS(GRAPH, hipGraphRemoveDependencies) \
	PASS(GRAPH, hipGraphRetainUserObject) \
	PASS(GRAPH, hipGraphUpload) \
	PASS(GRAPHICS, hipGraphicsGLRegisterBuffer) \
	PASS(GRAPHICS, hipGraphicsGLRegisterImage) \
	PASS(GRAPHICS, hipGraphicsMapResources) \
	PASS(GRAPHICS, hipGraphicsResourceGetMappedPointer) \
	PASS(GRAPHICS, hipGraphicsSubResourceGetMappedArray) \
	PASS(GRAPHICS, hipGraphicsUnmapResources) \
	PASS(GRAPHICS, hipGraphicsUnregisterResource) \
	HOOK(hipHccModuleLaunchKernel) \
	HOOK(hipHostAlloc) \
	HOOK(hipHostFree) \
	PASS(QUERY, hipHostGetDevicePointer) \
	PASS(QUERY, hipHostGetFlags) \
	HOOK(hipHostMalloc) \
	HOOK(hipHostRegister) \
	HOOK(hipHostUnregister) \
	PASS(SHARING, hipImportExternalMemory) \
	PASS(SHARING, hipImportExternalSemaphore) \
	HOOK(hipInit) \
	HOOK(hipIpcCloseMemHandle) \
	PASS(SHARING, hipIpcGetEventHandle) \
	PASS(SHARING, hipIpcGetMemHandle) \
	PASS(SHARING, hipIpcOpenEventHandle) \
	HOOK(hipIpcOpenMemHandle) \
	PASS(QUERY, hipKernelGetAttribute) \
	PASS(QUERY, hipKernelGetFunction) \
	PASS(QUERY, hipKernelGetLibrary) \
	PASS(QUERY, hipKernelGetName) \
	PASS(QUERY, hipKernelGetParamInfo) \
	PASS(TOOL, hipKernelNameRef) \
	PASS(TOOL, hipKernelNameRefByPtr) \
	PASS(SETTING, hipKernelSetAttribute) \
	HOOK(hipLaunchByPtr) \
	HOOK(hipLaunchCooperativeKernel) \
	HOOK(hipLaunchCooperativeKernelMultiDevice) \
	HOOK(hipLaunchCooperativeKernel_spt) \
	HOOK(hipLaunchHostFunc) \
	HOOK(hipLaunchHostFunc_spt) \
	HOOK(hipLaunchKernel) \
	HOOK(hipLaunchKernelExC) \
	HOOK(hipLaunchKernel_spt) \
	PASS(QUERY, hipLibraryEnumerateKernels) \
	PASS(QUERY, hipLibraryGetGlobal) \
	HOOK(hipLibraryGetKernel) \
	PASS(QUERY, hipLibraryGetKernelCount) \
	PASS(QUERY, hipLibraryGetManaged) \
	HOOK(hipLibraryLoadData) \
	HOOK(hipLibraryLoadFromFile) \
	PASS(HANDLE, hipLibraryUnload) \
	HOOK(hipLinkAddData) \
	HOOK(hipLinkAddFile) \
	HOOK(hipLinkComplete) \
	PASS(HANDLE, hipLinkCreate) \
	PASS(HANDLE, hipLinkDestroy) \
	HOOK(hipMalloc) \
	HOOK(hipMalloc3D) \
	HOOK(hipMalloc3DArray) \
	HOOK(hipMallocArray) \
	HOOK(hipMallocAsync) \
	HOOK(hipMallocFromPoolAsync) \
	HOOK(hipMallocHost) \
	HOOK(hipMallocManaged) \
	HOOK(hipMallocMipmappedArray) \
	HOOK(hipMallocPitch) \
	HOOK(hipMemAddressFree) \
	HOOK(hipMemAddressReserve) \
	PASS(SETTING, hipMemAdvise) \
	PASS(SETTING, hipMemAdvise_v2) \
	HOOK(hipMemAllocHost) \
	HOOK(hipMemAllocPitch) \
	HOOK(hipMemCreate) \
	HOOK(hipMemExportToShareableHandle) \
	PASS(QUERY, hipMemGetAccess) \
	PASS(QUERY, hipMemGetAddressRange) \
	PASS(QUERY, hipMemGetAllocationGranularity) \
	PASS(QUERY, hipMemGetAllocationPropertiesFromHandle) \
	PASS(QUERY, hipMemGetDefaultMemPool) \
	PASS(SHARING, hipMemGetHandleForAddressRange) \
	PASS(QUERY, hipMemGetInfo) \
	PASS(QUERY, hipMemGetMemPool) \
	HOOK(hipMemImportFromShareableHandle) \
	HOOK(hipMemMap) \
	HOOK(hipMemMapArrayAsync) \
	HOOK(hipMemPoolCreate) \
	HOOK(hipMemPoolDestroy) \
	PASS(SHARING, hipMemPoolExportPointer) \
	HOOK(hipMemPoolExportToShareableHandle) \
	PASS(QUERY, hipMemPoolGetAccess) \
	PASS(QUERY, hipMemPoolGetAttribute) \
	HOOK(hipMemPoolImportFromShareableHandle) \
	HOOK(hipMemPoolImportPointer) \
	PASS(SETTING, hipMemPoolSetAccess) \
	PASS(SETTING, hipMemPoolSetAttribute) \
	HOOK(hipMemPoolTrimTo) \
	HOOK(hipMemPrefetchAsync) \
	HOOK(hipMemPrefetchAsync_v2) \
	PASS(QUERY, hipMemPtrGetInfo) \
	PASS(QUERY, hipMemRangeGetAttribute) \
	PASS(QUERY, hipMemRangeGetAttributes) \
	HOOK(hipMemRelease) \
	HOOK(hipMemRetainAllocationHandle) \
	HOOK(hipMemSetAccess) \
	PASS(SETTING, hipMemSetMemPool) \
	HOOK(hipMemUnmap) \
	HOOK(hipMemcpy) \
	HOOK(hipMemcpy2D) \
	HOOK(hipMemcpy2DArrayToArray) \
	HOOK(hipMemcpy2DAsync) \
	HOOK(hipMemcpy2DAsync_spt) \
	HOOK(hipMemcpy2DFromArray) \
	HOOK(hipMemcpy2DFromArrayAsync) \
	HOOK(hipMemcpy2DFromArrayAsync_spt) \
	HOOK(hipMemcpy2DFromArray_spt) \
	HOOK(hipMemcpy2DToArray) \
	HOOK(hipMemcpy2DToArrayAsync) \
	HOOK(hipMemcpy2DToArrayAsync_spt) \
	HOOK(hipMemcpy2DToArray_spt) \
	HOOK(hipMemcpy2D_spt) \
	HOOK(hipMemcpy3D) \
	HOOK(hipMemcpy3DAsync) \
	HOOK(hipMemcpy3DAsync_spt) \
	HOOK(hipMemcpy3DBatchAsync) \
	HOOK(hipMemcpy3DPeer) \
	HOOK(hipMemcpy3DPeerAsync) \
	HOOK(hipMemcpy3D_spt) \
	HOOK(hipMemcpyAsync) \
	HOOK(hipMemcpyAsync_spt) \
	HOOK(hipMemcpyAtoA) \
	HOOK(hipMemcpyAtoD) \
	HOOK(hipMemcpyAtoH) \
	HOOK(hipMemcpyAtoHAsync) \
	HOOK(hipMemcpyBatchAsync) \
	HOOK(hipMemcpyDtoA) \
	HOOK(hipMemcpyDtoD) \
	HOOK(hipMemcpyDtoDAsync) \
	HOOK(hipMemcpyDtoH) \
	HOOK(hipMemcpyDtoHAsync) \
	HOOK(hipMemcpyFromArray) \
	HOOK(hipMemcpyFromArray_spt) \
	HOOK(hipMemcpyFromSymbol) \
	HOOK(hipMemcpyFromSymbolAsync) \
	HOOK(hipMemcpyFromSymbolAsync_spt) \
	HOOK(hipMemcpyFromSymbol_spt) \
	HOOK(hipMemcpyHtoA) \
	HOOK(hipMemcpyHtoAAsync) \
	HOOK(hipMemcpyHtoD) \
	HOOK(hipMemcpyHtoDAsync) \
	HOOK(hipMemcpyParam2D) \
	HOOK(hipMemcpyParam2DAsync) \
	HOOK(hipMemcpyPeer) \
	HOOK(hipMemcpyPeerAsync) \
	HOOK(hipMemcpyToArray) \
	HOOK(hipMemcpyToSymbol) \
	HOOK(hipMemcpyToSymbolAsync) \
	HOOK(hipMemcpyToSymbolAsync_spt) \
	HOOK(hipMemcpyToSymbol_spt) \
	HOOK(hipMemcpyWithStream) \
	HOOK(hipMemcpy_spt) \
	HOOK(hipMemset) \
	HOOK(hipMemset2D) \
	HOOK(hipMemset2DAsync) \
	HOOK(hipMemset2DAsync_spt) \
	HOOK(hipMemset2D_spt) \
	HOOK(hipMemset3D) \
	HOOK(hipMemset3DAsync) \
	HOOK(hipMemset3DAsync_spt) \
	HOOK(hipMemset3D_spt) \
	HOOK(hipMemsetAsync) \
	HOOK(hipMemsetAsync_spt) \
	HOOK(hipMemsetD16) \
	HOOK(hipMemsetD16Async) \
	HOOK(hipMemsetD2D16) \
	HOOK(hipMemsetD2D16Async) \
	HOOK(hipMemsetD2D32) \
	HOOK(hipMemsetD2D32Async) \
	HOOK(hipMemsetD2D8) \
	HOOK(hipMemsetD2D8Async) \
	HOOK(hipMemsetD32) \
	HOOK(hipMemsetD32Async) \
	HOOK(hipMemsetD8) \
	HOOK(hipMemsetD8Async) \
	HOOK(hipMemset_spt) \
	HOOK(hipMipmappedArrayCreate) \
	HOOK(hipMipmappedArrayDestroy) \
	PASS(QUERY, hipMipmappedArrayGetLevel) \
	HOOK(hipModuleGetFunction) \
	PASS(QUERY, hipModuleGetFunctionCount) \
	PASS(QUERY, hipModuleGetGlobal) \
	PASS(TEXTURE, hipModuleGetTexRef) \
	HOOK(hipModuleLaunchCooperativeKernel) \
	HOOK(hipModuleLaunchCooperativeKernelMultiDevice) \
	HOOK(hipModuleLaunchKernel) \
	HOOK(hipModuleLoad) \
	HOOK(hipModuleLoadData) \
	HOOK(hipModuleLoadDataEx) \
	HOOK(hipModuleLoadFatBinary) \
	PASS(QUERY, hipModuleOccupancyMaxActiveBlocksPerMultiprocessor) \
	PASS(QUERY, hipModuleOccupancyMaxActiveBlocksPerMultiprocessorWithFlags) \
	PASS(QUERY, hipModuleOccupancyMaxPotentialBlockSize) \
	PASS(QUERY, hipModuleOccupancyMaxPotentialBlockSizeWithFlags) \
	HOOK(hipModuleUnload) \
	PASS(QUERY, hipOccupancyAvailableDynamicSMemPerBlock) \
	PASS(QUERY, hipOccupancyMaxActiveBlocksPerMultiprocessor) \
	PASS(QUERY, hipOccupancyMaxActiveBlocksPerMultiprocessorWithFlags) \
	PASS(QUERY, hipOccupancyMaxPotentialBlockSize) \
	PASS(QUERY, hipPeekAtLastError) \
	PASS(QUERY, hipPointerGetAttribute) \
	PASS(QUERY, hipPointerGetAttributes) \
	PASS(SETTING, hipPointerSetAttribute) \
	PASS(TOOL, hipProfilerStart) \
	PASS(TOOL, hipProfilerStop) \
	PASS(TOOL, hipRegisterTracerCallback) \
	PASS(QUERY, hipRuntimeGetVersion) \
	HOOK(hipSetDevice) \
	PASS(SETTING, hipSetDeviceFlags) \
	PASS(SETTING, hipSetValidDevices) \
	PASS(COMPILER, hipSetupArgument) \
	HOOK(hipSignalExternalSemaphoresAsync) \
	HOOK(hipStreamAddCallback) \
	HOOK(hipStreamAddCallback_spt) \
	HOOK(hipStreamAttachMemAsync) \
	HOOK(hipStreamBatchMemOp) \
	HOOK(hipStreamBeginCapture) \
	HOOK(hipStreamBeginCaptureToGraph) \
	HOOK(hipStreamBeginCapture_spt) \
	PASS(SETTING, hipStreamCopyAttributes) \
	HOOK(hipStreamCreate) \
	HOOK(hipStreamCreateWithFlags) \
	HOOK(hipStreamCreateWithPriority) \
	HOOK(hipStreamDestroy) \
	HOOK(hipStreamEndCapture) \
	HOOK(hipStreamEndCapture_spt) \
	PASS(QUERY, hipStreamGetAttribute) \
	PASS(QUERY, hipStreamGetCaptureInfo) \
	PASS(QUERY, hipStreamGetCaptureInfo_spt) \
	PASS(QUERY, hipStreamGetCaptureInfo_v2) \
	PASS(QUERY, hipStreamGetCaptureInfo_v2_spt) \
	PASS(QUERY, hipStreamGetDevice) \
	PASS(QUERY, hipStreamGetFlags) \
	PASS(QUERY, hipStreamGetFlags_spt) \
	PASS(QUERY, hipStreamGetId) \
	PASS(QUERY, hipStreamGetPriority) \
	PASS(QUERY, hipStreamGetPriority_spt) \
	PASS(QUERY, hipStreamIsCapturing) \
	PASS(QUERY, hipStreamIsCapturing_spt) \
	HOOK(hipStreamQuery) \
	HOOK(hipStreamQuery_spt) \
	PASS(SETTING, hipStreamSetAttribute) \
	HOOK(hipStreamSynchronize) \
	HOOK(hipStreamSynchronize_spt) \
	PASS(GRAPH, hipStreamUpdateCaptureDependencies) \
	HOOK(hipStreamWaitEvent) \
	HOOK(hipStreamWaitEvent_spt) \
	HOOK(hipStreamWaitValue32) \
	HOOK(hipStreamWaitValue64) \
	HOOK(hipStreamWriteValue32) \
	HOOK(hipStreamWriteValue64) \
	PASS(TEXTURE, hipTexObjectCreate) \
	PASS(TEXTURE, hipTexObjectDestroy) \
	PASS(TEXTURE, hipTexObjectGetResourceDesc) \
	PASS(TEXTURE, hipTexObjectGetResourceViewDesc) \
	PASS(TEXTURE, hipTexObjectGetTextureDesc) \
	PASS(TEXTURE, hipTexRefGetAddress) \
	PASS(TEXTURE, hipTexRefGetAddressMode) \
	PASS(TEXTURE, hipTexRefGetArray) \
	PASS(TEXTURE, hipTexRefGetBorderColor) \
	PASS(TEXTURE, hipTexRefGetFilterMode) \
	PASS(TEXTURE, hipTexRefGetFlags) \
	PASS(TEXTURE, hipTexRefGetFormat) \
	PASS(TEXTURE, hipTexRefGetMaxAnisotropy) \
	PASS(TEXTURE, hipTexRefGetMipMappedArray) \
	PASS(TEXTURE, hipTexRefGetMipmapFilterMode) \
	PASS(TEXTURE, hipTexRefGetMipmapLevelBias) \
	PASS(TEXTURE, hipTexRefGetMipmapLevelClamp) \
	PASS(TEXTURE, hipTexRefSetAddress) \
	PASS(TEXTURE, hipTexRefSetAddress2D) \
	PASS(TEXTURE, hipTexRefSetAddressMode) \
	PASS(TEXTURE, hipTexRefSetArray) \
	PASS(TEXTURE, hipTexRefSetBorderColor) \
	PASS(TEXTURE, hipTexRefSetFilterMode) \
	PASS(TEXTURE, hipTexRefSetFlags) \
	PASS(TEXTURE, hipTexRefSetFormat) \
	PASS(TEXTURE, hipTexRefSetMaxAnisotropy) \
	PASS(TEXTURE, hipTexRefSetMipmapFilterMode) \
	PASS(TEXTURE, hipTexRefSetMipmapLevelBias) \
	PASS(TEXTURE, hipTexRefSetMipmapLevelClamp) \
	PASS(TEXTURE, hipTexRefSetMipmappedArray) \
	PASS(GRAPH, hipThreadExchangeStreamCaptureMode) \
	PASS(TEXTURE, hipUnbindTexture) \
	PASS(GRAPH, hipUserObjectCreate) \
	PASS(GRAPH, hipUserObjectRelease) \
	PASS(GRAPH, hipUserObjectRetain) \
	HOOK(hipWaitExternalSemaphoresAsync)
/* clang-format on */

#endif
