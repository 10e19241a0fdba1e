// SPDX-License-Identifier: Apache-2.0
/*
 * Memory: host memory that plays device memory, each allocation counted
 * against its device, and a sorted table that knows every range.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define ALIGNMENT 512u

static struct sim_range *ranges;
static size_t range_count, range_room;
static pthread_rwlock_t ranges_lock = PTHREAD_RWLOCK_INITIALIZER;

/* Index of the first range that starts behind the address. */
static size_t behind(uint64_t address)
{
	size_t low = 0, high = range_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool sim_find(uint64_t address, struct sim_range *range)
{
	bool found = false;
	size_t index;

	pthread_rwlock_rdlock(&ranges_lock);
	index = behind(address);
	if (index > 0 && address - ranges[index - 1].start < ranges[index - 1].bytes) {
		*range = ranges[index - 1];
		found = true;
	}
	pthread_rwlock_unlock(&ranges_lock);
	return found;
}

bool sim_is_device(uint64_t address, size_t bytes, struct sim_range *range)
{
	return sim_find(address, range) && range->kind != SIM_MEMORY_REGISTERED &&
	       address - range->start + bytes <= range->bytes;
}

static void add_range(const struct sim_range *range)
{
	size_t index;

	pthread_rwlock_wrlock(&ranges_lock);
	if (range_count == range_room) {
		range_room = range_room ? 2 * range_room : 64;
		ranges = realloc(ranges, range_room * sizeof(*ranges));
	}
	index = behind(range->start);
	memmove(&ranges[index + 1], &ranges[index], (range_count - index) * sizeof(*ranges));
	ranges[index] = *range;
	range_count++;
	pthread_rwlock_unlock(&ranges_lock);
}

static bool remove_range(uint64_t start, struct sim_range *range)
{
	bool found = false;
	size_t index;

	pthread_rwlock_wrlock(&ranges_lock);
	index = behind(start);
	if (index > 0 && ranges[index - 1].start == start) {
		*range = ranges[index - 1];
		memmove(&ranges[index - 1], &ranges[index],
			(range_count - index) * sizeof(*ranges));
		range_count--;
		found = true;
	}
	pthread_rwlock_unlock(&ranges_lock);
	return found;
}

static int allocate(struct sim_context *context, enum sim_memory_kind kind, unsigned int flags,
		    size_t bytes, uint64_t *address)
{
	bool on_device = kind == SIM_MEMORY_DEVICE || kind == SIM_MEMORY_MANAGED;
	struct sim_device *device = context->device;
	void *memory;

	if (address == NULL || bytes == 0)
		return SIM_INVALID_VALUE;
	if (on_device &&
	    atomic_fetch_add(&device->used_bytes, bytes) + bytes > device->total_bytes) {
		atomic_fetch_sub(&device->used_bytes, bytes);
		return SIM_OUT_OF_MEMORY;
	}
	if (posix_memalign(&memory, ALIGNMENT, bytes) != 0) {
		if (on_device)
			atomic_fetch_sub(&device->used_bytes, bytes);
		return SIM_OUT_OF_MEMORY;
	}
	*address = (uintptr_t)memory;
	add_range(&(struct sim_range){*address, bytes, kind, flags, context});
	return SIM_OK;
}

/* Gives an allocation back; the work that uses it is over. */
int sim_release(uint64_t address)
{
	struct sim_range range;

	if (!remove_range(address, &range))
		return SIM_INVALID_VALUE;
	if (range.kind == SIM_MEMORY_DEVICE || range.kind == SIM_MEMORY_MANAGED)
		atomic_fetch_sub(&range.context->device->used_bytes, range.bytes);
	free((void *)(uintptr_t)range.start);
	return SIM_OK;
}

static int alloc(enum sim_memory_kind kind, unsigned int flags, size_t bytes, uint64_t *address)
{
	struct sim_context *context;
	int result = sim_current(&context);

	return result == SIM_OK ? allocate(context, kind, flags, bytes, address) : result;
}

static int alloc_pitch(uint64_t *address, size_t *pitch, size_t width, size_t height)
{
	if (pitch == NULL || width == 0 || height == 0)
		return SIM_INVALID_VALUE;
	*pitch = (width + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	return alloc(SIM_MEMORY_DEVICE, 0, *pitch * height, address);
}

/* Freeing waits for the device, as the real call does. */
static int release_after_work(uint64_t address, bool host)
{
	struct sim_context *context;
	struct sim_range range;
	int result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	if (address == 0)
		return SIM_OK;
	if (!sim_find(address, &range) || range.start != address ||
	    (range.kind == SIM_MEMORY_HOST) != host || range.kind == SIM_MEMORY_REGISTERED)
		return SIM_INVALID_VALUE;
	result = sim_context_synchronize(range.context);
	return result == SIM_OK ? sim_release(address) : result;
}

static void release_in_order(struct sim_op *op)
{
	sim_release(op->pointer);
}

static int free_async(uint64_t address, void *handle, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_range range;
	struct sim_op *op;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (!sim_find(address, &range) || range.start != address || range.kind != SIM_MEMORY_DEVICE)
		return SIM_INVALID_VALUE;
	op = sim_op_new(release_in_order, SIM_ENGINE_NONE, 0);
	op->pointer = address;
	return sim_submit(stream, op, NULL);
}

/* `pool` NULL: the one of the stream's device. */
static int alloc_async(uint64_t *address, size_t bytes, struct sim_pool *pool, void *handle,
		       bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (pool != NULL && pool->magic != SIM_MAGIC_POOL)
		return SIM_INVALID_VALUE;
	return allocate(stream->context, SIM_MEMORY_DEVICE, 0, bytes, address);
}

static int host_register(void *memory, size_t bytes, unsigned int flags)
{
	struct sim_context *context;
	struct sim_range range;
	int result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	if (memory == NULL || bytes == 0)
		return SIM_INVALID_VALUE;
	if (sim_find((uintptr_t)memory, &range))
		return SIM_ALREADY_REGISTERED;
	add_range(
	    &(struct sim_range){(uintptr_t)memory, bytes, SIM_MEMORY_REGISTERED, flags, context});
	return SIM_OK;
}

static int host_unregister(void *memory)
{
	struct sim_range range;

	if (!sim_find((uintptr_t)memory, &range) || range.kind != SIM_MEMORY_REGISTERED ||
	    range.start != (uintptr_t)memory)
		return SIM_NOT_REGISTERED;
	remove_range(range.start, &range);
	return SIM_OK;
}

static int host_device_pointer(uint64_t *address, void *memory)
{
	struct sim_range range;

	if (!sim_find((uintptr_t)memory, &range) || range.kind == SIM_MEMORY_DEVICE)
		return SIM_INVALID_VALUE;
	*address = (uintptr_t)memory;
	return SIM_OK;
}

static int host_flags(unsigned int *flags, void *memory)
{
	struct sim_range range;

	if (!sim_find((uintptr_t)memory, &range))
		return SIM_INVALID_VALUE;
	*flags = range.flags;
	return SIM_OK;
}

static int get_info(size_t *unused, size_t *total)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	*unused = context->device->total_bytes - atomic_load(&context->device->used_bytes);
	*total = context->device->total_bytes;
	return SIM_OK;
}

static int get_address_range(uint64_t *start, size_t *bytes, uint64_t address)
{
	struct sim_range range;

	if (!sim_find(address, &range))
		return SIM_NOT_FOUND;
	if (start != NULL)
		*start = range.start;
	if (bytes != NULL)
		*bytes = range.bytes;
	return SIM_OK;
}

static int pointer_attribute(void *out, int attribute, uint64_t address)
{
	struct sim_range range;

	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (!sim_find(address, &range))
		return SIM_INVALID_VALUE;
	switch (attribute) {
	case 1: /* context */
		*(void **)out = range.context;
		return SIM_OK;
	case 2: /* type: 1 host, 2 device */
		*(int *)out =
		    range.kind == SIM_MEMORY_DEVICE || range.kind == SIM_MEMORY_MANAGED ? 2 : 1;
		return SIM_OK;
	case 3: /* device pointer, host pointer */
	case 4:
		*(uint64_t *)out = address;
		return SIM_OK;
	case 8: /* managed */
		*(int *)out = range.kind == SIM_MEMORY_MANAGED;
		return SIM_OK;
	case 9: /* device */
		*(int *)out = sim_ordinal_of(range.context->device);
		return SIM_OK;
	case 11:
		*(uint64_t *)out = range.start;
		return SIM_OK;
	case 12:
		*(size_t *)out = range.bytes;
		return SIM_OK;
	default:
		return SIM_NOT_SUPPORTED;
	}
}

/* Pools: their memory is the device's, so only the handles are kept. */
struct sim_pool *sim_pool_new(struct sim_device *device)
{
	struct sim_pool *pool = calloc(1, sizeof(*pool));

	pool->magic = SIM_MAGIC_POOL;
	pool->device = device;
	return pool;
}

static int pool_of_device(void **handle, int ordinal, bool standard)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result == SIM_OK)
		*handle = standard ? device->default_pool : device->pool;
	return result;
}

static int pool_set(int ordinal, struct sim_pool *pool)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (pool == NULL || pool->magic != SIM_MAGIC_POOL)
		return SIM_INVALID_VALUE;
	device->pool = pool;
	return SIM_OK;
}

/* Properties: two enums, then where it lies as {type, ordinal}. */
static int pool_create(void **handle, const int *properties)
{
	struct sim_device *device;
	int result = sim_device_of(properties[3], &device);

	if (result == SIM_OK)
		*handle = sim_pool_new(device);
	return result;
}

static int pool_destroy(struct sim_pool *pool)
{
	if (pool == NULL || pool->magic != SIM_MAGIC_POOL || pool == pool->device->default_pool)
		return SIM_INVALID_VALUE;
	pool->magic = 0;
	return SIM_OK;
}

/* 4: how many bytes the pool keeps instead of giving them back. */
static int pool_attribute(struct sim_pool *pool, int attribute, void *value, bool set)
{
	if (pool == NULL || pool->magic != SIM_MAGIC_POOL)
		return SIM_INVALID_VALUE;
	if (set && attribute == 4)
		pool->release_threshold = *(uint64_t *)value;
	else if (!set)
		*(uint64_t *)value = attribute == 4   ? pool->release_threshold
				     : attribute == 7 ? atomic_load(&pool->device->used_bytes)
						      : 0;
	return SIM_OK;
}

SIM_FN(cuMemAlloc_v2, (uint64_t * address, size_t bytes),
       alloc(SIM_MEMORY_DEVICE, 0, bytes, address))
SIM_FN(cuMemAllocPitch_v2,
       (uint64_t * address, size_t *pitch, size_t width, size_t height, unsigned int element),
       ((void)element, alloc_pitch(address, pitch, width, height)))
SIM_FN(cuMemFree_v2, (uint64_t address), release_after_work(address, false))
SIM_FN(cuMemAllocHost_v2, (void **memory, size_t bytes),
       alloc(SIM_MEMORY_HOST, 0, bytes, (uint64_t *)memory))
SIM_FN(cuMemHostAlloc, (void **memory, size_t bytes, unsigned int flags),
       alloc(SIM_MEMORY_HOST, flags, bytes, (uint64_t *)memory))
SIM_FN(cuMemFreeHost, (void *memory), release_after_work((uintptr_t)memory, true))
SIM_FN(cuMemAllocManaged, (uint64_t * address, size_t bytes, unsigned int flags),
       alloc(SIM_MEMORY_MANAGED, flags, bytes, address))
SIM_FN(cuMemHostRegister_v2, (void *memory, size_t bytes, unsigned int flags),
       host_register(memory, bytes, flags))
SIM_FN(cuMemHostUnregister, (void *memory), host_unregister(memory))
SIM_FN(cuMemHostGetDevicePointer_v2, (uint64_t * address, void *memory, unsigned int flags),
       ((void)flags, host_device_pointer(address, memory)))
SIM_FN(cuMemHostGetFlags, (unsigned int *flags, void *memory), host_flags(flags, memory))
SIM_FN(cuMemGetInfo_v2, (size_t * unused, size_t *total), get_info(unused, total))
SIM_FN(cuMemGetAddressRange_v2, (uint64_t * start, size_t *bytes, uint64_t address),
       get_address_range(start, bytes, address))
SIM_FN(cuPointerGetAttribute, (void *out, int attribute, uint64_t address),
       pointer_attribute(out, attribute, address))
SIM_PAIR(cuMemAllocAsync, _ptsz, (uint64_t * address, size_t bytes, void *stream),
	 alloc_async(address, bytes, NULL, stream, PER_THREAD))
SIM_PAIR(cuMemAllocFromPoolAsync, _ptsz,
	 (uint64_t * address, size_t bytes, void *pool, void *stream),
	 pool != NULL ? alloc_async(address, bytes, pool, stream, PER_THREAD) : SIM_INVALID_VALUE)
SIM_PAIR(cuMemFreeAsync, _ptsz, (uint64_t address, void *stream),
	 free_async(address, stream, PER_THREAD))
SIM_FN(cuDeviceGetDefaultMemPool, (void **pool, int ordinal), pool_of_device(pool, ordinal, true))
SIM_FN(cuDeviceGetMemPool, (void **pool, int ordinal), pool_of_device(pool, ordinal, false))
SIM_FN(cuDeviceSetMemPool, (int ordinal, void *pool), pool_set(ordinal, pool))
SIM_FN(cuMemPoolCreate, (void **pool, const void *properties), pool_create(pool, properties))
SIM_FN(cuMemPoolDestroy, (void *pool), pool_destroy(pool))
SIM_FN(cuMemPoolSetAttribute, (void *pool, int attribute, void *value),
       pool_attribute(pool, attribute, value, true))
SIM_FN(cuMemPoolGetAttribute, (void *pool, int attribute, void *value),
       pool_attribute(pool, attribute, value, false))
SIM_FN(cuMemPoolTrimTo, (void *pool, size_t bytes), ((void)pool, (void)bytes, SIM_OK))
