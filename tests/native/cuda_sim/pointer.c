// SPDX-License-Identifier: Apache-2.0
/* What can be asked of a pointer. */
#include <string.h>

#include "memory.h"

enum attribute {
	ATTRIBUTE_CONTEXT = 1,
	ATTRIBUTE_TYPE,
	ATTRIBUTE_DEVICE_POINTER,
	ATTRIBUTE_HOST_POINTER,
	ATTRIBUTE_P2P_TOKENS,
	ATTRIBUTE_SYNC_MEMOPS,
	ATTRIBUTE_BUFFER_ID,
	ATTRIBUTE_IS_MANAGED,
	ATTRIBUTE_ORDINAL,
	ATTRIBUTE_IPC_CAPABLE,
	ATTRIBUTE_START,
	ATTRIBUTE_SIZE,
	ATTRIBUTE_MAPPED,
	ATTRIBUTE_HANDLE_TYPES,
	ATTRIBUTE_RDMA,
	ATTRIBUTE_ACCESS,
	ATTRIBUTE_POOL,
	ATTRIBUTE_MAPPING_SIZE,
	ATTRIBUTE_MAPPING_START,
	ATTRIBUTE_BLOCK_ID,
	ATTRIBUTES
};

static int fact(const struct sim_range *range, int attribute, uint64_t address, void *out)
{
	bool on_device = sim_on_device(range);

	switch (attribute) {
	case ATTRIBUTE_CONTEXT:
		*(void **)out = range->pool == NULL ? range->context : NULL;
		return SIM_OK;
	case ATTRIBUTE_TYPE:
		*(unsigned int *)out = on_device ? SIM_TYPE_DEVICE : SIM_TYPE_HOST;
		return SIM_OK;
	case ATTRIBUTE_DEVICE_POINTER:
		*(uint64_t *)out = address;
		return SIM_OK;
	case ATTRIBUTE_HOST_POINTER:
		if (on_device && range->kind != SIM_MEMORY_MANAGED)
			return SIM_INVALID_VALUE;
		*(uint64_t *)out = address;
		return SIM_OK;
	case ATTRIBUTE_SYNC_MEMOPS:
		*(int *)out = (range->flags & 0x80000000u) != 0;
		return SIM_OK;
	case ATTRIBUTE_BUFFER_ID:
	case ATTRIBUTE_BLOCK_ID:
		*(uint64_t *)out = range->id;
		return SIM_OK;
	case ATTRIBUTE_IS_MANAGED:
		*(int *)out = range->kind == SIM_MEMORY_MANAGED;
		return SIM_OK;
	case ATTRIBUTE_ORDINAL:
		*(int *)out = sim_ordinal_of(range->device);
		return SIM_OK;
	case ATTRIBUTE_IPC_CAPABLE:
		*(int *)out = range->kind == SIM_MEMORY_DEVICE && range->pool == NULL;
		return SIM_OK;
	case ATTRIBUTE_START:
	case ATTRIBUTE_MAPPING_START:
		*(uint64_t *)out = range->start;
		return SIM_OK;
	case ATTRIBUTE_SIZE:
	case ATTRIBUTE_MAPPING_SIZE:
		*(size_t *)out = range->bytes;
		return SIM_OK;
	case ATTRIBUTE_MAPPED:
		*(int *)out = 1;
		return SIM_OK;
	case ATTRIBUTE_HANDLE_TYPES:
		*(uint64_t *)out =
		    range->physical != NULL || (range->pool != NULL && range->pool->fd >= 0);
		return SIM_OK;
	case ATTRIBUTE_RDMA:
		*(int *)out = 0;
		return SIM_OK;
	case ATTRIBUTE_ACCESS:
		*(int *)out = 3;
		return SIM_OK;
	case ATTRIBUTE_POOL:
		*(void **)out = range->pool;
		return SIM_OK;
	default:
		return SIM_NOT_SUPPORTED;
	}
}

static int get(void *out, int attribute, uint64_t address)
{
	struct sim_range range;

	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (out == NULL || attribute < ATTRIBUTE_CONTEXT || !sim_find(address, &range))
		return SIM_INVALID_VALUE;
	return fact(&range, attribute, address, out);
}

static size_t size_of(int attribute)
{
	switch (attribute) {
	case ATTRIBUTE_TYPE:
	case ATTRIBUTE_SYNC_MEMOPS:
	case ATTRIBUTE_IS_MANAGED:
	case ATTRIBUTE_ORDINAL:
	case ATTRIBUTE_IPC_CAPABLE:
	case ATTRIBUTE_MAPPED:
	case ATTRIBUTE_RDMA:
	case ATTRIBUTE_ACCESS:
		return sizeof(int);
	default:
		return sizeof(uint64_t);
	}
}

/* An unknown pointer is no error here: its facts are zeros, device -2. */
static int get_many(unsigned int count, const int *attributes, void **out, uint64_t address)
{
	struct sim_range range;
	bool known;

	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (count == 0 || attributes == NULL || out == NULL)
		return SIM_INVALID_VALUE;
	known = sim_find(address, &range);
	for (unsigned int i = 0; i < count; i++) {
		if (attributes[i] < ATTRIBUTE_CONTEXT || attributes[i] >= ATTRIBUTES)
			return SIM_INVALID_VALUE;
		if (known && fact(&range, attributes[i], address, out[i]) == SIM_OK)
			continue;
		memset(out[i], 0, size_of(attributes[i]));
		if (!known && attributes[i] == ATTRIBUTE_ORDINAL)
			*(int *)out[i] = -2;
	}
	return SIM_OK;
}

static int set(const void *value, int attribute, uint64_t address)
{
	struct sim_range range;

	if (value == NULL || attribute != ATTRIBUTE_SYNC_MEMOPS || !sim_find(address, &range))
		return SIM_INVALID_VALUE;
	range.flags &= ~0x80000000u;
	if (*(const int *)value != 0)
		range.flags |= 0x80000000u;
	return sim_range_update(&range) ? SIM_OK : SIM_INVALID_VALUE;
}

SIM_FN(cuPointerGetAttribute, (void *out, int attribute, uint64_t address),
       get(out, attribute, address))
SIM_FN(cuPointerGetAttributes, (unsigned int count, int *attributes, void **out, uint64_t address),
       get_many(count, attributes, out, address))
SIM_FN(cuPointerSetAttribute, (const void *value, int attribute, uint64_t address),
       set(value, attribute, address))
