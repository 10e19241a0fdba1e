// SPDX-License-Identifier: Apache-2.0
/*
 * Memory given out and taken back: pages of the host play device memory, and
 * each allocation is counted against its device.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "watch.h"

#define PITCH 512u

size_t sim_page_bytes(size_t bytes)
{
	return (bytes + SIM_PAGE - 1) & ~(size_t)(SIM_PAGE - 1);
}

/* Room on a device; managed memory makes way if it must. */
int sim_take(struct sim_device *device, size_t bytes)
{
	while (atomic_fetch_add(&device->used_bytes, bytes) + bytes > device->total_bytes) {
		atomic_fetch_sub(&device->used_bytes, bytes);
		if (bytes > device->total_bytes || sim_managed_evict(device, bytes) == 0)
			return SIM_OUT_OF_MEMORY;
	}
	return SIM_OK;
}

void sim_give_back(struct sim_device *device, size_t bytes)
{
	atomic_fetch_sub(&device->used_bytes, bytes);
}

int sim_allocate(struct sim_context *context, enum sim_memory_kind kind, unsigned int flags,
		 size_t bytes, uint64_t *address)
{
	struct sim_device *device = context->device;
	struct sim_range range = {0, bytes, kind, flags, context, device, .shared_fd = -1};
	void *memory;

	if (address == NULL || bytes == 0)
		return SIM_INVALID_VALUE;
	if (bytes > (size_t)1 << 46)
		return SIM_OUT_OF_MEMORY;
	if (kind == SIM_MEMORY_DEVICE && sim_take(device, bytes) != SIM_OK)
		return SIM_OUT_OF_MEMORY;
	memory = mmap(NULL, sim_page_bytes(bytes), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		if (kind == SIM_MEMORY_DEVICE)
			sim_give_back(device, bytes);
		return SIM_OUT_OF_MEMORY;
	}
	*address = range.start = (uintptr_t)memory;
	if (kind == SIM_MEMORY_MANAGED)
		range.managed = sim_managed_new(bytes);
	sim_range_add(&range);
	sim_count(SIM_EVENT_allocations, 1);
	sim_count(SIM_EVENT_allocated_bytes, bytes);
	return SIM_OK;
}

/* Gives an allocation back; the work that uses it is over. */
int sim_release(uint64_t address)
{
	struct sim_range range;

	if (!sim_range_remove(address, &range))
		return SIM_INVALID_VALUE;
	sim_count(SIM_EVENT_frees, 1);
	sim_count(SIM_EVENT_freed_bytes, range.bytes);
	if (range.pool != NULL) {
		sim_pool_release(&range);
		return SIM_OK;
	}
	if (range.managed != NULL)
		sim_managed_free(range.managed);
	if (range.kind == SIM_MEMORY_DEVICE)
		sim_give_back(range.device, range.bytes);
	if (range.shared_fd >= 0)
		close(range.shared_fd);
	munmap((void *)(uintptr_t)range.start, sim_page_bytes(range.bytes));
	return SIM_OK;
}

static int alloc(enum sim_memory_kind kind, unsigned int flags, size_t bytes, uint64_t *address)
{
	struct sim_context *context;
	int result = sim_current(&context);

	if (result == SIM_OK)
		result = sim_unsafe();
	return result == SIM_OK ? sim_allocate(context, kind, flags, bytes, address) : result;
}

static int alloc_managed(uint64_t *address, size_t bytes, unsigned int flags)
{
	if (flags != 1 && flags != 2)
		return SIM_INVALID_VALUE;
	return alloc(SIM_MEMORY_MANAGED, flags, bytes, address);
}

static int alloc_pitch(uint64_t *address, size_t *pitch, size_t width, size_t height,
		       unsigned int element)
{
	if (pitch == NULL || width == 0 || height == 0 ||
	    (element != 4 && element != 8 && element != 16))
		return SIM_INVALID_VALUE;
	*pitch = (width + PITCH - 1) & ~(size_t)(PITCH - 1);
	return alloc(SIM_MEMORY_DEVICE, 0, *pitch * height, address);
}

/* Freeing waits for the device, as the real call does. */
static int release_after_work(uint64_t address, bool host)
{
	struct sim_context *context;
	struct sim_range range;
	int result = sim_current(&context);

	if (result == SIM_OK)
		result = sim_unsafe();
	if (result != SIM_OK || address == 0)
		return result;
	if (!sim_find(address, &range) || range.start != address ||
	    (range.kind == SIM_MEMORY_HOST) != host || range.kind == SIM_MEMORY_REGISTERED ||
	    range.kind == SIM_MEMORY_MAPPED || range.kind == SIM_MEMORY_IMPORTED ||
	    range.array != NULL)
		return SIM_INVALID_VALUE;
	result = sim_context_drain(range.context);
	return result == SIM_OK ? sim_release(address) : result;
}

static int host_register(void *memory, size_t bytes, unsigned int flags)
{
	struct sim_context *context;
	struct sim_range range;
	int result = sim_current(&context);

	if (result == SIM_OK)
		result = sim_unsafe();
	if (result != SIM_OK)
		return result;
	if (memory == NULL || bytes == 0)
		return SIM_INVALID_VALUE;
	if (sim_find((uintptr_t)memory, &range) ||
	    (sim_range_next((uintptr_t)memory, &range) && range.start < (uintptr_t)memory + bytes))
		return SIM_HOST_MEMORY_ALREADY_REGISTERED;
	sim_range_add(&(struct sim_range){(uintptr_t)memory, bytes, SIM_MEMORY_REGISTERED, flags,
					  context, context->device, .shared_fd = -1});
	return SIM_OK;
}

static int host_unregister(void *memory)
{
	struct sim_range range;
	int result = sim_unsafe();

	if (result != SIM_OK)
		return result;
	if (!sim_find((uintptr_t)memory, &range) || range.kind != SIM_MEMORY_REGISTERED ||
	    range.start != (uintptr_t)memory)
		return SIM_HOST_MEMORY_NOT_REGISTERED;
	sim_range_remove(range.start, &range);
	return SIM_OK;
}

static bool is_host(const void *memory, struct sim_range *range)
{
	return sim_find((uintptr_t)memory, range) &&
	       (range->kind == SIM_MEMORY_HOST || range->kind == SIM_MEMORY_REGISTERED);
}

static int host_device_pointer(uint64_t *address, void *memory)
{
	struct sim_range range;

	if (address == NULL || !is_host(memory, &range))
		return SIM_INVALID_VALUE;
	*address = (uintptr_t)memory;
	return SIM_OK;
}

static int host_flags(unsigned int *flags, void *memory)
{
	struct sim_range range;

	if (flags == NULL || !is_host(memory, &range))
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
	if (unused != NULL)
		*unused = context->device->total_bytes - atomic_load(&context->device->used_bytes);
	if (total != NULL)
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

SIM_FN(cuMemAlloc_v2, (uint64_t * address, size_t bytes),
       alloc(SIM_MEMORY_DEVICE, 0, bytes, address))
SIM_FN(cuMemAllocPitch_v2,
       (uint64_t * address, size_t *pitch, size_t width, size_t height, unsigned int element),
       alloc_pitch(address, pitch, width, height, element))
SIM_FN(cuMemFree_v2, (uint64_t address), release_after_work(address, false))
SIM_FN(cuMemAllocHost, (void **memory, unsigned int bytes),
       alloc(SIM_MEMORY_HOST, 0, bytes, (uint64_t *)memory))
SIM_FN(cuMemAllocHost_v2, (void **memory, size_t bytes),
       alloc(SIM_MEMORY_HOST, 0, bytes, (uint64_t *)memory))
SIM_FN(cuMemHostAlloc, (void **memory, size_t bytes, unsigned int flags),
       alloc(SIM_MEMORY_HOST, flags, bytes, (uint64_t *)memory))
SIM_FN(cuMemFreeHost, (void *memory), release_after_work((uintptr_t)memory, true))
SIM_FN(cuMemAllocManaged, (uint64_t * address, size_t bytes, unsigned int flags),
       alloc_managed(address, bytes, flags))
SIM_FN(cuMemHostRegister, (void *memory, size_t bytes, unsigned int flags),
       host_register(memory, bytes, flags))
SIM_FN(cuMemHostRegister_v2, (void *memory, size_t bytes, unsigned int flags),
       host_register(memory, bytes, flags))
SIM_FN(cuMemHostUnregister, (void *memory), host_unregister(memory))
SIM_FN(cuMemHostGetDevicePointer_v2, (uint64_t * address, void *memory, unsigned int flags),
       ((void)flags, host_device_pointer(address, memory)))
SIM_FN(cuMemHostGetFlags, (unsigned int *flags, void *memory), host_flags(flags, memory))
SIM_FN(cuMemGetInfo_v2, (size_t * unused, size_t *total), get_info(unused, total))
SIM_FN(cuMemGetAddressRange_v2, (uint64_t * start, size_t *bytes, uint64_t address),
       get_address_range(start, bytes, address))
