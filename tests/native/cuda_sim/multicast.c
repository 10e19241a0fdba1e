// SPDX-License-Identifier: Apache-2.0
/*
 * Multicast objects: memory of several devices is bound to them. What is
 * written through one lies in a file of its own: no kernel here can say that
 * it writes to all devices at once.
 */
#include <stdlib.h>
#include <unistd.h>

#include "physical.h"

static struct sim_physical *multicast_of(uint64_t handle)
{
	struct sim_physical *object = sim_physical_of(handle);

	return object != NULL && object->multicast ? object : NULL;
}

static int create(uint64_t *handle, const struct sim_multicast *properties)
{
	struct sim_physical *object;
	struct sim_device *device;
	int fd, result = sim_device_of(0, &device);

	if (result != SIM_OK)
		return result;
	if (handle == NULL || properties == NULL || properties->devices < 1 ||
	    properties->bytes == 0 || properties->bytes % SIM_GRANULARITY != 0 ||
	    properties->flags != 0)
		return SIM_INVALID_VALUE;
	if ((properties->handle_types & ~1ull) != 0)
		return SIM_NOT_SUPPORTED;
	if (properties->devices > SIM_DEVICES)
		return SIM_INVALID_VALUE;
	fd = sim_file_new("anaros-sim-multicast", properties->bytes);
	if (fd < 0)
		return SIM_OUT_OF_MEMORY;
	object = sim_physical_new(device, properties->bytes, fd);
	object->multicast = true;
	object->wanted = properties->devices;
	object->properties.handle_types = (int)properties->handle_types;
	*handle = (uintptr_t)object;
	return SIM_OK;
}

static unsigned int joined(const struct sim_physical *object)
{
	unsigned int count = 0;

	for (int i = 0; i < SIM_DEVICES; i++)
		count += object->joined[i];
	return count;
}

static int add_device(uint64_t handle, int ordinal)
{
	struct sim_physical *object = multicast_of(handle);
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (object == NULL || object->joined[sim_index_of(device)] ||
	    joined(object) == object->wanted)
		return SIM_INVALID_VALUE;
	object->joined[sim_index_of(device)] = true;
	return SIM_OK;
}

static int bind(uint64_t handle, struct sim_device *device, size_t offset, size_t bytes)
{
	struct sim_physical *object = multicast_of(handle);

	if (object == NULL || bytes == 0 || offset + bytes > object->bytes ||
	    bytes % SIM_GRANULARITY != 0 || !object->joined[sim_index_of(device)])
		return SIM_INVALID_VALUE;
	if (joined(object) < object->wanted)
		return SIM_SYSTEM_NOT_READY; /* not all devices have joined */
	object->bound_bytes[sim_index_of(device)] += bytes;
	return SIM_OK;
}

/* `ordinal` -1: the device that the memory is on. */
static int bind_memory(uint64_t handle, int ordinal, size_t offset, uint64_t memory,
		       size_t memory_offset, size_t bytes)
{
	struct sim_physical *physical = sim_physical_of(memory);
	struct sim_device *device;
	int result;

	if (physical == NULL || memory_offset + bytes > physical->bytes)
		return SIM_INVALID_VALUE;
	device = physical->device;
	if (ordinal >= 0) {
		result = sim_device_of(ordinal, &device);
		if (result != SIM_OK)
			return result;
	}
	return bind(handle, device, offset, bytes);
}

static int bind_address(uint64_t handle, int ordinal, size_t offset, uint64_t address, size_t bytes)
{
	struct sim_range range;
	struct sim_device *device;
	int result;

	if (!sim_is_device(address, bytes, &range))
		return SIM_INVALID_VALUE;
	device = range.device;
	if (ordinal >= 0) {
		result = sim_device_of(ordinal, &device);
		if (result != SIM_OK)
			return result;
	}
	return bind(handle, device, offset, bytes);
}

static int unbind(uint64_t handle, int ordinal, size_t bytes)
{
	struct sim_physical *object = multicast_of(handle);
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result != SIM_OK)
		return result;
	if (object == NULL || object->bound_bytes[sim_index_of(device)] < bytes)
		return SIM_INVALID_VALUE;
	object->bound_bytes[sim_index_of(device)] -= bytes;
	return SIM_OK;
}

static int granularity(size_t *out, const struct sim_multicast *properties)
{
	if (out == NULL || properties == NULL)
		return SIM_INVALID_VALUE;
	*out = SIM_GRANULARITY;
	return SIM_OK;
}

SIM_FN(cuMulticastCreate, (uint64_t * handle, const struct sim_multicast *properties),
       create(handle, properties))
SIM_FN(cuMulticastAddDevice, (uint64_t handle, int device), add_device(handle, device))
SIM_FN(cuMulticastBindMem,
       (uint64_t handle, size_t offset, uint64_t memory, size_t memory_offset, size_t bytes,
	unsigned long long flags),
       ((void)flags, bind_memory(handle, -1, offset, memory, memory_offset, bytes)))
SIM_FN(cuMulticastBindMem_v2,
       (uint64_t handle, int device, size_t offset, uint64_t memory, size_t memory_offset,
	size_t bytes, unsigned long long flags),
       ((void)flags, bind_memory(handle, device, offset, memory, memory_offset, bytes)))
SIM_FN(cuMulticastBindAddr,
       (uint64_t handle, size_t offset, uint64_t address, size_t bytes, unsigned long long flags),
       ((void)flags, bind_address(handle, -1, offset, address, bytes)))
SIM_FN(cuMulticastBindAddr_v2,
       (uint64_t handle, int device, size_t offset, uint64_t address, size_t bytes,
	unsigned long long flags),
       ((void)flags, bind_address(handle, device, offset, address, bytes)))
SIM_FN(cuMulticastUnbind, (uint64_t handle, int device, size_t offset, size_t bytes),
       ((void)offset, unbind(handle, device, bytes)))
SIM_FN(cuMulticastGetGranularity,
       (size_t * out, const struct sim_multicast *properties, int option),
       ((void)option, granularity(out, properties)))
