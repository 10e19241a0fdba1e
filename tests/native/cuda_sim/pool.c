// SPDX-License-Identifier: Apache-2.0
/*
 * Pools: memory in stream order. A pool keeps what was freed, up to its
 * threshold, and gives it out again. One that can be shared has a file behind
 * it; a process that imports it maps single allocations.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared.h"
#include "watch.h"

enum { HANDLE_FD = 1 };

struct sim_pool *sim_pool_new(struct sim_device *device)
{
	struct sim_pool *pool = calloc(1, sizeof(*pool));

	pool->magic = SIM_MAGIC_POOL;
	pool->device = device;
	pool->location_type = SIM_LOCATION_DEVICE;
	pool->location_id = sim_ordinal_of(device);
	pool->fd = -1;
	pool->access[sim_index_of(device)] = 3;
	for (int i = 1; i < 4; i++)
		pool->reuse[i] = 1;
	pthread_mutex_init(&pool->lock, NULL);
	return pool;
}

static int pool_of(void *handle, struct sim_pool **pool)
{
	*pool = handle;
	return handle != NULL && (*pool)->magic == SIM_MAGIC_POOL ? SIM_OK : SIM_INVALID_VALUE;
}

/* The smallest kept block that is big enough, and not twice as big. */
static struct sim_block *take_kept(struct sim_pool *pool, size_t bytes)
{
	struct sim_block **best = NULL, *block;

	for (struct sim_block **link = &pool->kept; *link != NULL; link = &(*link)->next)
		if ((*link)->bytes >= bytes && (*link)->bytes < 2 * bytes &&
		    (best == NULL || (*link)->bytes < (*best)->bytes))
			best = link;
	if (best == NULL)
		return NULL;
	block = *best;
	*best = block->next;
	return block;
}

static void unmap(struct sim_pool *pool, struct sim_block *block)
{
	munmap((void *)(uintptr_t)block->address, sim_page_bytes(block->bytes));
	if (pool->fd >= 0)
		fallocate(pool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)block->offset, (off_t)sim_page_bytes(block->bytes));
	sim_give_back(pool->device, block->bytes);
	pool->reserved -= block->bytes;
	free(block);
}

static void trim(struct sim_pool *pool, uint64_t keep)
{
	while (pool->kept != NULL && pool->reserved > keep) {
		struct sim_block *block = pool->kept;

		pool->kept = block->next;
		unmap(pool, block);
	}
}

static struct sim_block *map_new(struct sim_pool *pool, size_t bytes)
{
	int flags = pool->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	size_t pages = sim_page_bytes(bytes);
	struct sim_block *block;
	void *memory;

	if (sim_take(pool->device, bytes) != SIM_OK)
		return NULL;
	if (pool->fd >= 0 && ftruncate(pool->fd, (off_t)(pool->file_bytes + pages)) != 0)
		goto fail;
	memory =
	    mmap(NULL, pages, PROT_READ | PROT_WRITE, flags, pool->fd, (off_t)pool->file_bytes);
	if (memory == MAP_FAILED)
		goto fail;
	block = calloc(1, sizeof(*block));
	*block = (struct sim_block){NULL, (uintptr_t)memory, bytes, pool->file_bytes};
	if (pool->fd >= 0)
		pool->file_bytes += pages;
	pool->reserved += bytes;
	if (pool->reserved > pool->reserved_high)
		pool->reserved_high = pool->reserved;
	return block;
fail:
	sim_give_back(pool->device, bytes);
	return NULL;
}

static int allocate(struct sim_pool *pool, struct sim_context *context, size_t bytes,
		    uint64_t *address)
{
	struct sim_range range = {.kind = SIM_MEMORY_DEVICE,
				  .context = context,
				  .device = pool->device,
				  .pool = pool,
				  .shared_fd = -1};
	struct sim_block *block;

	if (address == NULL || bytes == 0 || pool->imported)
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&pool->lock);
	block = take_kept(pool, bytes);
	if (block == NULL)
		block = map_new(pool, bytes);
	if (block == NULL) {
		/* What is kept may be in the way. */
		trim(pool, 0);
		block = map_new(pool, bytes);
	}
	if (block != NULL) {
		pool->used += block->bytes;
		if (pool->used > pool->used_high)
			pool->used_high = pool->used;
	}
	pthread_mutex_unlock(&pool->lock);
	if (block == NULL)
		return SIM_OUT_OF_MEMORY;
	range.start = *address = block->address;
	range.bytes = block->bytes;
	range.offset = block->offset;
	free(block);
	sim_range_add(&range);
	sim_count(SIM_EVENT_allocations, 1);
	sim_count(SIM_EVENT_allocated_bytes, range.bytes);
	return SIM_OK;
}

/* Ends a pool that is destroyed, once nothing of it is out any more. */
static void unlock_or_end(struct sim_pool *pool)
{
	bool over = pool->magic != SIM_MAGIC_POOL && pool->used == 0;

	pthread_mutex_unlock(&pool->lock);
	if (!over)
		return;
	if (pool->fd >= 0)
		close(pool->fd);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

void sim_pool_release(const struct sim_range *range)
{
	struct sim_pool *pool = range->pool;

	pthread_mutex_lock(&pool->lock);
	pool->used -= range->bytes;
	if (pool->imported) {
		munmap((void *)(uintptr_t)range->start, sim_page_bytes(range->bytes));
	} else {
		struct sim_block *block = calloc(1, sizeof(*block));

		*block = (struct sim_block){pool->kept, range->start, range->bytes, range->offset};
		pool->kept = block;
		trim(pool, pool->magic == SIM_MAGIC_POOL ? pool->threshold : 0);
	}
	unlock_or_end(pool);
}

/* Calls */

static void release_in_order(struct sim_op *op)
{
	sim_release(op->move.address);
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
	op = sim_op_new(SIM_WORK_FREE, sim_is_capturing(stream) ? NULL : release_in_order,
			SIM_ENGINE_NONE, 0);
	op->move.address = address;
	return sim_submit(stream, op, NULL);
}

/* In a capture: a node that has the memory. */
static int alloc_captured(uint64_t *address, size_t bytes, struct sim_stream *stream)
{
	struct sim_op *op = sim_op_new(SIM_WORK_NOTHING, NULL, SIM_ENGINE_NONE, 0);
	struct sim_node *node;
	int result = sim_submit(stream, op, NULL);

	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&sim_lock);
	node = stream->frontier.items[0];
	node->type = SIM_NODE_ALLOC;
	pthread_mutex_unlock(&sim_lock);
	result = sim_node_alloc(node, stream->context, bytes);
	*address = node->address;
	return result;
}

/* `pool` NULL: the one of the stream's device. */
static int alloc_async(uint64_t *address, size_t bytes, struct sim_pool *pool, void *handle,
		       bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (address == NULL || bytes == 0 || (pool != NULL && pool->magic != SIM_MAGIC_POOL))
		return SIM_INVALID_VALUE;
	if (sim_is_capturing(stream))
		return alloc_captured(address, bytes, stream);
	return allocate(pool != NULL ? pool : stream->context->device->pool, stream->context, bytes,
			address);
}

static int of_device(void **handle, int ordinal, bool standard)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result == SIM_OK)
		*handle = standard ? device->default_pool : device->pool;
	return result;
}

static int of_location(void **handle, const struct sim_location *location, int type, bool standard)
{
	if (handle == NULL || location == NULL)
		return SIM_INVALID_VALUE;
	if (location->type != SIM_LOCATION_DEVICE || type != 1)
		return SIM_NOT_SUPPORTED;
	return of_device(handle, location->id, standard);
}

static int set_for_device(int ordinal, void *handle)
{
	struct sim_device *device;
	struct sim_pool *pool;
	int result = sim_device_of(ordinal, &device);

	if (result == SIM_OK)
		result = pool_of(handle, &pool);
	if (result == SIM_OK && pool->device != device)
		result = SIM_INVALID_VALUE;
	if (result == SIM_OK)
		device->pool = pool;
	return result;
}

static int set_for_location(const struct sim_location *location, int type, void *handle)
{
	if (location == NULL)
		return SIM_INVALID_VALUE;
	if (location->type != SIM_LOCATION_DEVICE || type != 1)
		return SIM_NOT_SUPPORTED;
	return set_for_device(location->id, handle);
}

static int create(void **handle, const struct sim_pool_properties *properties)
{
	struct sim_device *device;
	struct sim_pool *pool;
	int result;

	if (handle == NULL || properties == NULL || properties->type != 1)
		return SIM_INVALID_VALUE;
	if (properties->location.type != SIM_LOCATION_DEVICE ||
	    (properties->handle_types & ~HANDLE_FD) != 0)
		return SIM_NOT_SUPPORTED;
	result = sim_device_of(properties->location.id, &device);
	if (result != SIM_OK)
		return result;
	pool = sim_pool_new(device);
	pool->handle_types = properties->handle_types;
	if (pool->handle_types & HANDLE_FD)
		pool->fd = sim_file_new("anaros-sim-pool", 0);
	*handle = pool;
	return SIM_OK;
}

static int destroy(void *handle)
{
	struct sim_pool *pool;
	int result = pool_of(handle, &pool);

	if (result != SIM_OK || pool == pool->device->default_pool)
		return SIM_INVALID_VALUE;
	if (pool->device->pool == pool)
		pool->device->pool = pool->device->default_pool;
	pthread_mutex_lock(&pool->lock);
	pool->magic = 0;
	trim(pool, 0);
	unlock_or_end(pool);
	return SIM_OK;
}

static int trim_to(void *handle, size_t keep)
{
	struct sim_pool *pool;
	int result = pool_of(handle, &pool);

	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&pool->lock);
	trim(pool, keep);
	pthread_mutex_unlock(&pool->lock);
	return SIM_OK;
}

enum attribute {
	ATTRIBUTE_REUSE_LAST = 3,
	ATTRIBUTE_THRESHOLD = 4,
	ATTRIBUTE_RESERVED,
	ATTRIBUTE_RESERVED_HIGH,
	ATTRIBUTE_USED,
	ATTRIBUTE_USED_HIGH,
	ATTRIBUTE_TYPE,
	ATTRIBUTE_HANDLE_TYPES,
	ATTRIBUTE_LOCATION_ID,
	ATTRIBUTE_LOCATION_TYPE
};

static int set_attribute(void *handle, int attribute, const void *value)
{
	struct sim_pool *pool;
	int result = pool_of(handle, &pool);

	if (result != SIM_OK || value == NULL || attribute < 1)
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&pool->lock);
	if (attribute <= ATTRIBUTE_REUSE_LAST)
		pool->reuse[attribute] = *(const int *)value;
	else if (attribute == ATTRIBUTE_THRESHOLD)
		pool->threshold = *(const uint64_t *)value;
	/* The high marks are only ever set to 0: to begin again. */
	else if (attribute == ATTRIBUTE_RESERVED_HIGH && *(const uint64_t *)value == 0)
		pool->reserved_high = pool->reserved;
	else if (attribute == ATTRIBUTE_USED_HIGH && *(const uint64_t *)value == 0)
		pool->used_high = pool->used;
	else
		result = SIM_INVALID_VALUE;
	pthread_mutex_unlock(&pool->lock);
	return result;
}

static int get_attribute(void *handle, int attribute, void *value)
{
	struct sim_pool *pool;
	int result = pool_of(handle, &pool);

	if (result != SIM_OK || value == NULL || attribute < 1)
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&pool->lock);
	if (attribute <= ATTRIBUTE_REUSE_LAST)
		*(int *)value = pool->reuse[attribute];
	else if (attribute == ATTRIBUTE_THRESHOLD)
		*(uint64_t *)value = pool->threshold;
	else if (attribute == ATTRIBUTE_RESERVED)
		*(uint64_t *)value = pool->reserved;
	else if (attribute == ATTRIBUTE_RESERVED_HIGH)
		*(uint64_t *)value = pool->reserved_high;
	else if (attribute == ATTRIBUTE_USED)
		*(uint64_t *)value = pool->used;
	else if (attribute == ATTRIBUTE_USED_HIGH)
		*(uint64_t *)value = pool->used_high;
	else if (attribute == ATTRIBUTE_TYPE)
		*(int *)value = 1;
	else if (attribute == ATTRIBUTE_HANDLE_TYPES)
		*(int *)value = pool->handle_types;
	else if (attribute == ATTRIBUTE_LOCATION_ID)
		*(int *)value = pool->location_id;
	else if (attribute == ATTRIBUTE_LOCATION_TYPE)
		*(int *)value = pool->location_type;
	else
		result = SIM_INVALID_VALUE;
	pthread_mutex_unlock(&pool->lock);
	return result;
}

static int set_access(void *handle, const struct sim_access *access, size_t count)
{
	struct sim_device *device;
	struct sim_pool *pool;
	int result = pool_of(handle, &pool);

	for (size_t i = 0; result == SIM_OK && i < count; i++) {
		if (access[i].location.type != SIM_LOCATION_DEVICE)
			return SIM_INVALID_VALUE;
		result = sim_device_of(access[i].location.id, &device);
		if (result == SIM_OK)
			pool->access[sim_index_of(device)] = access[i].flags;
	}
	return result;
}

static int get_access(int *flags, void *handle, const struct sim_location *location)
{
	struct sim_device *device;
	struct sim_pool *pool;
	int result = pool_of(handle, &pool);

	if (result == SIM_OK && location->type != SIM_LOCATION_DEVICE)
		result = SIM_INVALID_VALUE;
	if (result == SIM_OK)
		result = sim_device_of(location->id, &device);
	if (result == SIM_OK)
		*flags = pool->access[sim_index_of(device)];
	return result;
}

SIM_PAIR(cuMemAllocAsync, _ptsz, (uint64_t * address, size_t bytes, void *stream),
	 alloc_async(address, bytes, NULL, stream, PER_THREAD))
SIM_PAIR(cuMemAllocFromPoolAsync, _ptsz,
	 (uint64_t * address, size_t bytes, void *pool, void *stream),
	 pool != NULL ? alloc_async(address, bytes, pool, stream, PER_THREAD) : SIM_INVALID_VALUE)
SIM_PAIR(cuMemFreeAsync, _ptsz, (uint64_t address, void *stream),
	 free_async(address, stream, PER_THREAD))
SIM_FN(cuDeviceGetDefaultMemPool, (void **pool, int ordinal), of_device(pool, ordinal, true))
SIM_FN(cuDeviceGetMemPool, (void **pool, int ordinal), of_device(pool, ordinal, false))
SIM_FN(cuDeviceSetMemPool, (int ordinal, void *pool), set_for_device(ordinal, pool))
SIM_FN(cuMemGetDefaultMemPool, (void **pool, struct sim_location *location, int type),
       of_location(pool, location, type, true))
SIM_FN(cuMemGetMemPool, (void **pool, struct sim_location *location, int type),
       of_location(pool, location, type, false))
SIM_FN(cuMemSetMemPool, (struct sim_location * location, int type, void *pool),
       set_for_location(location, type, pool))
SIM_FN(cuMemPoolCreate, (void **pool, const struct sim_pool_properties *properties),
       create(pool, properties))
SIM_FN(cuMemPoolDestroy, (void *pool), destroy(pool))
SIM_FN(cuMemPoolSetAttribute, (void *pool, int attribute, void *value),
       set_attribute(pool, attribute, value))
SIM_FN(cuMemPoolGetAttribute, (void *pool, int attribute, void *value),
       get_attribute(pool, attribute, value))
SIM_FN(cuMemPoolTrimTo, (void *pool, size_t bytes), trim_to(pool, bytes))
SIM_FN(cuMemPoolSetAccess, (void *pool, const struct sim_access *access, size_t count),
       set_access(pool, access, count))
SIM_FN(cuMemPoolGetAccess, (int *flags, void *pool, struct sim_location *location),
       get_access(flags, pool, location))
