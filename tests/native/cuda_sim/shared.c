// SPDX-License-Identifier: Apache-2.0
/*
 * Memory, events and pools that other processes open. A handle names a file
 * of memory by the process that holds it; the other side opens it through
 * /proc, which the same user may.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared.h"

#define HANDLE_MAGIC 0x616e61726f730001ull

/* In the 64 bytes that callers pass on. */
struct handle {
	uint64_t magic;
	int32_t pid, fd;
	uint64_t bytes, offset;
	uint64_t unused[4];
};

int sim_file_new(const char *name, size_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd >= 0 && bytes != 0 && ftruncate(fd, (off_t)bytes) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int file_of(int pid, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Memory */

/* The pages of an allocation become those of a file, at the same place. */
static int share(struct sim_range *range)
{
	size_t bytes = sim_page_bytes(range->bytes);
	void *memory = (void *)(uintptr_t)range->start;
	int result = sim_context_drain(range->context);
	int fd;

	if (result != SIM_OK)
		return result;
	fd = sim_file_new("anaros-sim-shared", bytes);
	if (fd < 0 || write(fd, memory, bytes) != (ssize_t)bytes)
		goto fail;
	if (mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		goto fail;
	range->shared_fd = fd;
	sim_range_update(range);
	return SIM_OK;
fail:
	if (fd >= 0)
		close(fd);
	return SIM_OUT_OF_MEMORY;
}

static int get_memory(struct handle *handle, uint64_t address)
{
	struct sim_range range;
	int result = SIM_OK;

	if (handle == NULL || !sim_find(address, &range) || range.kind != SIM_MEMORY_DEVICE ||
	    range.pool != NULL || range.array != NULL)
		return SIM_INVALID_VALUE;
	if (range.shared_fd < 0)
		result = share(&range);
	if (result == SIM_OK)
		*handle =
		    (struct handle){HANDLE_MAGIC, getpid(), range.shared_fd, range.bytes, 0, {0}};
	return result;
}

static int open_memory(uint64_t *address, struct handle handle)
{
	struct sim_context *context;
	void *memory;
	int fd, result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	if (address == NULL || handle.magic != HANDLE_MAGIC)
		return SIM_INVALID_VALUE;
	if (handle.pid == getpid())
		return SIM_INVALID_CONTEXT; /* as the real driver: not one's own */
	fd = file_of(handle.pid, handle.fd);
	if (fd < 0)
		return SIM_INVALID_VALUE;
	memory =
	    mmap(NULL, sim_page_bytes(handle.bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return SIM_MAP_FAILED;
	*address = (uintptr_t)memory;
	sim_range_add(&(struct sim_range){.start = *address,
					  .bytes = handle.bytes,
					  .kind = SIM_MEMORY_IMPORTED,
					  .context = context,
					  .device = context->device,
					  .shared_fd = -1});
	return SIM_OK;
}

static int close_memory(uint64_t address)
{
	struct sim_range range;
	int result;

	if (!sim_find(address, &range) || range.start != address ||
	    range.kind != SIM_MEMORY_IMPORTED)
		return SIM_INVALID_VALUE;
	result = sim_context_drain(range.context);
	return result == SIM_OK ? sim_release(address) : result;
}

/* Events */

uint64_t sim_shared_event_record(struct sim_shared_event *event)
{
	return atomic_fetch_add(&event->recorded, 1) + 1;
}

void sim_shared_event_pass(struct sim_shared_event *event, uint64_t number)
{
	atomic_store(&event->passed, number);
}

uint64_t sim_shared_event_recorded(struct sim_shared_event *event)
{
	return atomic_load(&event->recorded);
}

bool sim_shared_event_passed(struct sim_shared_event *event)
{
	return atomic_load(&event->passed) >= atomic_load(&event->recorded);
}

void sim_shared_event_wait(struct sim_shared_event *event, uint64_t number)
{
	while (atomic_load(&event->passed) < number)
		nanosleep(&(struct timespec){0, 20000}, NULL);
}

static struct sim_shared_event *map_event(int fd)
{
	void *memory = mmap(NULL, SIM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

void sim_shared_event_close(struct sim_event *event)
{
	if (event->shared == NULL)
		return;
	munmap(event->shared, SIM_PAGE);
	close(event->shared_fd);
}

static int get_event(struct handle *handle, void *event_handle)
{
	struct sim_event *event;
	int result = sim_event_of(event_handle, &event);

	if (result != SIM_OK)
		return result;
	if (handle == NULL || (event->flags & 4) == 0)
		return SIM_INVALID_VALUE;
	if (event->shared == NULL) {
		int fd = sim_file_new("anaros-sim-event", SIM_PAGE);

		if (fd < 0)
			return SIM_OUT_OF_MEMORY;
		event->shared_fd = fd;
		event->shared = map_event(fd);
	}
	*handle = (struct handle){HANDLE_MAGIC, getpid(), event->shared_fd, SIM_PAGE, 0, {0}};
	return event->shared != NULL ? SIM_OK : SIM_OUT_OF_MEMORY;
}

static int open_event(void **out, struct handle handle)
{
	struct sim_context *context;
	struct sim_event *event;
	int fd, result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	if (out == NULL || handle.magic != HANDLE_MAGIC)
		return SIM_INVALID_VALUE;
	fd = file_of(handle.pid, handle.fd);
	if (fd < 0)
		return SIM_INVALID_VALUE;
	event = calloc(1, sizeof(*event));
	event->magic = SIM_MAGIC_EVENT;
	event->flags = 6;
	event->references = 1;
	event->context = context;
	event->imported = true;
	event->shared_fd = fd;
	event->shared = map_event(fd);
	*out = event;
	return event->shared != NULL ? SIM_OK : SIM_MAP_FAILED;
}

/* Pools */

static int export_pool(int *out, struct sim_pool *pool, int type)
{
	if (pool == NULL || pool->magic != SIM_MAGIC_POOL || out == NULL)
		return SIM_INVALID_VALUE;
	if (type != 1)
		return SIM_NOT_SUPPORTED;
	if (pool->fd < 0)
		return SIM_INVALID_VALUE;
	*out = fcntl(pool->fd, F_DUPFD_CLOEXEC, 0);
	return *out >= 0 ? SIM_OK : SIM_OPERATING_SYSTEM;
}

static int import_pool(void **out, int fd, int type)
{
	struct sim_device *device;
	struct sim_pool *pool;
	struct stat facts;
	int result = sim_device_of(0, &device);

	if (result != SIM_OK)
		return result;
	if (type != 1)
		return SIM_NOT_SUPPORTED;
	if (out == NULL || fstat(fd, &facts) != 0)
		return SIM_INVALID_VALUE;
	pool = sim_pool_new(device);
	pool->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	pool->imported = true;
	*out = pool;
	return SIM_OK;
}

static int export_pointer(struct handle *out, uint64_t address)
{
	struct sim_range range;

	if (out == NULL || !sim_find(address, &range) || range.pool == NULL || range.pool->fd < 0)
		return SIM_INVALID_VALUE;
	*out =
	    (struct handle){HANDLE_MAGIC, getpid(), range.pool->fd, range.bytes, range.offset, {0}};
	return SIM_OK;
}

static int import_pointer(uint64_t *address, struct sim_pool *pool, const struct handle *handle)
{
	struct sim_context *context;
	void *memory;
	int result = sim_current(&context);

	if (result != SIM_OK)
		return result;
	if (address == NULL || pool == NULL || pool->magic != SIM_MAGIC_POOL || !pool->imported ||
	    handle == NULL || handle->magic != HANDLE_MAGIC)
		return SIM_INVALID_VALUE;
	memory = mmap(NULL, sim_page_bytes(handle->bytes), PROT_READ | PROT_WRITE, MAP_SHARED,
		      pool->fd, (off_t)handle->offset);
	if (memory == MAP_FAILED)
		return SIM_MAP_FAILED;
	*address = (uintptr_t)memory;
	pthread_mutex_lock(&pool->lock);
	pool->used += handle->bytes;
	pthread_mutex_unlock(&pool->lock);
	sim_range_add(&(struct sim_range){.start = *address,
					  .bytes = handle->bytes,
					  .kind = SIM_MEMORY_DEVICE,
					  .context = context,
					  .device = pool->device,
					  .pool = pool,
					  .offset = handle->offset,
					  .shared_fd = -1});
	return SIM_OK;
}

SIM_FN(cuIpcGetMemHandle, (void *handle, uint64_t address), get_memory(handle, address))
SIM_FN(cuIpcOpenMemHandle, (uint64_t * address, struct handle handle, unsigned int flags),
       ((void)flags, open_memory(address, handle)))
SIM_FN(cuIpcOpenMemHandle_v2, (uint64_t * address, struct handle handle, unsigned int flags),
       flags != 1 ? SIM_INVALID_VALUE : open_memory(address, handle))
SIM_FN(cuIpcCloseMemHandle, (uint64_t address), close_memory(address))
SIM_FN(cuIpcGetEventHandle, (void *handle, void *event), get_event(handle, event))
SIM_FN(cuIpcOpenEventHandle, (void **event, struct handle handle), open_event(event, handle))
SIM_FN(cuMemPoolExportToShareableHandle,
       (void *out, void *pool, int type, unsigned long long flags),
       ((void)flags, export_pool(out, pool, type)))
SIM_FN(cuMemPoolImportFromShareableHandle,
       (void **out, void *handle, int type, unsigned long long flags),
       ((void)flags, import_pool(out, (int)(intptr_t)handle, type)))
SIM_FN(cuMemPoolExportPointer, (void *out, uint64_t address), export_pointer(out, address))
SIM_FN(cuMemPoolImportPointer, (uint64_t * address, void *pool, void *data),
       import_pointer(address, pool, data))
