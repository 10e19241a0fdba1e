/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of wrapped CUDA driver functions.
 *
 * ROW(base, symbol, version, per_thread): `base` is what cuGetProcAddress is
 * asked for, `symbol` what the driver exports, `version` the CUDA version at
 * which this ABI starts, and per_thread whether the NULL stream is the
 * thread's own. Sorted by base. One base name has several ABIs: a wrapper is
 * chosen by name, version and flags together.
 */
#ifndef ANAROS_CUDA_HOOKS_H
#define ANAROS_CUDA_HOOKS_H

/* No base name below has a newer ABI up to here. */
#define ANAROS_CUDA_KNOWN 13050

/* clang-format off */
#define ANAROS_CUDA(ROW) \
	ROW(cuCtxSynchronize, cuCtxSynchronize, 2000, 0) \
	ROW(cuCtxSynchronize, cuCtxSynchronize_v2, 13000, 0) \
	ROW(cuDeviceGet, cuDeviceGet, 2000, 0) \
	ROW(cuDeviceGetByPCIBusId, cuDeviceGetByPCIBusId, 4010, 0) \
	ROW(cuDeviceGetCount, cuDeviceGetCount, 2000, 0) \
	ROW(cuEventRecord, cuEventRecord, 2000, 0) \
	ROW(cuEventRecord, cuEventRecord_ptsz, 7000, 1) \
	ROW(cuEventRecordWithFlags, cuEventRecordWithFlags, 11010, 0) \
	ROW(cuEventRecordWithFlags, cuEventRecordWithFlags_ptsz, 11010, 1) \
	ROW(cuEventSynchronize, cuEventSynchronize, 2000, 0) \
	ROW(cuGetProcAddress, cuGetProcAddress, 11030, 0) \
	ROW(cuGetProcAddress, cuGetProcAddress_ptsz, 11030, 0) \
	ROW(cuGetProcAddress, cuGetProcAddress_v2, 12000, 0) \
	ROW(cuGetProcAddress, cuGetProcAddress_v2_ptsz, 12000, 0) \
	ROW(cuGraphLaunch, cuGraphLaunch, 10000, 0) \
	ROW(cuGraphLaunch, cuGraphLaunch_ptsz, 10000, 1) \
	ROW(cuKernelGetFunction, cuKernelGetFunction, 12000, 0) \
	ROW(cuLaunchCooperativeKernel, cuLaunchCooperativeKernel, 9000, 0) \
	ROW(cuLaunchCooperativeKernel, cuLaunchCooperativeKernel_ptsz, 9000, 1) \
	ROW(cuLaunchKernel, cuLaunchKernel, 4000, 0) \
	ROW(cuLaunchKernel, cuLaunchKernel_ptsz, 7000, 1) \
	ROW(cuLaunchKernelEx, cuLaunchKernelEx, 11060, 0) \
	ROW(cuLaunchKernelEx, cuLaunchKernelEx_ptsz, 11060, 1) \
	ROW(cuLibraryGetKernel, cuLibraryGetKernel, 12000, 0) \
	ROW(cuLibraryLoadData, cuLibraryLoadData, 12000, 0) \
	ROW(cuLibraryLoadFromFile, cuLibraryLoadFromFile, 12000, 0) \
	ROW(cuMemAlloc, cuMemAlloc_v2, 3020, 0) \
	ROW(cuMemAllocAsync, cuMemAllocAsync, 11020, 0) \
	ROW(cuMemAllocAsync, cuMemAllocAsync_ptsz, 11020, 1) \
	ROW(cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync, 11020, 0) \
	ROW(cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync_ptsz, 11020, 1) \
	ROW(cuMemAllocHost, cuMemAllocHost_v2, 3020, 0) \
	ROW(cuMemAllocManaged, cuMemAllocManaged, 6000, 0) \
	ROW(cuMemAllocPitch, cuMemAllocPitch_v2, 3020, 0) \
	ROW(cuMemFree, cuMemFree_v2, 3020, 0) \
	ROW(cuMemFreeAsync, cuMemFreeAsync, 11020, 0) \
	ROW(cuMemFreeAsync, cuMemFreeAsync_ptsz, 11020, 1) \
	ROW(cuMemFreeHost, cuMemFreeHost, 2000, 0) \
	ROW(cuMemHostAlloc, cuMemHostAlloc, 2020, 0) \
	ROW(cuMemHostRegister, cuMemHostRegister_v2, 6050, 0) \
	ROW(cuMemHostUnregister, cuMemHostUnregister, 4000, 0) \
	ROW(cuMemcpy, cuMemcpy, 4000, 0) \
	ROW(cuMemcpy, cuMemcpy_ptds, 7000, 1) \
	ROW(cuMemcpy2D, cuMemcpy2D_v2, 3020, 0) \
	ROW(cuMemcpy2D, cuMemcpy2D_v2_ptds, 7000, 1) \
	ROW(cuMemcpy2DAsync, cuMemcpy2DAsync_v2, 3020, 0) \
	ROW(cuMemcpy2DAsync, cuMemcpy2DAsync_v2_ptsz, 7000, 1) \
	ROW(cuMemcpy2DUnaligned, cuMemcpy2DUnaligned_v2, 3020, 0) \
	ROW(cuMemcpy2DUnaligned, cuMemcpy2DUnaligned_v2_ptds, 7000, 1) \
	ROW(cuMemcpy3D, cuMemcpy3D_v2, 3020, 0) \
	ROW(cuMemcpy3D, cuMemcpy3D_v2_ptds, 7000, 1) \
	ROW(cuMemcpy3DAsync, cuMemcpy3DAsync_v2, 3020, 0) \
	ROW(cuMemcpy3DAsync, cuMemcpy3DAsync_v2_ptsz, 7000, 1) \
	ROW(cuMemcpyAsync, cuMemcpyAsync, 4000, 0) \
	ROW(cuMemcpyAsync, cuMemcpyAsync_ptsz, 7000, 1) \
	ROW(cuMemcpyBatchAsync, cuMemcpyBatchAsync, 12080, 0) \
	ROW(cuMemcpyBatchAsync, cuMemcpyBatchAsync_ptsz, 12080, 1) \
	ROW(cuMemcpyBatchAsync, cuMemcpyBatchAsync_v2, 13000, 0) \
	ROW(cuMemcpyBatchAsync, cuMemcpyBatchAsync_v2_ptsz, 13000, 1) \
	ROW(cuMemcpyDtoD, cuMemcpyDtoD_v2, 3020, 0) \
	ROW(cuMemcpyDtoD, cuMemcpyDtoD_v2_ptds, 7000, 1) \
	ROW(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, 3020, 0) \
	ROW(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2_ptsz, 7000, 1) \
	ROW(cuMemcpyDtoH, cuMemcpyDtoH_v2, 3020, 0) \
	ROW(cuMemcpyDtoH, cuMemcpyDtoH_v2_ptds, 7000, 1) \
	ROW(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, 3020, 0) \
	ROW(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2_ptsz, 7000, 1) \
	ROW(cuMemcpyHtoD, cuMemcpyHtoD_v2, 3020, 0) \
	ROW(cuMemcpyHtoD, cuMemcpyHtoD_v2_ptds, 7000, 1) \
	ROW(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, 3020, 0) \
	ROW(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2_ptsz, 7000, 1) \
	ROW(cuMemcpyPeer, cuMemcpyPeer, 4000, 0) \
	ROW(cuMemcpyPeer, cuMemcpyPeer_ptds, 7000, 1) \
	ROW(cuMemcpyPeerAsync, cuMemcpyPeerAsync, 4000, 0) \
	ROW(cuMemcpyPeerAsync, cuMemcpyPeerAsync_ptsz, 7000, 1) \
	ROW(cuMemsetD16, cuMemsetD16_v2, 3020, 0) \
	ROW(cuMemsetD16, cuMemsetD16_v2_ptds, 7000, 1) \
	ROW(cuMemsetD16Async, cuMemsetD16Async, 3020, 0) \
	ROW(cuMemsetD16Async, cuMemsetD16Async_ptsz, 7000, 1) \
	ROW(cuMemsetD2D16, cuMemsetD2D16_v2, 3020, 0) \
	ROW(cuMemsetD2D16, cuMemsetD2D16_v2_ptds, 7000, 1) \
	ROW(cuMemsetD2D16Async, cuMemsetD2D16Async, 3020, 0) \
	ROW(cuMemsetD2D16Async, cuMemsetD2D16Async_ptsz, 7000, 1) \
	ROW(cuMemsetD2D32, cuMemsetD2D32_v2, 3020, 0) \
	ROW(cuMemsetD2D32, cuMemsetD2D32_v2_ptds, 7000, 1) \
	ROW(cuMemsetD2D32Async, cuMemsetD2D32Async, 3020, 0) \
	ROW(cuMemsetD2D32Async, cuMemsetD2D32Async_ptsz, 7000, 1) \
	ROW(cuMemsetD2D8, cuMemsetD2D8_v2, 3020, 0) \
	ROW(cuMemsetD2D8, cuMemsetD2D8_v2_ptds, 7000, 1) \
	ROW(cuMemsetD2D8Async, cuMemsetD2D8Async, 3020, 0) \
	ROW(cuMemsetD2D8Async, cuMemsetD2D8Async_ptsz, 7000, 1) \
	ROW(cuMemsetD32, cuMemsetD32_v2, 3020, 0) \
	ROW(cuMemsetD32, cuMemsetD32_v2_ptds, 7000, 1) \
	ROW(cuMemsetD32Async, cuMemsetD32Async, 3020, 0) \
	ROW(cuMemsetD32Async, cuMemsetD32Async_ptsz, 7000, 1) \
	ROW(cuMemsetD8, cuMemsetD8_v2, 3020, 0) \
	ROW(cuMemsetD8, cuMemsetD8_v2_ptds, 7000, 1) \
	ROW(cuMemsetD8Async, cuMemsetD8Async, 3020, 0) \
	ROW(cuMemsetD8Async, cuMemsetD8Async_ptsz, 7000, 1) \
	ROW(cuModuleGetFunction, cuModuleGetFunction, 2000, 0) \
	ROW(cuModuleLoad, cuModuleLoad, 2000, 0) \
	ROW(cuModuleLoadData, cuModuleLoadData, 2000, 0) \
	ROW(cuModuleLoadDataEx, cuModuleLoadDataEx, 2010, 0) \
	ROW(cuModuleLoadFatBinary, cuModuleLoadFatBinary, 2000, 0) \
	ROW(cuStreamBeginCapture, cuStreamBeginCapture, 10000, 0) \
	ROW(cuStreamBeginCapture, cuStreamBeginCapture_ptsz, 10000, 1) \
	ROW(cuStreamBeginCapture, cuStreamBeginCapture_v2, 10010, 0) \
	ROW(cuStreamBeginCapture, cuStreamBeginCapture_v2_ptsz, 10010, 1) \
	ROW(cuStreamBeginCaptureToGraph, cuStreamBeginCaptureToGraph, 12030, 0) \
	ROW(cuStreamBeginCaptureToGraph, cuStreamBeginCaptureToGraph_ptsz, 12030, 1) \
	ROW(cuStreamCreate, cuStreamCreate, 2000, 0) \
	ROW(cuStreamCreateWithPriority, cuStreamCreateWithPriority, 5050, 0) \
	ROW(cuStreamDestroy, cuStreamDestroy_v2, 4000, 0) \
	ROW(cuStreamEndCapture, cuStreamEndCapture, 10000, 0) \
	ROW(cuStreamEndCapture, cuStreamEndCapture_ptsz, 10000, 1) \
	ROW(cuStreamSynchronize, cuStreamSynchronize, 2000, 0) \
	ROW(cuStreamSynchronize, cuStreamSynchronize_ptsz, 7000, 1) \
	ROW(cuStreamWaitEvent, cuStreamWaitEvent, 3020, 0) \
	ROW(cuStreamWaitEvent, cuStreamWaitEvent_ptsz, 7000, 1)
/* clang-format on */

#endif
