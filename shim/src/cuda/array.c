// SPDX-License-Identifier: Apache-2.0
/*
 * Arrays: memory in an order that only the device knows. Copies of them are
 * counted in elements, so the size of an element is remembered.
 */
#include "cuda/cuda.h"

/* The driver's CUDA_ARRAY_DESCRIPTOR and CUDA_ARRAY3D_DESCRIPTOR, in both ABIs.
 */
struct flat {
	size_t width, height;
	unsigned int format, channels;
};

struct flat_old {
	unsigned int width, height, format, channels;
};

struct deep {
	size_t width, height, depth;
	unsigned int format, channels, flags;
};

struct deep_old {
	unsigned int width, height, depth, format, channels, flags;
};

#define SPARSE_OR_LATER 0xc0u /* of flags: no memory of its own yet */
#define KNOWN_ARRAYS    256u

static struct array {
	uint64_t handle;
	uint64_t element_bytes;
} arrays[KNOWN_ARRAYS];

static struct array *slot_of(uint64_t handle)
{
	return &arrays[(handle * 0x9e3779b97f4a7c15ull) >> 56];
}

/* A slot taken over in between gives another array's answer, no worse. */
void anaros_cuda_array_made(uint64_t handle, uint64_t element_bytes)
{
	struct array *slot = slot_of(handle);

	if (handle == 0)
		return;
	__atomic_store_n(&slot->element_bytes, element_bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->handle, handle, __ATOMIC_RELEASE);
}

uint64_t anaros_cuda_element_bytes(const void *array)
{
	const struct array *slot = slot_of((uintptr_t)array);
	uint64_t bytes = 0;

	if (__atomic_load_n(&slot->handle, __ATOMIC_ACQUIRE) == (uintptr_t)array)
		bytes = __atomic_load_n(&slot->element_bytes, __ATOMIC_RELAXED);
	return bytes != 0 ? bytes : 1;
}

uint64_t anaros_cuda_format_bytes(unsigned int format)
{
	static const unsigned char sizes[] = {
	    [0x01] = 1, [0x02] = 2, [0x03] = 4, [0x08] = 1,
	    [0x09] = 2, [0x0a] = 4, [0x10] = 2, [0x20] = 4,
	};

	/* UNORM and SNORM name the channels too: the descriptor counts them as well.
	 */
	if (format >= 0xc0 && format <= 0xcb)
		return (format - 0xc0) % 6 < 3 ? 1 : 2;
	return format < sizeof(sizes) ? sizes[format] : 0;
}

/* 0: not told. */
static uint64_t array_bytes(struct deep what, unsigned int levels)
{
	uint64_t element = anaros_cuda_format_bytes(what.format) * what.channels, bytes = 0;

	if ((what.flags & SPARSE_OR_LATER) != 0)
		return 0;
	for (unsigned int i = 0; i < levels && i < 32; i++) {
		uint64_t height = what.height >> i, depth = what.depth >> i;

		bytes += (what.width >> i ? what.width >> i : 1) * (height != 0 ? height : 1) *
			 (depth != 0 ? depth : 1) * element;
	}
	return bytes;
}

#define MADE(type, levels, ...)                                                                    \
	const struct type *from = (const void *)(descriptor);                                      \
	struct deep what = from != NULL ? (struct deep){__VA_ARGS__} : (struct deep){.width = 0};  \
	anaros_cuda_array_made((uintptr_t)CUDA_OUT(pHandle),                                       \
			       anaros_cuda_format_bytes(what.format) * what.channels);             \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_ALLOC, .flags = ANAROS_MEMORY_ARRAY,                     \
		  .object = (uintptr_t)CUDA_OUT(pHandle), .size_bytes = array_bytes(what, levels))

#define FLAT from->width, from->height, 0, from->format, from->channels, 0
#define DEEP from->width, from->height, from->depth, from->format, from->channels, from->flags

#define descriptor pAllocateArray
CUDA_WRAP(cuArrayCreate, MADE(flat_old, 1, FLAT))
CUDA_WRAP(cuArrayCreate_v2, MADE(flat, 1, FLAT))
CUDA_WRAP(cuArray3DCreate, MADE(deep_old, 1, DEEP))
CUDA_WRAP(cuArray3DCreate_v2, MADE(deep, 1, DEEP))
#undef descriptor
#define descriptor pMipmappedArrayDesc
CUDA_WRAP(cuMipmappedArrayCreate, MADE(deep, numMipmapLevels, DEEP))
#undef descriptor

#define GONE(handle)                                                                               \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_FREE, .flags = ANAROS_MEMORY_ARRAY,                      \
		  .object = (uintptr_t)(handle))

CUDA_WRAP(cuArrayDestroy, GONE(hArray))
CUDA_WRAP(cuMipmappedArrayDestroy, GONE(hMipmappedArray))
