/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the record of each function says, in the words of the header: object,
 * address and size are names of parameters ("*" in front: what lies there),
 * numbers, or products of such; "stream" is the NULL stream of the function
 * or of its twin. What the pointers lead to is in meanings.c.
 */
#ifndef MEANINGS_H
#define MEANINGS_H

#define A ANAROS_FLAG_ASYNC
#define P ANAROS_FLAG_PINNED

#define GRID "gridDimX gridDimY gridDimZ blockDimX blockDimY blockDimZ"

/* clang-format off */
static const struct meaning {
	const char *symbols;
	uint16_t kind; /* 0: no record */
	const char *object, *address, *bytes;
	uint16_t flags;
} meanings[] = {
#define SAYS(kind, symbols, ...) {symbols, ANAROS_KIND_GPU_##kind, __VA_ARGS__},
	SAYS(ALLOC, "cuMemAlloc cuMemAlloc_v2", "*dptr", "0", "bytesize", 0)
	SAYS(ALLOC, "cuMemAllocPitch cuMemAllocPitch_v2", "*dptr", "0", "*pPitch Height", 0)
	SAYS(ALLOC, "cuMemAllocManaged", "*dptr", "*dptr", "bytesize", 1)
	SAYS(ALLOC, "cuMemAllocHost cuMemAllocHost_v2 cuMemHostAlloc", "*pp", "*pp", "bytesize", P | 2)
	SAYS(ALLOC, "cuMemHostRegister cuMemHostRegister_v2", "p", "p", "bytesize", P | 3)
	SAYS(ALLOC, "cuMemAllocAsync", "*dptr", "stream", "bytesize", A | 4)
	SAYS(ALLOC, "cuMemAllocFromPoolAsync", "*dptr", "pool", "bytesize", A | 4)
	SAYS(ALLOC, "cuMemCreate", "*handle", "0", "size", 5)
	SAYS(ALLOC, "cuMemRetainAllocationHandle", "*handle", "0", "0", 5)
	SAYS(ALLOC, "cuMulticastCreate", "*mcHandle", "0", "0", 5)
	SAYS(ALLOC, "cuArrayCreate cuArrayCreate_v2", "*pHandle", "0", "1600", 6)
	SAYS(ALLOC, "cuArray3DCreate cuArray3DCreate_v2", "*pHandle", "0", "2048", 6)
	SAYS(ALLOC, "cuMipmappedArrayCreate", "*pHandle", "0", "2736", 6)
	SAYS(ALLOC, "cuMemPoolImportPointer", "*ptr_out", "0", "0", 7)
	SAYS(ALLOC, "cuMemImportFromShareableHandle", "*handle", "0", "0", 7)
	SAYS(ALLOC, "cuExternalMemoryGetMappedBuffer", "*devPtr", "0", "1234", 7)
	SAYS(ALLOC, "cuExternalMemoryGetMappedMipmappedArray", "*mipmap", "0", "0", 7)
	SAYS(FREE, "cuMemFree cuMemFree_v2", "dptr", "0", "0", 0)
	SAYS(FREE, "cuMemFreeHost", "p", "0", "0", P | 2)
	SAYS(FREE, "cuMemHostUnregister", "p", "0", "0", P | 3)
	SAYS(FREE, "cuMemFreeAsync", "dptr", "stream", "0", A | 4)
	SAYS(FREE, "cuMemRelease", "handle", "0", "0", 5)
	SAYS(FREE, "cuArrayDestroy", "hArray", "0", "0", 6)
	SAYS(FREE, "cuMipmappedArrayDestroy", "hMipmappedArray", "0", "0", 6)
	SAYS(FREE, "cuIpcCloseMemHandle", "dptr", "0", "0", 7)
	SAYS(POOL, "cuMemPoolCreate", "*pool", "1", "0", 0)
	SAYS(POOL, "cuMemPoolDestroy", "pool", "0", "0", 0)
	SAYS(POOL, "cuMemPoolImportFromShareableHandle", "*pool_out", "2", "0", 0)
	SAYS(POOL, "cuMemPoolExportToShareableHandle", "pool", "3", "0", 0)
	SAYS(POOL, "cuMemPoolTrimTo", "pool", "4", "minBytesToKeep", 0)
	SAYS(RESERVE, "cuMemAddressReserve", "*ptr", "1", "size", 0)
	SAYS(RESERVE, "cuMemAddressFree", "ptr", "0", "size", 0)
	SAYS(VM_MAP, "cuMemMap", "ptr", "handle", "size", 0)
	SAYS(VM_MAP, "cuMemSetAccess", "ptr", "0", "size", 0)
	SAYS(VM_MAP, "cuMemExportToShareableHandle", "0", "handle", "0", 0)
	SAYS(VM_MAP, "cuMulticastBindMem cuMulticastBindMem_v2", "mcHandle", "memHandle", "size", 0)
	SAYS(VM_MAP, "cuMulticastBindAddr cuMulticastBindAddr_v2", "mcHandle", "memptr", "size", 0)
	SAYS(VM_MAP, "cuMemMapArrayAsync", "160", "176", "0", A)
	SAYS(VM_UNMAP, "cuMemUnmap", "ptr", "0", "size", 0)
	SAYS(VM_UNMAP, "cuMulticastUnbind", "mcHandle", "0", "size", 0)

	SAYS(COPY_H2D, "cuMemcpyHtoD cuMemcpyHtoD_v2 cuMemcpyHtoA cuMemcpyHtoA_v2", "stream", "srcHost", "ByteCount", 0)
	SAYS(COPY_H2D, "cuMemcpyHtoDAsync cuMemcpyHtoDAsync_v2 cuMemcpyHtoAAsync cuMemcpyHtoAAsync_v2", "stream", "srcHost", "ByteCount", A)
	SAYS(COPY_D2H, "cuMemcpyDtoH cuMemcpyDtoH_v2 cuMemcpyAtoH cuMemcpyAtoH_v2", "stream", "dstHost", "ByteCount", 0)
	SAYS(COPY_D2H, "cuMemcpyDtoHAsync cuMemcpyDtoHAsync_v2 cuMemcpyAtoHAsync cuMemcpyAtoHAsync_v2", "stream", "dstHost", "ByteCount", A)
	SAYS(COPY_D2D, "cuMemcpyDtoD cuMemcpyDtoD_v2 cuMemcpyAtoD cuMemcpyAtoD_v2", "stream", "dstDevice", "ByteCount", 0)
	SAYS(COPY_D2D, "cuMemcpyDtoDAsync cuMemcpyDtoDAsync_v2", "stream", "dstDevice", "ByteCount", A)
	SAYS(COPY_D2D, "cuMemcpyDtoA cuMemcpyDtoA_v2 cuMemcpyAtoA cuMemcpyAtoA_v2", "stream", "dstArray", "ByteCount", 0)
	SAYS(COPY_D2D, "cuMemcpyPeer", "stream", "dstDevice", "ByteCount", 0)
	SAYS(COPY_D2D, "cuMemcpyPeerAsync", "stream", "dstDevice", "ByteCount", A)
	SAYS(COPY, "cuMemcpy", "stream", "dst", "ByteCount", 0)
	SAYS(COPY, "cuMemcpyAsync", "stream", "dst", "ByteCount", A)
	SAYS(COPY, "cuMemcpyWithAttributesAsync", "stream", "dst", "size", A)
	SAYS(COPY_H2D, "cuMemcpy2D cuMemcpy2D_v2 cuMemcpy2DUnaligned cuMemcpy2DUnaligned_v2", "stream", "4611", "77", 0)
	SAYS(COPY_H2D, "cuMemcpy2DAsync cuMemcpy2DAsync_v2", "stream", "4611", "77", A)
	SAYS(COPY_H2D, "cuMemcpy3D cuMemcpy3D_v2 cuMemcpy3DPeer", "stream", "6147", "385", 0)
	SAYS(COPY_H2D, "cuMemcpy3DAsync cuMemcpy3DAsync_v2 cuMemcpy3DPeerAsync", "stream", "6147", "385", A)
	SAYS(COPY, "cuMemcpyBatchAsync cuMemcpyBatchAsync_v2", "stream", "8192", "20", A)
	SAYS(COPY, "cuMemcpy3DBatchAsync cuMemcpy3DBatchAsync_v2", "stream", "512", "120", A)
	SAYS(COPY, "cuMemcpy3DWithAttributesAsync", "stream", "512", "120", A)
	SAYS(COPY, "cuFabricCpyBatchAsync", "stream", "7", "300", A)
	SAYS(COPY, "cuMemBatchDecompressAsync", "stream", "512", "40", A)
	SAYS(MEMSET, "cuMemsetD8 cuMemsetD8_v2", "stream", "dstDevice", "N", 0)
	SAYS(MEMSET, "cuMemsetD16 cuMemsetD16_v2", "stream", "dstDevice", "N 2", 0)
	SAYS(MEMSET, "cuMemsetD32 cuMemsetD32_v2", "stream", "dstDevice", "N 4", 0)
	SAYS(MEMSET, "cuMemsetD2D8 cuMemsetD2D8_v2", "stream", "dstDevice", "Width Height", 0)
	SAYS(MEMSET, "cuMemsetD2D16 cuMemsetD2D16_v2", "stream", "dstDevice", "Width Height 2", 0)
	SAYS(MEMSET, "cuMemsetD2D32 cuMemsetD2D32_v2", "stream", "dstDevice", "Width Height 4", 0)
	SAYS(MEMSET, "cuMemsetD8Async", "stream", "dstDevice", "N", A)
	SAYS(MEMSET, "cuMemsetD16Async", "stream", "dstDevice", "N 2", A)
	SAYS(MEMSET, "cuMemsetD32Async", "stream", "dstDevice", "N 4", A)
	SAYS(MEMSET, "cuMemsetD2D8Async", "stream", "dstDevice", "Width Height", A)
	SAYS(MEMSET, "cuMemsetD2D16Async", "stream", "dstDevice", "Width Height 2", A)
	SAYS(MEMSET, "cuMemsetD2D32Async", "stream", "dstDevice", "Width Height 4", A)
	SAYS(PREFETCH, "cuMemPrefetchAsync cuMemPrefetchAsync_v2", "stream", "devPtr", "count", A)
	SAYS(PREFETCH, "cuStreamAttachMemAsync", "stream", "dptr", "length", A)
	SAYS(PREFETCH, "cuMemPrefetchBatchAsync", "stream", "8192", "20", A)
	SAYS(DISCARD, "cuMemDiscardBatchAsync cuMemDiscardAndPrefetchBatchAsync", "stream", "8192", "20", A)

	SAYS(LAUNCH, "cuLaunchKernel cuLaunchCooperativeKernel", "stream", "f", GRID, A)
	SAYS(LAUNCH, "cuLaunchKernelEx", "stream", "f", "24", A)
	SAYS(LAUNCH, "cuLaunch cuLaunchGrid cuLaunchGridAsync", "stream", "f", "0", A)
	SAYS(LAUNCH, "cuLaunchCooperativeKernelMultiDevice", "20481", "2", "8", A)
	SAYS(HOST_CALL, "cuLaunchHostFunc cuLaunchHostFunc_v2", "stream", "fn", "0", A)
	SAYS(HOST_CALL, "cuStreamAddCallback", "stream", "callback", "0", A)
	SAYS(GRAPH, "cuGraphLaunch", "stream", "hGraph", "0", A)
	SAYS(INSTANTIATE, "cuGraphInstantiate cuGraphInstantiate_v2 cuGraphInstantiateWithFlags cuGraphInstantiateWithParams", "*phGraphExec", "hGraph", "0", 0)
	SAYS(INSTANTIATE, "cuGraphExecUpdate cuGraphExecUpdate_v2", "hGraphExec", "hGraph", "0", 0)
	SAYS(INSTANTIATE, "cuGraphExecDestroy", "hGraphExec", "0", "0", 0)
	SAYS(BUILD, "cuModuleLoad cuModuleLoadData cuModuleLoadDataEx cuModuleLoadFatBinary", "*module", "0", "0", 0)
	SAYS(BUILD, "cuLibraryLoadData cuLibraryLoadFromFile", "*library", "0", "0", 0)
	SAYS(BUILD, "cuLinkAddData cuLinkAddData_v2 cuLinkAddFile cuLinkAddFile_v2 cuLinkComplete", "state", "0", "0", 0)

	SAYS(STREAM, "cuStreamCreate cuStreamCreateWithPriority cuGreenCtxStreamCreate", "*phStream", "0", "1", 0)
	SAYS(STREAM, "cuStreamDestroy cuStreamDestroy_v2", "stream", "0", "0", 0)
	SAYS(SYNC, "cuStreamSynchronize", "stream", "0", "0", 0)
	SAYS(SYNC, "cuEventSynchronize", "hEvent", "0", "0", 0)
	SAYS(SYNC, "cuCtxSynchronize cuCtxSynchronize_v2", "0", "0", "0", 0)
	SAYS(QUERY, "cuStreamQuery", "stream", "0", "0", 0)
	SAYS(QUERY, "cuEventQuery", "hEvent", "0", "0", 0)
	SAYS(EVENT, "cuEventRecord cuEventRecordWithFlags", "stream", "hEvent", "0", A)
	SAYS(EVENT, "cuStreamWaitEvent", "stream", "hEvent", "1", A)
	SAYS(EVENT, "cuCtxRecordEvent cuGreenCtxRecordEvent", "hCtx", "hEvent", "0", A)
	SAYS(EVENT, "cuCtxWaitEvent cuGreenCtxWaitEvent", "hCtx", "hEvent", "1", A)
	SAYS(SIGNAL, "cuStreamWaitValue32 cuStreamWaitValue32_v2 cuStreamWaitValue64 cuStreamWaitValue64_v2", "stream", "addr", "1", A)
	SAYS(SIGNAL, "cuStreamWriteValue32 cuStreamWriteValue32_v2 cuStreamWriteValue64 cuStreamWriteValue64_v2", "stream", "addr", "0", A)
	SAYS(SIGNAL, "cuStreamBatchMemOp cuStreamBatchMemOp_v2", "stream", "16384", "0", A)
	SAYS(SIGNAL, "cuSignalExternalSemaphoresAsync", "stream", "12289", "0", A)
	SAYS(SIGNAL, "cuWaitExternalSemaphoresAsync", "stream", "12289", "1", A)

	SAYS(CONTEXT, "cuCtxCreate cuCtxCreate_v2 cuCtxCreate_v3 cuCtxCreate_v4 cuDevicePrimaryCtxRetain", "*pctx", "dev+1", "1", 0)
	SAYS(CONTEXT, "cuGreenCtxCreate", "*phCtx", "dev+1", "1", 0)
	SAYS(CONTEXT, "cuCtxAttach", "*pctx", "0", "1", 0)
	SAYS(CONTEXT, "cuCtxDetach cuCtxDestroy cuCtxDestroy_v2", "ctx", "0", "0", 0)
	SAYS(CONTEXT, "cuGreenCtxDestroy", "hCtx", "0", "0", 0)
	SAYS(CONTEXT, "cuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxReset cuDevicePrimaryCtxReset_v2", "0", "dev+1", "0", 0)
	SAYS(CONTEXT, "cuCtxPushCurrent cuCtxPushCurrent_v2 cuCtxSetCurrent", "ctx", "0", "2", 0)
	SAYS(CONTEXT, "cuCtxPopCurrent cuCtxPopCurrent_v2", "*pctx", "0", "3", 0)
	SAYS(CONTEXT, "cuCheckpointProcessLock", "pid", "0", "4", 0)
	SAYS(CONTEXT, "cuCheckpointProcessCheckpoint", "pid", "0", "5", 0)
	SAYS(CONTEXT, "cuCheckpointProcessRestore", "pid", "0", "6", 0)
	SAYS(CONTEXT, "cuCheckpointProcessUnlock", "pid", "0", "7", 0)
#undef SAYS
	/* What they tell is in the records of launches and of graphs: names.c, graph_nodes.c. */
	{"cuInit cuFuncGetName cuKernelGetName cuKernelGetFunction cuLibraryGetKernel "
	 "cuModuleGetFunction cuGraphCreate cuGraphClone cuGraphDestroy cuGraphDestroyNode "
	 "cuGraphNodeSetEnabled cuGraphAddKernelNode cuGraphAddKernelNode_v2 cuGraphAddMemcpyNode "
	 "cuGraphAddMemsetNode cuGraphAddHostNode cuGraphAddChildGraphNode "
	 "cuGraphAddBatchMemOpNode cuGraphAddExternalSemaphoresSignalNode "
	 "cuGraphAddExternalSemaphoresWaitNode cuGraphAddNode cuGraphAddNode_v2 cuGraphAddNode_v3",
	 0, "0", "0", "0", 0},
#define SAYS(kind, symbols, ...) {symbols, ANAROS_KIND_GPU_##kind, __VA_ARGS__},
	/* Last: what is on the NULL streams from here on is in capture. */
	SAYS(CAPTURE, "cuStreamBeginCapture cuStreamBeginCapture_v2 cuStreamBeginCaptureToGraph cuStreamBeginRecaptureToGraph cuStreamBeginCaptureToCig", "stream", "0", "0", 0)
	SAYS(CAPTURE, "cuStreamEndCapture", "stream", "*phGraph", "0", 0)
	SAYS(CAPTURE, "cuStreamEndCaptureToCig", "stream", "0", "0", 0)
#undef SAYS
};
/* clang-format on */

/* They answer questions, or take a structure by value: each is in a program of its own. */
static const char *const elsewhere[] = {
    "cuGetProcAddress",         "cuGetProcAddress_ptsz", "cuGetProcAddress_v2",
    "cuGetProcAddress_v2_ptsz", "cuDeviceGet",           "cuDeviceGetByPCIBusId",
    "cuDeviceGetCount",         "cuIpcOpenMemHandle",    "cuIpcOpenMemHandle_v2",
};

#endif
