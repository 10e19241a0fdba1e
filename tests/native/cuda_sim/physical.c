// SPDX-License-Identifier: Apache-2.0
/*
 * Virtual memory by hand: ranges are reserved, physical memory is a file, and
 * mapping one on the other is a mapping of that file. What is not mapped, or
 * not allowed, faults for real.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "physical.h"
#include "watch.h"

struct reservation {
	struct reservation *next;
	uint64_t start;
	size_t bytes;
};

static struct reservation *reservations;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct sim_physical *sim_physical_of(uint64_t handle)
{
	struct sim_physical *physical = (void *)(uintptr_t)handle;

	return physical != NULL && physical->magic == SIM_MAGIC_PHYSICAL ? physical : NULL;
}

struct sim_physical *sim_physical_new(struct sim_device *device, size_t bytes, int fd)
{
	struct sim_physical *physical = calloc(1, sizeof(*physical));

	physical->magic = SIM_MAGIC_PHYSICAL;
	physical->device = device;
	physical->bytes = bytes;
	physical->fd = fd;
	physical->references = 1;
	physical->properties.type = 1;
	physical->properties.location.type = SIM_LOCATION_DEVICE;
	physical->properties.location.id = sim_ordinal_of(device);
	return physical;
}

/* Called with `lock`: by the handle's release and the last unmapping. */
static void drop(struct sim_physical *physical)
{
	if (--physical->references > 0)
		return;
	if (physical->counted)
		sim_give_back(physical->device, physical->bytes);
	close(physical->fd);
	physical->magic = 0;
	free(physical);
}

static bool aligned(uint64_t value)
{
	return value % SIM_GRANULARITY == 0;
}

static int reserve(uint64_t *address, size_t bytes, size_t alignment, uint64_t hint)
{
	size_t room = bytes + (alignment > SIM_GRANULARITY ? alignment : SIM_GRANULARITY);
	struct reservation *reservation;
	uint64_t start, aligned_start;
	void *memory;

	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (address == NULL || bytes == 0 || !aligned(bytes) || (alignment & (alignment - 1)) != 0)
		return SIM_INVALID_VALUE;
	memory = mmap((void *)(uintptr_t)hint, room, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return SIM_OUT_OF_MEMORY;
	start = (uintptr_t)memory;
	alignment = room - bytes;
	aligned_start = (start + alignment - 1) & ~(uint64_t)(alignment - 1);
	if (aligned_start > start)
		munmap(memory, aligned_start - start);
	if (start + room > aligned_start + bytes)
		munmap((void *)(uintptr_t)(aligned_start + bytes),
		       start + room - aligned_start - bytes);
	reservation = calloc(1, sizeof(*reservation));
	reservation->start = *address = aligned_start;
	reservation->bytes = bytes;
	pthread_mutex_lock(&lock);
	reservation->next = reservations;
	reservations = reservation;
	pthread_mutex_unlock(&lock);
	return SIM_OK;
}

static int unreserve(uint64_t address, size_t bytes)
{
	struct sim_range range;
	int result = SIM_INVALID_VALUE;

	if (sim_range_next(address, &range) && range.start < address + bytes)
		return SIM_INVALID_VALUE; /* something is mapped there still */
	pthread_mutex_lock(&lock);
	for (struct reservation **link = &reservations; *link != NULL; link = &(*link)->next) {
		struct reservation *reservation = *link;

		if (reservation->start != address || reservation->bytes != bytes)
			continue;
		*link = reservation->next;
		munmap((void *)(uintptr_t)address, bytes);
		free(reservation);
		result = SIM_OK;
		break;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

static int create(uint64_t *handle, size_t bytes, const struct sim_allocation *properties)
{
	struct sim_physical *physical;
	struct sim_device *device;
	int fd, result;

	if (handle == NULL || properties == NULL || bytes == 0 || !aligned(bytes) ||
	    properties->type != 1)
		return SIM_INVALID_VALUE;
	if ((properties->handle_types & ~1) != 0)
		return SIM_NOT_SUPPORTED; /* files are the only way out of a process */
	result = sim_device_of(
	    properties->location.type == SIM_LOCATION_DEVICE ? properties->location.id : 0,
	    &device);
	if (result != SIM_OK)
		return result;
	if (properties->location.type == SIM_LOCATION_DEVICE && sim_take(device, bytes) != SIM_OK)
		return SIM_OUT_OF_MEMORY;
	fd = sim_file_new("anaros-sim-memory", bytes);
	if (fd < 0) {
		if (properties->location.type == SIM_LOCATION_DEVICE)
			sim_give_back(device, bytes);
		return SIM_OUT_OF_MEMORY;
	}
	physical = sim_physical_new(device, bytes, fd);
	physical->properties = *properties;
	physical->counted = properties->location.type == SIM_LOCATION_DEVICE;
	*handle = (uintptr_t)physical;
	sim_count(SIM_EVENT_allocations, 1);
	sim_count(SIM_EVENT_allocated_bytes, bytes);
	return SIM_OK;
}

static int release(uint64_t handle)
{
	struct sim_physical *physical = sim_physical_of(handle);

	if (physical == NULL)
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	if (!physical->multicast && !physical->imported && physical->references == 1) {
		sim_count(SIM_EVENT_frees, 1);
		sim_count(SIM_EVENT_freed_bytes, physical->bytes);
	}
	drop(physical);
	pthread_mutex_unlock(&lock);
	return SIM_OK;
}

static bool is_reserved(uint64_t address, size_t bytes)
{
	struct reservation *reservation;

	pthread_mutex_lock(&lock);
	for (reservation = reservations; reservation != NULL; reservation = reservation->next)
		if (address >= reservation->start &&
		    address + bytes <= reservation->start + reservation->bytes)
			break;
	pthread_mutex_unlock(&lock);
	return reservation != NULL;
}

static int map(uint64_t address, size_t bytes, size_t offset, uint64_t handle)
{
	struct sim_physical *physical = sim_physical_of(handle);
	struct sim_context *context = NULL;
	struct sim_range range;
	void *memory;

	if (physical == NULL || bytes == 0 || !aligned(bytes) || !aligned(address) ||
	    offset + bytes > physical->bytes || !is_reserved(address, bytes))
		return SIM_INVALID_VALUE;
	if (sim_range_next(address, &range) && range.start < address + bytes)
		return SIM_INVALID_VALUE;
	memory = mmap((void *)(uintptr_t)address, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED,
		      physical->fd, (off_t)offset);
	if (memory == MAP_FAILED)
		return SIM_MAP_FAILED;
	sim_current(&context);
	if (context == NULL)
		context = physical->device->primary;
	pthread_mutex_lock(&lock);
	physical->references++;
	pthread_mutex_unlock(&lock);
	sim_range_add(&(struct sim_range){.start = address,
					  .bytes = bytes,
					  .kind = SIM_MEMORY_MAPPED,
					  .context = context,
					  .device = physical->device,
					  .physical = physical,
					  .offset = offset,
					  .shared_fd = -1});
	return SIM_OK;
}

/* Whole mappings, one or more of them, side by side. */
static int unmap(uint64_t address, size_t bytes)
{
	struct sim_range range;

	for (uint64_t at = address; at < address + bytes; at += range.bytes)
		if (!sim_find(at, &range) || range.start != at || range.kind != SIM_MEMORY_MAPPED ||
		    at + range.bytes > address + bytes)
			return SIM_INVALID_VALUE;
	for (uint64_t at = address; at < address + bytes; at += range.bytes) {
		sim_range_remove(at, &range);
		mmap((void *)(uintptr_t)at, range.bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		pthread_mutex_lock(&lock);
		drop(range.physical);
		pthread_mutex_unlock(&lock);
	}
	return SIM_OK;
}

static int set_access(uint64_t address, size_t bytes, const struct sim_access *access, size_t count)
{
	static const int protections[] = {PROT_NONE, PROT_READ, 0, PROT_READ | PROT_WRITE};
	struct sim_range range;

	if (access == NULL || count == 0 || bytes == 0)
		return SIM_INVALID_VALUE;
	for (uint64_t at = address; at < address + bytes; at = range.start + range.bytes)
		if (!sim_find(at, &range) || range.kind != SIM_MEMORY_MAPPED)
			return SIM_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		struct sim_device *device;
		int flags = access[i].flags;

		if (flags < 0 || flags > 3 || flags == 2)
			return SIM_INVALID_VALUE;
		if (access[i].location.type == SIM_LOCATION_DEVICE &&
		    sim_device_of(access[i].location.id, &device) != SIM_OK)
			return SIM_INVALID_DEVICE;
		for (uint64_t at = address; at < address + bytes; at = range.start + range.bytes) {
			sim_find(at, &range);
			range.flags = (unsigned int)flags;
			sim_range_update(&range);
		}
		if (mprotect((void *)(uintptr_t)address, bytes, protections[flags]) != 0)
			return SIM_INVALID_VALUE;
	}
	return SIM_OK;
}

static int get_access(unsigned long long *flags, const struct sim_location *location,
		      uint64_t address)
{
	struct sim_range range;

	if (flags == NULL || location == NULL || !sim_find(address, &range) ||
	    range.kind != SIM_MEMORY_MAPPED)
		return SIM_INVALID_VALUE;
	*flags = range.flags;
	return SIM_OK;
}

static int granularity(size_t *out, const struct sim_allocation *properties)
{
	if (out == NULL || properties == NULL)
		return SIM_INVALID_VALUE;
	*out = SIM_GRANULARITY;
	return SIM_OK;
}

static int properties_of(struct sim_allocation *out, uint64_t handle)
{
	struct sim_physical *physical = sim_physical_of(handle);

	if (physical == NULL || out == NULL)
		return SIM_INVALID_VALUE;
	*out = physical->properties;
	return SIM_OK;
}

static int retain(uint64_t *handle, uint64_t address)
{
	struct sim_range range;

	if (handle == NULL || !sim_find(address, &range) || range.physical == NULL)
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	range.physical->references++;
	pthread_mutex_unlock(&lock);
	*handle = (uintptr_t)range.physical;
	return SIM_OK;
}

static int export_handle(int *out, uint64_t handle, int type)
{
	struct sim_physical *physical = sim_physical_of(handle);

	if (physical == NULL || out == NULL)
		return SIM_INVALID_VALUE;
	if (type != 1)
		return SIM_NOT_SUPPORTED;
	if ((physical->properties.handle_types & 1) == 0)
		return SIM_INVALID_VALUE;
	*out = fcntl(physical->fd, F_DUPFD_CLOEXEC, 0);
	return *out >= 0 ? SIM_OK : SIM_OPERATING_SYSTEM;
}

static int import_handle(uint64_t *handle, void *os_handle, int type)
{
	struct sim_physical *physical;
	struct sim_device *device;
	struct stat facts;
	int fd, result = sim_device_of(0, &device);

	if (result != SIM_OK)
		return result;
	if (type != 1)
		return SIM_NOT_SUPPORTED;
	if (handle == NULL || fstat((int)(intptr_t)os_handle, &facts) != 0)
		return SIM_INVALID_VALUE;
	fd = fcntl((int)(intptr_t)os_handle, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return SIM_OPERATING_SYSTEM;
	physical = sim_physical_new(device, (size_t)facts.st_size, fd);
	physical->properties.handle_types = 1;
	physical->imported = true;
	*handle = (uintptr_t)physical;
	return SIM_OK;
}

SIM_FN(cuMemAddressReserve,
       (uint64_t * address, size_t bytes, size_t alignment, uint64_t hint,
	unsigned long long flags),
       flags != 0 ? SIM_INVALID_VALUE : reserve(address, bytes, alignment, hint))
SIM_FN(cuMemAddressFree, (uint64_t address, size_t bytes), unreserve(address, bytes))
SIM_FN(cuMemCreate,
       (uint64_t * handle, size_t bytes, const struct sim_allocation *properties,
	unsigned long long flags),
       flags != 0 ? SIM_INVALID_VALUE : create(handle, bytes, properties))
SIM_FN(cuMemRelease, (uint64_t handle), release(handle))
SIM_FN(cuMemMap,
       (uint64_t address, size_t bytes, size_t offset, uint64_t handle, unsigned long long flags),
       flags != 0 ? SIM_INVALID_VALUE : map(address, bytes, offset, handle))
SIM_FN(cuMemUnmap, (uint64_t address, size_t bytes), unmap(address, bytes))
SIM_FN(cuMemSetAccess,
       (uint64_t address, size_t bytes, const struct sim_access *access, size_t count),
       set_access(address, bytes, access, count))
SIM_FN(cuMemGetAccess,
       (unsigned long long *flags, const struct sim_location *location, uint64_t address),
       get_access(flags, location, address))
SIM_FN(cuMemGetAllocationGranularity,
       (size_t * out, const struct sim_allocation *properties, int option),
       ((void)option, granularity(out, properties)))
SIM_FN(cuMemGetAllocationPropertiesFromHandle, (struct sim_allocation * out, uint64_t handle),
       properties_of(out, handle))
SIM_FN(cuMemRetainAllocationHandle, (uint64_t * handle, void *address),
       retain(handle, (uintptr_t)address))
SIM_FN(cuMemExportToShareableHandle,
       (void *out, uint64_t handle, int type, unsigned long long flags),
       ((void)flags, export_handle(out, handle, type)))
SIM_FN(cuMemImportFromShareableHandle, (uint64_t * handle, void *os_handle, int type),
       import_handle(handle, os_handle, type))
