// SPDX-License-Identifier: Apache-2.0
/* Memory that nodes of graphs have: there until the last copy of the node goes. */
#include <stdlib.h>

#include "memory.h"

int sim_node_alloc(struct sim_node *node, struct sim_context *context, size_t bytes)
{
	struct sim_lease *lease = calloc(1, sizeof(*lease));
	int result = sim_allocate(context, SIM_MEMORY_DEVICE, 0, bytes, &lease->address);
	uint64_t all, high;

	if (result != SIM_OK) {
		free(lease);
		return result;
	}
	lease->references = 1;
	lease->bytes = bytes;
	lease->device = context->device;
	all = atomic_fetch_add(&lease->device->graph_bytes, bytes) + bytes;
	high = atomic_load(&lease->device->graph_bytes_high);
	while (high < all &&
	       !atomic_compare_exchange_weak(&lease->device->graph_bytes_high, &high, all))
		;
	node->lease = lease;
	node->address = lease->address;
	return SIM_OK;
}

void sim_lease_drop(struct sim_lease *lease)
{
	if (atomic_fetch_sub(&lease->references, 1) > 1)
		return;
	atomic_fetch_sub(&lease->device->graph_bytes, lease->bytes);
	sim_release(lease->address);
	free(lease);
}

/* 0 used, 2 reserved, 1 and 3 the most of each: what is used is what is reserved. */
static int get(int ordinal, int attribute, uint64_t *value)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (value == NULL || attribute < 0 || attribute > 3)
		return SIM_INVALID_VALUE;
	*value = atomic_load(attribute % 2 == 0 ? &device->graph_bytes : &device->graph_bytes_high);
	return SIM_OK;
}

/* Only the most, and only to 0: to begin again. */
static int set(int ordinal, int attribute, const uint64_t *value)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (value == NULL || *value != 0 || (attribute != 1 && attribute != 3))
		return SIM_INVALID_VALUE;
	atomic_store(&device->graph_bytes_high, atomic_load(&device->graph_bytes));
	return SIM_OK;
}

static int trim(int ordinal)
{
	struct sim_device *device;

	return sim_device_of(ordinal, &device); /* nothing is kept */
}

SIM_FN(cuDeviceGetGraphMemAttribute, (int device, int attribute, void *value),
       get(device, attribute, value))
SIM_FN(cuDeviceSetGraphMemAttribute, (int device, int attribute, void *value),
       set(device, attribute, value))
SIM_FN(cuDeviceGraphMemTrim, (int device), trim(device))
