/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the CUDA runtime that have a wrapper: those that know what the
 * driver is not told, and those that give out functions of the driver.
 */
#ifndef ANAROS_CUDA_RUNTIME_HOOKS_H
#define ANAROS_CUDA_RUNTIME_HOOKS_H

/* clang-format off */
#define ANAROS_CUDA_RUNTIME(ROW) \
	ROW(cudaMemcpy) \
	ROW(cudaMemcpy_ptds) \
	ROW(cudaMemcpyAsync) \
	ROW(cudaMemcpyAsync_ptsz) \
	ROW(cudaMemcpy2D) \
	ROW(cudaMemcpy2D_ptds) \
	ROW(cudaMemcpy2DAsync) \
	ROW(cudaMemcpy2DAsync_ptsz) \
	ROW(cudaLaunchKernel) \
	ROW(cudaLaunchKernel_ptsz) \
	ROW(__cudaLaunchKernel) \
	ROW(__cudaLaunchKernel_ptsz) \
	ROW(cudaLaunchKernelExC) \
	ROW(cudaLaunchKernelExC_ptsz) \
	ROW(cudaLaunchCooperativeKernel) \
	ROW(cudaLaunchCooperativeKernel_ptsz) \
	ROW(__cudaRegisterFunction) \
	ROW(__cudaGetKernel) \
	ROW(cudaGetKernel) \
	ROW(cudaGetFuncBySymbol) \
	ROW(cudaGetDriverEntryPoint) \
	ROW(cudaGetDriverEntryPoint_ptsz) \
	ROW(cudaGetDriverEntryPointByVersion) \
	ROW(cudaGetDriverEntryPointByVersion_ptsz)
/* clang-format on */

#endif
