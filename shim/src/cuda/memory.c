// SPDX-License-Identifier: Apache-2.0
/*
 * Memory: what the map of addresses is made from. Page-locked host memory is
 * in the same address space, so its device pointer is its host pointer.
 */
#include "cuda/cuda.h"

#define PINNED(memory) (ANAROS_FLAG_PINNED | ANAROS_MEMORY_##memory)

#define ALLOC(object_, bytes, flags_, address_)                                                    \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_ALLOC, .flags = (flags_),                                \
		  .object = (uintptr_t)(object_), .size_bytes = (bytes),                           \
		  .address = (uintptr_t)(address_))
#define FREE(object_, flags_)                                                                      \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_FREE, .flags = (flags_), .object = (uintptr_t)(object_))

/* Both ABIs of a function that has no twin. */
#define MEMORY(symbol, ...)                                                                        \
	CUDA_WRAP(symbol, __VA_ARGS__)                                                             \
	CUDA_WRAP(symbol##_v2, __VA_ARGS__)

MEMORY(cuMemAlloc, ALLOC(CUDA_OUT(dptr), bytesize, ANAROS_MEMORY_DEVICE, 0))
MEMORY(cuMemAllocPitch,
       ALLOC(CUDA_OUT(dptr), (uint64_t)CUDA_OUT(pPitch) * Height, ANAROS_MEMORY_DEVICE, 0))
CUDA_WRAP(cuMemAllocManaged, ALLOC(CUDA_OUT(dptr), bytesize, ANAROS_MEMORY_MANAGED, CUDA_OUT(dptr)))
MEMORY(cuMemAllocHost, ALLOC(CUDA_OUT(pp), bytesize, PINNED(HOST), CUDA_OUT(pp)))
CUDA_WRAP(cuMemHostAlloc, ALLOC(CUDA_OUT(pp), bytesize, PINNED(HOST), CUDA_OUT(pp)))
MEMORY(cuMemHostRegister, ALLOC(p, bytesize, PINNED(REGISTERED), p))
/* What is freed tells its class by the address that was allocated. */
MEMORY(cuMemFree, FREE(dptr, ANAROS_MEMORY_DEVICE))
CUDA_WRAP(cuMemFreeHost, FREE(p, PINNED(HOST)))
CUDA_WRAP(cuMemHostUnregister, FREE(p, PINNED(REGISTERED)))

#define ORDERED (CUDA_FLAGS(hStream, ANAROS_FLAG_ASYNC) | ANAROS_MEMORY_STREAM_ORDERED)

/* The address is where it comes from: the stream's own pool, or the one named.
 */
#define ALLOC_ASYNC(from)                                                                          \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_ALLOC, .flags = ORDERED, .object = CUDA_OUT(dptr),     \
		    .size_bytes = bytesize, .address = (from))

CUDA_PAIR(cuMemAllocAsync, _ptsz, ALLOC_ASYNC(CUDA_STREAM(hStream)))
CUDA_PAIR(cuMemAllocFromPoolAsync, _ptsz, ALLOC_ASYNC((uintptr_t)pool))
CUDA_PAIR(cuMemFreeAsync, _ptsz,
	  CUDA_RECORD(.kind = ANAROS_KIND_GPU_FREE, .flags = ORDERED, .object = dptr,
		      .address = CUDA_STREAM(hStream)))

enum { POOL_DESTROYED = 0, POOL_MADE = 1, POOL_IMPORTED = 2, POOL_EXPORTED = 3, POOL_TRIMMED = 4 };

#define POOL(pool_, what, bytes)                                                                   \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_POOL, .object = (uintptr_t)(pool_), .address = (what),   \
		  .size_bytes = (bytes))

CUDA_WRAP(cuMemPoolCreate, POOL(CUDA_OUT(pool), POOL_MADE, 0))
CUDA_WRAP(cuMemPoolDestroy, POOL(pool, POOL_DESTROYED, 0))
CUDA_WRAP(cuMemPoolImportFromShareableHandle, POOL(CUDA_OUT(pool_out), POOL_IMPORTED, 0))
CUDA_WRAP(cuMemPoolExportToShareableHandle, POOL(pool, POOL_EXPORTED, 0))
CUDA_WRAP(cuMemPoolTrimTo, POOL(pool, POOL_TRIMMED, minBytesToKeep))

/* Of another process or library: how much it is, the call does not always tell.
 */
#define IMPORTED(object_, bytes) ALLOC(object_, bytes, ANAROS_MEMORY_IMPORTED, 0)

/* The driver's CUDA_EXTERNAL_MEMORY_BUFFER_DESC. */
struct external_buffer {
	uint64_t offset, bytes;
};

CUDA_WRAP(cuMemPoolImportPointer, IMPORTED(CUDA_OUT(ptr_out), 0))
CUDA_WRAP(cuIpcOpenMemHandle, IMPORTED(CUDA_OUT(pdptr), 0))
CUDA_WRAP(cuIpcOpenMemHandle_v2, IMPORTED(CUDA_OUT(pdptr), 0))
CUDA_WRAP(cuIpcCloseMemHandle, FREE(dptr, ANAROS_MEMORY_IMPORTED))
CUDA_WRAP(cuExternalMemoryGetMappedBuffer, const struct external_buffer *buffer = bufferDesc;
	  IMPORTED(CUDA_OUT(devPtr), buffer != NULL ? buffer->bytes : 0))
CUDA_WRAP(cuExternalMemoryGetMappedMipmappedArray, IMPORTED(CUDA_OUT(mipmap), 0))
