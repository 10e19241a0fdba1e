/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: the table of ranges, and who gives it out. */
#ifndef ANAROS_SIM_MEMORY_H
#define ANAROS_SIM_MEMORY_H

#include "queue.h"

#define SIM_PAGE 4096u

enum sim_memory_kind {
	SIM_MEMORY_DEVICE,
	SIM_MEMORY_HOST,
	SIM_MEMORY_REGISTERED,
	SIM_MEMORY_MANAGED,
	SIM_MEMORY_MAPPED,  /* a virtual range with physical memory behind it */
	SIM_MEMORY_IMPORTED /* another process's */
};

struct sim_range {
	uint64_t start;
	size_t bytes;
	enum sim_memory_kind kind;
	unsigned int flags;
	struct sim_context *context;
	struct sim_device *device;
	struct sim_pool *pool;
	struct sim_managed *managed;
	struct sim_array *array;
	struct sim_physical *physical;
	uint64_t id;
	size_t offset; /* in the file of its pool */
	int shared_fd; /* of an IPC handle; -1 */
};

struct sim_array {
	uint32_t magic;
	uint64_t base;
	size_t width, height, depth; /* elements; height and depth at least 1 */
	size_t element_bytes, pitch, slice;
	unsigned int format, channels, flags;
	size_t given_height, given_depth;
};

struct sim_block {
	struct sim_block *next;
	uint64_t address;
	size_t bytes;
	size_t offset; /* in the file of a pool that can be shared */
};

struct sim_pool {
	uint32_t magic;
	struct sim_device *device;
	int location_type, location_id;
	int handle_types;
	int fd; /* the file behind a pool that can be shared; -1 */
	size_t file_bytes;
	bool imported;
	pthread_mutex_t lock;
	struct sim_block *kept;
	uint64_t threshold, reserved, reserved_high, used, used_high;
	int reuse[4];
	int access[SIM_DEVICES];
};

/* ranges.c */
bool sim_find(uint64_t address, struct sim_range *range);
bool sim_is_device(uint64_t address, size_t bytes, struct sim_range *range);
void sim_range_add(const struct sim_range *range);
bool sim_range_remove(uint64_t start, struct sim_range *range);
bool sim_range_update(const struct sim_range *range);
bool sim_range_next(uint64_t from, struct sim_range *range);
bool sim_on_device(const struct sim_range *range);

/* memory.c */
int sim_take(struct sim_device *device, size_t bytes);
void sim_give_back(struct sim_device *device, size_t bytes);
int sim_allocate(struct sim_context *context, enum sim_memory_kind kind, unsigned int flags,
		 size_t bytes, uint64_t *address);
int sim_release(uint64_t address);
size_t sim_page_bytes(size_t bytes);

/* pool.c */
struct sim_pool *sim_pool_new(struct sim_device *device);
void sim_pool_release(const struct sim_range *range);

/* managed.c */
struct sim_managed *sim_managed_new(size_t bytes);
void sim_managed_free(struct sim_managed *managed);
void sim_managed_touch(uint64_t address, size_t bytes, int place, const struct sim_op *op);
size_t sim_managed_evict(struct sim_device *device, size_t bytes);

/* array.c */
int sim_array_of(void *handle, struct sim_array **array);

#endif
