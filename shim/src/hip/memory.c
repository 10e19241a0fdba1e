// SPDX-License-Identifier: Apache-2.0
/* Memory: what the map of addresses is made from, pools, and virtual memory. */
#include "core/span.h"
#include "hip/hip.h"

#define PINNED(memory) (ANAROS_FLAG_PINNED | ANAROS_MEMORY_##memory)

#define MEMORY_MASK 7u

/* Memory whose place a copy may have to be told by: the low bits of flags have its class. */
static void allocated(const struct anaros_call *call, const struct anaros_fields *fields)
{
	uint16_t memory = fields->flags & MEMORY_MASK;

	if (memory == ANAROS_MEMORY_DEVICE || memory == ANAROS_MEMORY_STREAM_ORDERED ||
	    memory == ANAROS_MEMORY_IMPORTED)
		anaros_span_made(fields->object, fields->size_bytes, ANAROS_PLACE_DEVICE);
	else if (memory == ANAROS_MEMORY_MANAGED)
		anaros_span_made(fields->object, fields->size_bytes, ANAROS_PLACE_MANAGED);
	anaros_record(call, fields);
}

static void freed(const struct anaros_call *call, const struct anaros_fields *fields)
{
	if (fields->status == HIP_SUCCESS)
		anaros_span_gone(fields->object, 0, call->start_ns);
	anaros_record(call, fields);
}

#define MEMORY(how, ...) how(&call, &(struct anaros_fields){.status = result, __VA_ARGS__})
#define ALLOC(object_, bytes, flags_, address_)                                                    \
	MEMORY(allocated, .kind = ANAROS_KIND_GPU_ALLOC, .flags = (flags_),                        \
	       .object = (uintptr_t)(object_), .size_bytes = (bytes),                              \
	       .address = (uintptr_t)(address_))
#define FREE(object_, flags_)                                                                      \
	MEMORY(freed, .kind = ANAROS_KIND_GPU_FREE, .flags = (flags_),                             \
	       .object = (uintptr_t)(object_))

#define HOST_ALLOC(bytes) ALLOC(DEVICE_OUT(ptr), bytes, PINNED(HOST), DEVICE_OUT(ptr))

HIP_WRAP(hipMalloc, ALLOC(DEVICE_OUT(ptr), size, ANAROS_MEMORY_DEVICE, 0))
HIP_WRAP(hipExtMallocWithFlags, ALLOC(DEVICE_OUT(ptr), sizeBytes, ANAROS_MEMORY_DEVICE, 0))
HIP_WRAP(hipMallocManaged,
	 ALLOC(DEVICE_OUT(dev_ptr), size, ANAROS_MEMORY_MANAGED, DEVICE_OUT(dev_ptr)))
HIP_WRAP(hipHostMalloc, HOST_ALLOC(size))
HIP_WRAP(hipHostAlloc, HOST_ALLOC(size))
HIP_WRAP(hipExtHostAlloc, HOST_ALLOC(size))
HIP_WRAP(hipMallocHost, HOST_ALLOC(size))
HIP_WRAP(hipMemAllocHost, HOST_ALLOC(size))
HIP_WRAP(hipHostRegister, ALLOC(hostPtr, sizeBytes, PINNED(REGISTERED), hostPtr))
HIP_WRAP(hipMallocPitch,
	 ALLOC(DEVICE_OUT(ptr), (uint64_t)DEVICE_OUT(pitch) * height, ANAROS_MEMORY_DEVICE, 0))
HIP_WRAP(hipMemAllocPitch,
	 ALLOC(DEVICE_OUT(dptr), (uint64_t)DEVICE_OUT(pitch) * height, ANAROS_MEMORY_DEVICE, 0))
HIP_WRAP(hipMalloc3D, const struct hip_pitched *made = result == 0 ? pitchedDevPtr : NULL;
	 ALLOC(made != NULL ? made->pointer : NULL,
	       made != NULL ? made->pitch * extent.height * extent.depth : 0, ANAROS_MEMORY_DEVICE,
	       0))

/* What is freed tells its class by the address that was allocated. */
HIP_WRAP(hipFree, FREE(ptr, ANAROS_MEMORY_DEVICE))
HIP_WRAP(hipHostFree, FREE(ptr, PINNED(HOST)))
HIP_WRAP(hipFreeHost, FREE(ptr, PINNED(HOST)))
HIP_WRAP(hipHostUnregister, FREE(hostPtr, PINNED(REGISTERED)))

/* The address is where it comes from: the stream's own pool, or the one named. */
#define ORDERED (HIP_FLAGS(stream, ANAROS_FLAG_ASYNC) | ANAROS_MEMORY_STREAM_ORDERED)
#define ALLOC_ASYNC(from)                                                                          \
	MEMORY(allocated, .kind = ANAROS_KIND_GPU_ALLOC, .flags = ORDERED,                         \
	       .object = (uintptr_t)DEVICE_OUT(dev_ptr), .size_bytes = size, .address = (from))

HIP_WRAP(hipMallocAsync, ALLOC_ASYNC(HIP_STREAM(stream)))
HIP_WRAP(hipMallocFromPoolAsync, ALLOC_ASYNC((uintptr_t)mem_pool))
HIP_WRAP(hipFreeAsync, MEMORY(freed, .kind = ANAROS_KIND_GPU_FREE, .flags = ORDERED,
			      .object = (uintptr_t)dev_ptr, .address = HIP_STREAM(stream)))

enum { POOL_DESTROYED = 0, POOL_MADE = 1, POOL_IMPORTED = 2, POOL_EXPORTED = 3, POOL_TRIMMED = 4 };

#define POOL(pool_, what, bytes)                                                                   \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_POOL, .object = (uintptr_t)(pool_), .address = (what), \
		    .size_bytes = (bytes))

HIP_WRAP(hipMemPoolCreate, POOL(DEVICE_OUT(mem_pool), POOL_MADE, 0))
HIP_WRAP(hipMemPoolDestroy, POOL(mem_pool, POOL_DESTROYED, 0))
HIP_WRAP(hipMemPoolImportFromShareableHandle, POOL(DEVICE_OUT(mem_pool), POOL_IMPORTED, 0))
HIP_WRAP(hipMemPoolExportToShareableHandle, POOL(mem_pool, POOL_EXPORTED, 0))
HIP_WRAP(hipMemPoolTrimTo, POOL(mem_pool, POOL_TRIMMED, min_bytes_to_hold))

/* Of another process or library: how much it is, the call does not always tell. */
#define IMPORTED(object_, bytes) ALLOC(object_, bytes, ANAROS_MEMORY_IMPORTED, 0)

/* hipExternalMemoryBufferDesc. */
struct external_buffer {
	uint64_t offset, bytes;
};

HIP_WRAP(hipMemPoolImportPointer, IMPORTED(DEVICE_OUT(dev_ptr), 0))
HIP_WRAP(hipIpcOpenMemHandle, IMPORTED(DEVICE_OUT(devPtr), 0))
HIP_WRAP(hipIpcCloseMemHandle, FREE(devPtr, ANAROS_MEMORY_IMPORTED))
HIP_WRAP(hipExternalMemoryGetMappedBuffer, const struct external_buffer *buffer = bufferDesc;
	 IMPORTED(DEVICE_OUT(devPtr), buffer != NULL ? buffer->bytes : 0))
HIP_WRAP(hipExternalMemoryGetMappedMipmappedArray, IMPORTED(DEVICE_OUT(mipmap), 0))

enum { FREED = 0, RESERVED = 1 };

#define RESERVE(pointer, what)                                                                     \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_RESERVE, .object = (uintptr_t)(pointer),               \
		    .size_bytes = size, .address = (what))
#define MAP(where, handle_, bytes)                                                                 \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_VM_MAP, .object = (uintptr_t)(where),                  \
		    .address = (uintptr_t)(handle_), .size_bytes = (bytes))

HIP_WRAP(hipMemAddressReserve, RESERVE(DEVICE_OUT(ptr), RESERVED))
HIP_WRAP(hipMemAddressFree, RESERVE(devPtr, FREED))
HIP_WRAP(hipMemCreate, ALLOC(DEVICE_OUT(handle), size, ANAROS_MEMORY_PHYSICAL, 0))
HIP_WRAP(hipMemRelease, FREE(handle, ANAROS_MEMORY_PHYSICAL))
HIP_WRAP(hipMemImportFromShareableHandle, IMPORTED(DEVICE_OUT(handle), 0))
/* One reference more to memory that is known: no bytes. */
HIP_WRAP(hipMemRetainAllocationHandle, ALLOC(DEVICE_OUT(handle), 0, ANAROS_MEMORY_PHYSICAL, 0))
HIP_WRAP(hipMemMap,
	 if (result == HIP_SUCCESS) anaros_span_made((uintptr_t)ptr, size, ANAROS_PLACE_DEVICE);
	 MAP(ptr, handle, size))
HIP_WRAP(hipMemSetAccess, MAP(ptr, 0, size))
HIP_WRAP(hipMemExportToShareableHandle, MAP(0, handle, 0))
HIP_WRAP(hipMemUnmap,
	 if (result == HIP_SUCCESS) anaros_span_gone((uintptr_t)ptr, size, call.start_ns);
	 DEVICE_NOTE(.kind = ANAROS_KIND_GPU_VM_UNMAP, .object = (uintptr_t)ptr,
		     .size_bytes = size))

/* hipArrayMapInfo: tiles of a sparse array. */
struct array_map {
	unsigned int resource_type;
	uint64_t resource[8]; /* an array, or a mipmapped one itself */
	unsigned int subresource_type;
	uint64_t subresource[4];
	unsigned int operation; /* 1 = map, 2 = unmap */
	unsigned int handle_type;
	void *handle;
	uint64_t rest[3];
};

_Static_assert(sizeof(struct array_map) == 152, "the runtime's");

#define TILE_UNMAPPED 2u

static void map_tiles(const struct anaros_call *call, struct anaros_fields fields,
		      const struct array_map *list, unsigned int count)
{
	uint64_t end_ns = anaros_now_ns();

	for (unsigned int i = 0; list != NULL && i < count; i++) {
		fields.kind = list[i].operation == TILE_UNMAPPED ? ANAROS_KIND_GPU_VM_UNMAP
								 : ANAROS_KIND_GPU_VM_MAP;
		fields.object = list[i].resource[0];
		fields.address = (uintptr_t)list[i].handle;
		anaros_record_at(call->start_ns, end_ns, &fields);
	}
}

HIP_WRAP(hipMemMapArrayAsync,
	 map_tiles(&call,
		   (struct anaros_fields){.flags = HIP_FLAGS(stream, ANAROS_FLAG_ASYNC),
					  .status = result},
		   (const void *)mapInfoList, count))
