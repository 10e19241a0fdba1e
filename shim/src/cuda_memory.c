// SPDX-License-Identifier: Apache-2.0
/*
 * Memory: what the map of addresses is made from. Page-locked host memory is
 * in the same address space, so its device pointer is its host pointer.
 */
#include "cuda.h"

#define DEVICE_ALLOC(bytes, way)                                                                   \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_ALLOC, .flags = (way), .object = CUDA_OUT(pointer),    \
		    .size_bytes = (bytes))
#define HOST_ALLOC(memory)                                                                         \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_ALLOC, .flags = ANAROS_FLAG_PINNED,                    \
		    .object = (uintptr_t)(memory), .address = (uintptr_t)(memory),                 \
		    .size_bytes = bytes)
#define FREE(pointer, way)                                                                         \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_FREE, .flags = (way), .object = (uintptr_t)(pointer))

CUDA_WRAP(cuMemAlloc_v2, (uint64_t * pointer, size_t bytes), (pointer, bytes),
	  DEVICE_ALLOC(bytes, 0))
CUDA_WRAP(cuMemAllocPitch_v2,
	  (uint64_t * pointer, size_t *pitch, size_t width, size_t height, unsigned int element),
	  (pointer, pitch, width, height, element), DEVICE_ALLOC(CUDA_OUT(pitch) * height, 0))
CUDA_WRAP(cuMemAllocManaged, (uint64_t * pointer, size_t bytes, unsigned int flags),
	  (pointer, bytes, flags),
	  CUDA_RECORD(.kind = ANAROS_KIND_GPU_ALLOC, .object = CUDA_OUT(pointer),
		      .address = CUDA_OUT(pointer), .size_bytes = bytes))
CUDA_WRAP(cuMemAllocHost_v2, (void **memory, size_t bytes), (memory, bytes),
	  HOST_ALLOC(CUDA_OUT(memory)))
CUDA_WRAP(cuMemHostAlloc, (void **memory, size_t bytes, unsigned int flags), (memory, bytes, flags),
	  HOST_ALLOC(CUDA_OUT(memory)))
CUDA_WRAP(cuMemHostRegister_v2, (void *memory, size_t bytes, unsigned int flags),
	  (memory, bytes, flags), HOST_ALLOC(memory))
CUDA_WRAP(cuMemHostUnregister, (void *memory), (memory), FREE(memory, ANAROS_FLAG_PINNED))
CUDA_WRAP(cuMemFree_v2, (uint64_t pointer), (pointer), FREE(pointer, 0))
CUDA_WRAP(cuMemFreeHost, (void *memory), (memory), FREE(memory, ANAROS_FLAG_PINNED))
CUDA_PAIR(cuMemAllocAsync, _ptsz, (uint64_t * pointer, size_t bytes, void *stream),
	  (pointer, bytes, stream), DEVICE_ALLOC(bytes, CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC)))
CUDA_PAIR(cuMemAllocFromPoolAsync, _ptsz,
	  (uint64_t * pointer, size_t bytes, void *pool, void *stream),
	  (pointer, bytes, pool, stream),
	  DEVICE_ALLOC(bytes, CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC)))
CUDA_PAIR(cuMemFreeAsync, _ptsz, (uint64_t pointer, void *stream), (pointer, stream),
	  FREE(pointer, CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC)))
