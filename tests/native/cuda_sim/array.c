// SPDX-License-Identifier: Apache-2.0
/* Arrays: rows of elements in device memory, known by a handle. */
#include <stdlib.h>
#include <sys/mman.h>

#include "memory.h"

/* The layouts of the driver's own descriptors. */
struct descriptor {
	size_t width, height;
	unsigned int format, channels;
};

struct descriptor_3d {
	size_t width, height, depth;
	unsigned int format, channels, flags;
};

int sim_array_of(void *handle, struct sim_array **array)
{
	*array = handle;
	return handle != NULL && (*array)->magic == SIM_MAGIC_ARRAY ? SIM_OK : SIM_INVALID_HANDLE;
}

static size_t format_bytes(unsigned int format)
{
	switch (format) {
	case 0x01: /* 8 bits, without and with a sign */
	case 0x08:
		return 1;
	case 0x02: /* 16 bits, and half */
	case 0x09:
	case 0x10:
		return 2;
	case 0x03: /* 32 bits, and float */
	case 0x0a:
	case 0x20:
		return 4;
	default:
		return 0;
	}
}

static int create(void **handle, const struct descriptor_3d *what)
{
	struct sim_context *context;
	struct sim_array *array;
	struct sim_range range;
	int result = sim_current(&context);

	if (result == SIM_OK)
		result = sim_unsafe();
	if (result != SIM_OK)
		return result;
	if (handle == NULL || what->width == 0 || format_bytes(what->format) == 0 ||
	    (what->channels != 1 && what->channels != 2 && what->channels != 4))
		return SIM_INVALID_VALUE;
	array = calloc(1, sizeof(*array));
	*array = (struct sim_array){
	    .magic = SIM_MAGIC_ARRAY,
	    .width = what->width,
	    .height = what->height != 0 ? what->height : 1,
	    .depth = what->depth != 0 ? what->depth : 1,
	    .element_bytes = format_bytes(what->format) * what->channels,
	    .format = what->format,
	    .channels = what->channels,
	    .flags = what->flags,
	    .given_height = what->height,
	    .given_depth = what->depth,
	};
	array->pitch = array->width * array->element_bytes;
	array->slice = array->pitch * array->height;
	result =
	    sim_allocate(context, SIM_MEMORY_DEVICE, 0, array->slice * array->depth, &array->base);
	if (result != SIM_OK) {
		free(array);
		return result;
	}
	sim_find(array->base, &range);
	range.array = array;
	sim_range_update(&range);
	*handle = array;
	return SIM_OK;
}

static int create_2d(void **handle, const struct descriptor *what)
{
	if (what == NULL)
		return SIM_INVALID_VALUE;
	return create(handle, &(struct descriptor_3d){what->width, what->height, 0, what->format,
						      what->channels, 0});
}

static int destroy(void *handle)
{
	struct sim_context *context;
	struct sim_array *array;
	int result = sim_current(&context);

	if (result == SIM_OK)
		result = sim_unsafe();
	if (result == SIM_OK)
		result = sim_array_of(handle, &array);
	if (result == SIM_OK)
		result = sim_context_drain(context);
	if (result != SIM_OK)
		return result;
	array->magic = 0;
	result = sim_release(array->base);
	free(array);
	return result;
}

static int describe(struct descriptor *out, void *handle)
{
	struct sim_array *array;
	int result = sim_array_of(handle, &array);

	if (result == SIM_OK)
		*out = (struct descriptor){array->width, array->given_height, array->format,
					   array->channels};
	return result;
}

static int describe_3d(struct descriptor_3d *out, void *handle)
{
	struct sim_array *array;
	int result = sim_array_of(handle, &array);

	if (result == SIM_OK)
		*out =
		    (struct descriptor_3d){array->width,  array->given_height, array->given_depth,
					   array->format, array->channels,     array->flags};
	return result;
}

SIM_FN(cuArrayCreate_v2, (void **array, const void *what), create_2d(array, what))
SIM_FN(cuArray3DCreate_v2, (void **array, const void *what),
       what == NULL ? SIM_INVALID_VALUE : create(array, what))
SIM_FN(cuArrayDestroy, (void *array), destroy(array))
SIM_FN(cuArrayGetDescriptor_v2, (void *out, void *array), describe(out, array))
SIM_FN(cuArray3DGetDescriptor_v2, (void *out, void *array), describe_3d(out, array))
