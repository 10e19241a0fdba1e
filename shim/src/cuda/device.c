// SPDX-License-Identifier: Apache-2.0
/*
 * The device map of the control page: which devices a program counts, and in
 * which order. Only the enumeration is changed. Name, UUID, attributes and
 * contexts go by the handle that cuDeviceGet gave, so they stay in step.
 */
#include "cuda/cuda.h"

static const struct anaros_device_map *device_map(void)
{
	return &anaros_control->cuda;
}

static bool map_is_active(void)
{
	return unlikely(__atomic_load_n(&device_map()->active, __ATOMIC_ACQUIRE) != 0);
}

/* How many entries of the map the driver has. */
static int mapped_count(int real_count)
{
	const struct anaros_device_map *map = device_map();
	uint32_t entries = map->count < ANAROS_DEVICES_MAX ? map->count : ANAROS_DEVICES_MAX;
	int count = 0;

	for (uint32_t i = 0; i < entries; i++)
		count += map->order[i] < real_count;
	return count;
}

/* The driver's ordinal behind the program's; -1: the program has no such
 * device. */
static int real_ordinal(int real_count, int ordinal)
{
	const struct anaros_device_map *map = device_map();
	uint32_t entries = map->count < ANAROS_DEVICES_MAX ? map->count : ANAROS_DEVICES_MAX;

	for (uint32_t i = 0; i < entries; i++)
		if (map->order[i] < real_count && ordinal-- == 0)
			return map->order[i];
	return -1;
}

typedef int (*count_function)(int *);
typedef int (*get_function)(int *, int);
typedef int (*bus_function)(int *, const char *);

/* The enumeration calls lean on each other, so the driver's own are asked. */
static int real_count(int *count)
{
	count_function real = (count_function)anaros_cuda_driver_symbol("cuDeviceGetCount");

	return real != NULL ? real(count) : CUDA_ERROR_SHARED_OBJECT_NO_SYMBOL;
}

static int device_count(count_function real, int *count)
{
	int result = real(count);

	if (result == CUDA_SUCCESS && map_is_active() && count != NULL)
		*count = mapped_count(*count);
	return result;
}

static int device_get(get_function real, int *handle, int ordinal)
{
	int count;

	if (!map_is_active() || ordinal < 0 || real_count(&count) != CUDA_SUCCESS)
		return real(handle, ordinal);
	ordinal = real_ordinal(count, ordinal);
	return ordinal >= 0 ? real(handle, ordinal) : CUDA_ERROR_INVALID_DEVICE;
}

static int device_by_bus(bus_function real, int *handle, const char *bus)
{
	get_function get = NULL;
	int result = real(handle, bus);
	int count, other;

	if (result != CUDA_SUCCESS || !map_is_active() || real_count(&count) != CUDA_SUCCESS)
		return result;
	get = (get_function)anaros_cuda_driver_symbol("cuDeviceGet");
	for (int i = 0; get != NULL && i < mapped_count(count); i++)
		if (get(&other, real_ordinal(count, i)) == CUDA_SUCCESS && other == *handle)
			return CUDA_SUCCESS;
	return CUDA_ERROR_INVALID_DEVICE;
}

/* `function` gets the real one before the arguments. */
#define WITH_REAL(...) (real, __VA_ARGS__)

#define MAPPED_ENTRY(linkage, entry, real_of, symbol, function, parameters, arguments)             \
	linkage int entry parameters;                                                              \
	linkage int entry parameters                                                               \
	{                                                                                          \
		int(*real) parameters = (__typeof__(real))real_of(ANAROS_CUDA_##symbol);           \
                                                                                                   \
		if (unlikely(real == NULL))                                                        \
			return CUDA_ERROR_SHARED_OBJECT_NO_SYMBOL;                                 \
		return function WITH_REAL arguments;                                               \
	}

#define MAPPED_BOTH(symbol, function, parameters, arguments)                                       \
	MAPPED_ENTRY(EXPORT, symbol, anaros_cuda_real_next, symbol, function, parameters,          \
		     arguments)                                                                    \
	MAPPED_ENTRY(, anaros_found_##symbol, anaros_cuda_real_found, symbol, function,            \
		     parameters, arguments)
#define MAPPED_WITH_ABI(symbol, function, abi) MAPPED_BOTH(symbol, function, abi)
#define MAPPED(symbol, function)               MAPPED_WITH_ABI(symbol, function, CUDA_ABI_##symbol)

MAPPED(cuDeviceGetCount, device_count)
MAPPED(cuDeviceGet, device_get)
MAPPED(cuDeviceGetByPCIBusId, device_by_bus)
