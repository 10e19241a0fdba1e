// SPDX-License-Identifier: Apache-2.0
/*
 * Arrays: memory in an order that only the device knows. How many bytes the
 * runtime adds to align them, no call tells.
 */
#include "hip/hip.h"

/* hipChannelFormatDesc: bits of each channel. */
struct channels {
	int bits[4];
	int kind;
};

/* HIP_ARRAY_DESCRIPTOR and HIP_ARRAY3D_DESCRIPTOR. */
struct flat {
	size_t width, height;
	unsigned int format, channels;
};

struct deep {
	size_t width, height, depth;
	unsigned int format, channels, flags;
};

#define LAYERED 0x01u /* and LAYERS of a cube: the depth counts layers, */
#define CUBE    0x04u /* which are not halved from level to level */

static uint64_t bytes_of_channels(const struct channels *told)
{
	uint64_t bits = 0;

	for (int i = 0; told != NULL && i < 4; i++)
		bits += (uint64_t)(told->bits[i] > 0 ? told->bits[i] : 0);
	return bits / 8;
}

static uint64_t halved(size_t side, unsigned int level)
{
	return side >> level != 0 ? side >> level : 1;
}

static uint64_t array_bytes(struct hip_extent size, uint64_t element, unsigned int levels,
			    unsigned int flags)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < levels && i < 32; i++)
		bytes += halved(size.width, i) * halved(size.height, i) *
			 halved(size.depth, (flags & (LAYERED | CUBE)) != 0 ? 0 : i) * element;
	return bytes;
}

static void made(const struct anaros_call *call, int result, const void *array,
		 struct hip_extent size, uint64_t element, unsigned int levels, unsigned int flags)
{
	if (result == HIP_SUCCESS)
		anaros_cuda_array_made((uintptr_t)array, element);
	anaros_device_note(
	    call, &(struct anaros_fields){.kind = ANAROS_KIND_GPU_ALLOC,
					  .status = result,
					  .flags = ANAROS_MEMORY_ARRAY,
					  .object = (uintptr_t)array,
					  .size_bytes = array_bytes(size, element, levels, flags)});
}

#define MADE(out, size, element, levels, flags_)                                                   \
	made(&call, result, DEVICE_OUT(out), size, element, levels, flags_)
#define TOLD(out, size, levels)                                                                    \
	MADE(out, size, bytes_of_channels((const void *)desc), levels, flags)
#define EXTENT(...) ((struct hip_extent){__VA_ARGS__})

HIP_WRAP(hipMallocArray, TOLD(array, EXTENT(width, height, 0), 1))
HIP_WRAP(hipMalloc3DArray, TOLD(array, extent, 1))
HIP_WRAP(hipMallocMipmappedArray, TOLD(mipmappedArray, extent, numLevels))

#define ELEMENT(from) (anaros_cuda_format_bytes((from)->format) * (from)->channels)
/* Nothing is behind a NULL description: the runtime refuses it. */
#define DESCRIBED(type, out, from_, levels, depth_, flags_)                                        \
	static const struct type none;                                                             \
	const struct type *from = (from_) != NULL ? (const void *)(from_) : &none;                 \
	MADE(out, EXTENT(from->width, from->height, depth_), ELEMENT(from), levels, flags_)
#define DEEP(out, from_, levels) DESCRIBED(deep, out, from_, levels, from->depth, from->flags)

HIP_WRAP(hipArrayCreate, DESCRIBED(flat, pHandle, pAllocateArray, 1, 0, 0))
HIP_WRAP(hipArray3DCreate, DEEP(array, pAllocateArray, 1))
HIP_WRAP(hipMipmappedArrayCreate, DEEP(pHandle, pMipmappedArrayDesc, numMipmapLevels))

#define FREE(array_)                                                                               \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_FREE, .flags = ANAROS_MEMORY_ARRAY,                    \
		    .object = (uintptr_t)(array_))

HIP_WRAP(hipFreeArray, FREE(array))
HIP_WRAP(hipArrayDestroy, FREE(array))
HIP_WRAP(hipFreeMipmappedArray, FREE(mipmappedArray))
HIP_WRAP(hipMipmappedArrayDestroy, FREE(hMipmappedArray))
