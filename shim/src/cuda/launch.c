// SPDX-License-Identifier: Apache-2.0
/* Kernels and host functions that are enqueued. */
#include "cuda/cuda.h"

/* The driver's CUlaunchConfig. */
struct cuda_launch_config {
	unsigned int grid[3];
	unsigned int block[3];
	unsigned int shared_bytes;
	void *stream;
	void *attributes;
	unsigned int attribute_count;
};

#define LAUNCH(stream, threads)                                                                    \
	anaros_cuda_launched(f);                                                                   \
	CUDA_RECORD_HERE(.kind = ANAROS_KIND_GPU_LAUNCH,                                           \
			 .flags = CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC),                           \
			 .object = CUDA_STREAM(stream), .address = (uintptr_t)f,                   \
			 .size_bytes = (threads))

#define GRID_THREADS ((uint64_t)gridDimX * gridDimY * gridDimZ * blockDimX * blockDimY * blockDimZ)

CUDA_PAIR(cuLaunchKernel, _ptsz, LAUNCH(hStream, GRID_THREADS))
CUDA_PAIR(cuLaunchCooperativeKernel, _ptsz, LAUNCH(hStream, GRID_THREADS))

/* A NULL config is the driver's to refuse. */
#define CONFIG        ((const struct cuda_launch_config *)config)
#define CONFIG_STREAM (config != NULL ? CONFIG->stream : NULL)

CUDA_PAIR(cuLaunchKernelEx, _ptsz,
	  LAUNCH(CONFIG_STREAM,
		 config != NULL ? anaros_cuda_threads(CONFIG->grid, CONFIG->block) : 0))

/* Of the first ABI: the threads of a block were set by calls before. */
CUDA_WRAP(cuLaunch, LAUNCH((void *)NULL, 0))
CUDA_WRAP(cuLaunchGrid, LAUNCH((void *)NULL, 0))
CUDA_WRAP(cuLaunchGridAsync, LAUNCH(hStream, 0))

#define HOST_CALL(symbol, function)                                                                \
	CUDA_PAIR_AROUND(symbol, _ptsz, const void *told = function;                               \
			 function = CUDA_CALLED(hStream, function),                                \
			 CUDA_RECORD(.kind = ANAROS_KIND_GPU_HOST_CALL,                            \
				     .flags = CUDA_FLAGS(hStream, ANAROS_FLAG_ASYNC),              \
				     .object = CUDA_STREAM(hStream), .address = (uintptr_t)told))

HOST_CALL(cuLaunchHostFunc, fn)
HOST_CALL(cuLaunchHostFunc_v2, fn)
HOST_CALL(cuStreamAddCallback, callback)
