// SPDX-License-Identifier: Apache-2.0
/* Kernels and graphs that are enqueued. */
#include "cuda.h"

/* The driver's CUlaunchConfig. */
struct cuda_launch_config {
	unsigned int grid[3];
	unsigned int block[3];
	unsigned int shared_bytes;
	void *stream;
	void *attributes;
	unsigned int attribute_count;
};

static inline uint64_t threads(const unsigned int *grid, const unsigned int *block)
{
	return (uint64_t)grid[0] * grid[1] * grid[2] * block[0] * block[1] * block[2];
}

#define GRID                                                                                       \
	unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,       \
	    unsigned int bz, unsigned int shared
#define GRID_THREADS ((uint64_t)gx * gy * gz * bx * by * bz)

CUDA_PAIR(cuLaunchKernel, _ptsz, (void *function, GRID, void *stream, void **values, void **extra),
	  (function, gx, gy, gz, bx, by, bz, shared, stream, values, extra),
	  CUDA_RECORD(.kind = ANAROS_KIND_GPU_LAUNCH,
		      .flags = CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC), .object = CUDA_STREAM(stream),
		      .address = (uintptr_t)function, .size_bytes = GRID_THREADS))

CUDA_PAIR(cuLaunchCooperativeKernel, _ptsz, (void *function, GRID, void *stream, void **values),
	  (function, gx, gy, gz, bx, by, bz, shared, stream, values),
	  CUDA_RECORD(.kind = ANAROS_KIND_GPU_LAUNCH,
		      .flags = CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC), .object = CUDA_STREAM(stream),
		      .address = (uintptr_t)function, .size_bytes = GRID_THREADS))

/* A NULL config is the driver's to refuse. */
#define CONFIG_STREAM (config != NULL ? config->stream : NULL)

CUDA_PAIR(cuLaunchKernelEx, _ptsz,
	  (const struct cuda_launch_config *config, void *function, void **values, void **extra),
	  (config, function, values, extra),
	  CUDA_RECORD(.kind = ANAROS_KIND_GPU_LAUNCH,
		      .flags = CUDA_FLAGS(CONFIG_STREAM, ANAROS_FLAG_ASYNC),
		      .object = CUDA_STREAM(CONFIG_STREAM), .address = (uintptr_t)function,
		      .size_bytes = config != NULL ? threads(config->grid, config->block) : 0))

CUDA_PAIR(cuGraphLaunch, _ptsz, (void *graph, void *stream), (graph, stream),
	  CUDA_RECORD(.kind = ANAROS_KIND_GPU_GRAPH, .flags = CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC),
		      .object = CUDA_STREAM(stream), .address = (uintptr_t)graph))
