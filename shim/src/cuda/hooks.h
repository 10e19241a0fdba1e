/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every function of the CUDA driver is in one of two lists: it has a wrapper,
 * or it passes for a reason. Rows of abi.h that are in none, or in both,
 * do not compile.
 *
 * ONE(symbol), or TWO(symbol, end) for a function and its twin whose NULL
 * stream is the thread's own.
 */
#ifndef ANAROS_CUDA_HOOKS_H
#define ANAROS_CUDA_HOOKS_H

#include "cuda/abi.h"

/* clang-format off */
#define ANAROS_CUDA_HOOKS(ONE, TWO) \
	TWO(cuGetProcAddress, _ptsz) \
	TWO(cuGetProcAddress_v2, _ptsz) \
	ONE(cuInit) \
	ONE(cuDeviceGet) \
	ONE(cuDeviceGetByPCIBusId) \
	ONE(cuDeviceGetCount) \
	ONE(cuCheckpointProcessCheckpoint) \
	ONE(cuCheckpointProcessLock) \
	ONE(cuCheckpointProcessRestore) \
	ONE(cuCheckpointProcessUnlock) \
	ONE(cuCtxAttach) \
	ONE(cuCtxCreate) \
	ONE(cuCtxCreate_v2) \
	ONE(cuCtxCreate_v3) \
	ONE(cuCtxCreate_v4) \
	ONE(cuCtxDestroy) \
	ONE(cuCtxDestroy_v2) \
	ONE(cuCtxDetach) \
	ONE(cuCtxPopCurrent) \
	ONE(cuCtxPopCurrent_v2) \
	ONE(cuCtxPushCurrent) \
	ONE(cuCtxPushCurrent_v2) \
	ONE(cuCtxSetCurrent) \
	ONE(cuDevicePrimaryCtxRelease) \
	ONE(cuDevicePrimaryCtxRelease_v2) \
	ONE(cuDevicePrimaryCtxReset) \
	ONE(cuDevicePrimaryCtxReset_v2) \
	ONE(cuDevicePrimaryCtxRetain) \
	ONE(cuGreenCtxCreate) \
	ONE(cuGreenCtxDestroy) \
	ONE(cuFuncGetName) \
	ONE(cuKernelGetFunction) \
	ONE(cuKernelGetName) \
	ONE(cuLibraryGetKernel) \
	ONE(cuLibraryLoadData) \
	ONE(cuLibraryLoadFromFile) \
	ONE(cuLinkAddData) \
	ONE(cuLinkAddData_v2) \
	ONE(cuLinkAddFile) \
	ONE(cuLinkAddFile_v2) \
	ONE(cuLinkComplete) \
	ONE(cuModuleGetFunction) \
	ONE(cuModuleLoad) \
	ONE(cuModuleLoadData) \
	ONE(cuModuleLoadDataEx) \
	ONE(cuModuleLoadFatBinary) \
	ONE(cuExternalMemoryGetMappedBuffer) \
	ONE(cuExternalMemoryGetMappedMipmappedArray) \
	ONE(cuIpcCloseMemHandle) \
	ONE(cuIpcOpenMemHandle) \
	ONE(cuIpcOpenMemHandle_v2) \
	ONE(cuMemAlloc) \
	TWO(cuMemAllocAsync, _ptsz) \
	TWO(cuMemAllocFromPoolAsync, _ptsz) \
	ONE(cuMemAllocHost) \
	ONE(cuMemAllocHost_v2) \
	ONE(cuMemAllocManaged) \
	ONE(cuMemAllocPitch) \
	ONE(cuMemAllocPitch_v2) \
	ONE(cuMemAlloc_v2) \
	ONE(cuMemFree) \
	TWO(cuMemFreeAsync, _ptsz) \
	ONE(cuMemFreeHost) \
	ONE(cuMemFree_v2) \
	ONE(cuMemHostAlloc) \
	ONE(cuMemHostRegister) \
	ONE(cuMemHostRegister_v2) \
	ONE(cuMemHostUnregister) \
	ONE(cuMemPoolCreate) \
	ONE(cuMemPoolDestroy) \
	ONE(cuMemPoolExportToShareableHandle) \
	ONE(cuMemPoolImportFromShareableHandle) \
	ONE(cuMemPoolImportPointer) \
	ONE(cuMemPoolTrimTo) \
	ONE(cuArray3DCreate) \
	ONE(cuArray3DCreate_v2) \
	ONE(cuArrayCreate) \
	ONE(cuArrayCreate_v2) \
	ONE(cuArrayDestroy) \
	ONE(cuMipmappedArrayCreate) \
	ONE(cuMipmappedArrayDestroy) \
	ONE(cuMemAddressFree) \
	ONE(cuMemAddressReserve) \
	ONE(cuMemCreate) \
	ONE(cuMemExportToShareableHandle) \
	ONE(cuMemImportFromShareableHandle) \
	ONE(cuMemMap) \
	TWO(cuMemMapArrayAsync, _ptsz) \
	ONE(cuMemRelease) \
	ONE(cuMemRetainAllocationHandle) \
	ONE(cuMemSetAccess) \
	ONE(cuMemUnmap) \
	ONE(cuMulticastBindAddr) \
	ONE(cuMulticastBindAddr_v2) \
	ONE(cuMulticastBindMem) \
	ONE(cuMulticastBindMem_v2) \
	ONE(cuMulticastCreate) \
	ONE(cuMulticastUnbind) \
	TWO(cuMemPrefetchAsync, _ptsz) \
	TWO(cuMemPrefetchAsync_v2, _ptsz) \
	TWO(cuMemcpy, _ptds) \
	ONE(cuMemcpy2D) \
	ONE(cuMemcpy2DAsync) \
	TWO(cuMemcpy2DAsync_v2, _ptsz) \
	ONE(cuMemcpy2DUnaligned) \
	TWO(cuMemcpy2DUnaligned_v2, _ptds) \
	TWO(cuMemcpy2D_v2, _ptds) \
	ONE(cuMemcpy3D) \
	ONE(cuMemcpy3DAsync) \
	TWO(cuMemcpy3DAsync_v2, _ptsz) \
	TWO(cuMemcpy3DPeer, _ptds) \
	TWO(cuMemcpy3DPeerAsync, _ptsz) \
	TWO(cuMemcpy3D_v2, _ptds) \
	TWO(cuMemcpyAsync, _ptsz) \
	ONE(cuMemcpyAtoA) \
	TWO(cuMemcpyAtoA_v2, _ptds) \
	ONE(cuMemcpyAtoD) \
	TWO(cuMemcpyAtoD_v2, _ptds) \
	ONE(cuMemcpyAtoH) \
	ONE(cuMemcpyAtoHAsync) \
	TWO(cuMemcpyAtoHAsync_v2, _ptsz) \
	TWO(cuMemcpyAtoH_v2, _ptds) \
	ONE(cuMemcpyDtoA) \
	TWO(cuMemcpyDtoA_v2, _ptds) \
	ONE(cuMemcpyDtoD) \
	ONE(cuMemcpyDtoDAsync) \
	TWO(cuMemcpyDtoDAsync_v2, _ptsz) \
	TWO(cuMemcpyDtoD_v2, _ptds) \
	ONE(cuMemcpyDtoH) \
	ONE(cuMemcpyDtoHAsync) \
	TWO(cuMemcpyDtoHAsync_v2, _ptsz) \
	TWO(cuMemcpyDtoH_v2, _ptds) \
	ONE(cuMemcpyHtoA) \
	ONE(cuMemcpyHtoAAsync) \
	TWO(cuMemcpyHtoAAsync_v2, _ptsz) \
	TWO(cuMemcpyHtoA_v2, _ptds) \
	ONE(cuMemcpyHtoD) \
	ONE(cuMemcpyHtoDAsync) \
	TWO(cuMemcpyHtoDAsync_v2, _ptsz) \
	TWO(cuMemcpyHtoD_v2, _ptds) \
	TWO(cuMemcpyPeer, _ptds) \
	TWO(cuMemcpyPeerAsync, _ptsz) \
	TWO(cuMemcpyWithAttributesAsync, _ptsz) \
	ONE(cuMemsetD16) \
	TWO(cuMemsetD16Async, _ptsz) \
	TWO(cuMemsetD16_v2, _ptds) \
	ONE(cuMemsetD2D16) \
	TWO(cuMemsetD2D16Async, _ptsz) \
	TWO(cuMemsetD2D16_v2, _ptds) \
	ONE(cuMemsetD2D32) \
	TWO(cuMemsetD2D32Async, _ptsz) \
	TWO(cuMemsetD2D32_v2, _ptds) \
	ONE(cuMemsetD2D8) \
	TWO(cuMemsetD2D8Async, _ptsz) \
	TWO(cuMemsetD2D8_v2, _ptds) \
	ONE(cuMemsetD32) \
	TWO(cuMemsetD32Async, _ptsz) \
	TWO(cuMemsetD32_v2, _ptds) \
	ONE(cuMemsetD8) \
	TWO(cuMemsetD8Async, _ptsz) \
	TWO(cuMemsetD8_v2, _ptds) \
	TWO(cuStreamAttachMemAsync, _ptsz) \
	TWO(cuFabricCpyBatchAsync, _ptsz) \
	ONE(cuLaunchCooperativeKernelMultiDevice) \
	TWO(cuMemBatchDecompressAsync, _ptsz) \
	TWO(cuMemDiscardAndPrefetchBatchAsync, _ptsz) \
	TWO(cuMemDiscardBatchAsync, _ptsz) \
	TWO(cuMemPrefetchBatchAsync, _ptsz) \
	TWO(cuMemcpy3DBatchAsync, _ptsz) \
	TWO(cuMemcpy3DBatchAsync_v2, _ptsz) \
	TWO(cuMemcpy3DWithAttributesAsync, _ptsz) \
	TWO(cuMemcpyBatchAsync, _ptsz) \
	TWO(cuMemcpyBatchAsync_v2, _ptsz) \
	TWO(cuSignalExternalSemaphoresAsync, _ptsz) \
	TWO(cuStreamBatchMemOp, _ptsz) \
	TWO(cuStreamBatchMemOp_v2, _ptsz) \
	TWO(cuWaitExternalSemaphoresAsync, _ptsz) \
	ONE(cuLaunch) \
	TWO(cuLaunchCooperativeKernel, _ptsz) \
	ONE(cuLaunchGrid) \
	ONE(cuLaunchGridAsync) \
	TWO(cuLaunchHostFunc, _ptsz) \
	TWO(cuLaunchHostFunc_v2, _ptsz) \
	TWO(cuLaunchKernel, _ptsz) \
	TWO(cuLaunchKernelEx, _ptsz) \
	TWO(cuStreamAddCallback, _ptsz) \
	ONE(cuGraphAddBatchMemOpNode) \
	ONE(cuGraphAddChildGraphNode) \
	ONE(cuGraphAddExternalSemaphoresSignalNode) \
	ONE(cuGraphAddExternalSemaphoresWaitNode) \
	ONE(cuGraphAddHostNode) \
	ONE(cuGraphAddKernelNode) \
	ONE(cuGraphAddKernelNode_v2) \
	ONE(cuGraphAddMemcpyNode) \
	ONE(cuGraphAddMemsetNode) \
	ONE(cuGraphAddNode) \
	ONE(cuGraphAddNode_v2) \
	ONE(cuGraphAddNode_v3) \
	ONE(cuGraphClone) \
	ONE(cuGraphCreate) \
	ONE(cuGraphDestroy) \
	ONE(cuGraphDestroyNode) \
	ONE(cuGraphNodeSetEnabled) \
	ONE(cuGraphExecDestroy) \
	ONE(cuGraphExecUpdate) \
	ONE(cuGraphExecUpdate_v2) \
	ONE(cuGraphInstantiate) \
	ONE(cuGraphInstantiateWithFlags) \
	TWO(cuGraphInstantiateWithParams, _ptsz) \
	ONE(cuGraphInstantiate_v2) \
	TWO(cuGraphLaunch, _ptsz) \
	ONE(cuCtxRecordEvent) \
	ONE(cuCtxSynchronize) \
	ONE(cuCtxSynchronize_v2) \
	ONE(cuCtxWaitEvent) \
	ONE(cuEventQuery) \
	TWO(cuEventRecord, _ptsz) \
	TWO(cuEventRecordWithFlags, _ptsz) \
	ONE(cuEventSynchronize) \
	ONE(cuGreenCtxRecordEvent) \
	ONE(cuGreenCtxStreamCreate) \
	ONE(cuGreenCtxWaitEvent) \
	ONE(cuStreamCreate) \
	ONE(cuStreamCreateWithPriority) \
	ONE(cuStreamDestroy) \
	ONE(cuStreamDestroy_v2) \
	TWO(cuStreamQuery, _ptsz) \
	TWO(cuStreamSynchronize, _ptsz) \
	TWO(cuStreamWaitEvent, _ptsz) \
	TWO(cuStreamWaitValue32, _ptsz) \
	TWO(cuStreamWaitValue32_v2, _ptsz) \
	TWO(cuStreamWaitValue64, _ptsz) \
	TWO(cuStreamWaitValue64_v2, _ptsz) \
	TWO(cuStreamWriteValue32, _ptsz) \
	TWO(cuStreamWriteValue32_v2, _ptsz) \
	TWO(cuStreamWriteValue64, _ptsz) \
	TWO(cuStreamWriteValue64_v2, _ptsz) \
	TWO(cuStreamBeginCapture, _ptsz) \
	TWO(cuStreamBeginCaptureToCig, _ptsz) \
	TWO(cuStreamBeginCaptureToGraph, _ptsz) \
	TWO(cuStreamBeginCapture_v2, _ptsz) \
	TWO(cuStreamBeginRecaptureToGraph, _ptsz) \
	TWO(cuStreamEndCapture, _ptsz) \
	TWO(cuStreamEndCaptureToCig, _ptsz)
/* clang-format on */

#endif
