// SPDX-License-Identifier: Apache-2.0
/*
 * Virtual memory: a range of addresses is reserved, physical memory is made
 * under a handle, and one is mapped to the other.
 */
#include "cuda/cuda.h"

enum { FREED = 0, RESERVED = 1 };

#define RESERVE(pointer, what)                                                                     \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_RESERVE, .object = (pointer), .size_bytes = size,        \
		  .address = (what))
#define PHYSICAL(kind_, handle_, bytes, memory)                                                    \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_##kind_, .flags = ANAROS_MEMORY_##memory,                \
		  .object = (handle_), .size_bytes = (bytes))
#define MAP(where, handle_, bytes)                                                                 \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_VM_MAP, .object = (where), .address = (handle_),         \
		  .size_bytes = (bytes))
#define UNMAP(where)                                                                               \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_VM_UNMAP, .object = (where), .size_bytes = size)

CUDA_WRAP(cuMemAddressReserve, RESERVE(CUDA_OUT(ptr), RESERVED))
CUDA_WRAP(cuMemAddressFree, RESERVE(ptr, FREED))
CUDA_WRAP(cuMemCreate, PHYSICAL(ALLOC, CUDA_OUT(handle), size, PHYSICAL))
CUDA_WRAP(cuMemRelease, PHYSICAL(FREE, handle, 0, PHYSICAL))
CUDA_WRAP(cuMemImportFromShareableHandle, PHYSICAL(ALLOC, CUDA_OUT(handle), 0, IMPORTED))
/* One reference more to memory that is known: no bytes. */
CUDA_WRAP(cuMemRetainAllocationHandle, PHYSICAL(ALLOC, CUDA_OUT(handle), 0, PHYSICAL))
CUDA_WRAP(cuMemMap, MAP(ptr, handle, size))
CUDA_WRAP(cuMemUnmap, UNMAP(ptr))
CUDA_WRAP(cuMemSetAccess, MAP(ptr, 0, size))
CUDA_WRAP(cuMemExportToShareableHandle, MAP(0, handle, 0))

/* One object that stands for memory of several devices, and has none of its
 * own. */
CUDA_WRAP(cuMulticastCreate, PHYSICAL(ALLOC, CUDA_OUT(mcHandle), 0, PHYSICAL))
CUDA_WRAP(cuMulticastBindMem, MAP(mcHandle, memHandle, size))
CUDA_WRAP(cuMulticastBindMem_v2, MAP(mcHandle, memHandle, size))
CUDA_WRAP(cuMulticastBindAddr, MAP(mcHandle, memptr, size))
CUDA_WRAP(cuMulticastBindAddr_v2, MAP(mcHandle, memptr, size))
CUDA_WRAP(cuMulticastUnbind, UNMAP(mcHandle))

/* The driver's CUarrayMapInfo: tiles of a sparse array. */
struct array_map {
	unsigned int resource_type;
	void *resource;
	unsigned int subresource_type;
	uint64_t subresource[4];
	unsigned int operation; /* 1 = map, 2 = unmap */
	unsigned int handle_type;
	uint64_t handle;
	uint64_t rest[3];
};

_Static_assert(sizeof(struct array_map) == 96, "the driver's");

static void map_tiles(const struct anaros_call *call, struct anaros_fields fields,
		      const struct array_map *list, unsigned int count)
{
	uint64_t end_ns = anaros_now_ns();

	for (unsigned int i = 0; list != NULL && i < count; i++) {
		fields.kind =
		    list[i].operation == 2 ? ANAROS_KIND_GPU_VM_UNMAP : ANAROS_KIND_GPU_VM_MAP;
		fields.object = (uintptr_t)list[i].resource;
		fields.address = list[i].handle;
		anaros_record_at(call->start_ns, end_ns, &fields);
	}
}

CUDA_PAIR(cuMemMapArrayAsync, _ptsz,
	  map_tiles(&call,
		    (struct anaros_fields){.flags = CUDA_FLAGS(hStream, ANAROS_FLAG_ASYNC),
					   .status = result},
		    mapInfoList, count))
