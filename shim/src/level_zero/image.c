// SPDX-License-Identifier: Apache-2.0
/*
 * Images. Copies of them are counted in elements, so the size of an element
 * and of the whole is remembered.
 */
#include "level_zero/level_zero.h"

/* ze_image_desc_t. */
struct image_description {
	int type;
	const void *next;
	uint32_t flags;
	int shape;
	int layout, element_type, swizzle[4];
	uint64_t width;
	uint32_t height, depth, layers, levels;
};

_Static_assert(offsetof(struct image_description, width) == 48, "the loader's");

/* ze_image_region_t. */
struct image_region {
	uint32_t origin[3], width, height, depth;
};

enum shape { LINES = 1, PLANE = 2, PLANES = 3, VOLUME = 4 };

#define IMAGES 256u

static struct image {
	uint64_t handle;
	uint64_t element_bytes, bytes;
} images[IMAGES];

static struct image *slot_of(uint64_t handle)
{
	return &images[(handle * 0x9e3779b97f4a7c15ull) >> 56];
}

/* Of an element; 0: a format in planes or of several pixels each. */
static uint64_t layout_bytes(int layout)
{
	static const unsigned char sizes[] = {1, 2, 4, 2, 4, 4, 8, 8, 16, 4, 4, 2, 2, 2};

	if (layout >= 43 && layout <= 45)
		return layout == 43 ? 3 : layout == 44 ? 6 : 12;
	return layout >= 0 && layout < (int)sizeof(sizes) ? sizes[layout] : 0;
}

/* Only what belongs to the shape counts: the rest of a description may be anything. */
static uint64_t whole_bytes(const struct image_description *told)
{
	uint64_t bytes = told->width * layout_bytes(told->layout);
	uint32_t rows = told->height != 0 ? told->height : 1;
	uint32_t deep = told->depth != 0 ? told->depth : 1;
	uint32_t layers = told->layers != 0 ? told->layers : 1;

	switch (told->shape) {
	case LINES:
		return bytes * layers;
	case PLANE:
		return bytes * rows;
	case PLANES:
		return bytes * rows * layers;
	case VOLUME:
		return bytes * rows * deep;
	default:
		return bytes;
	}
}

/* A slot taken over in between gives another image's answer, no worse. */
static void remember(uint64_t handle, const struct image_description *told)
{
	struct image *slot = slot_of(handle);

	if (handle == 0 || told == NULL)
		return;
	__atomic_store_n(&slot->element_bytes, layout_bytes(told->layout), __ATOMIC_RELAXED);
	__atomic_store_n(&slot->bytes, whole_bytes(told), __ATOMIC_RELAXED);
	__atomic_store_n(&slot->handle, handle, __ATOMIC_RELEASE);
}

uint64_t anaros_ze_image_bytes(const void *image, const void *region)
{
	const struct image *slot = slot_of((uintptr_t)image);
	const struct image_region *part = region;
	uint64_t bytes;

	if (image == NULL || __atomic_load_n(&slot->handle, __ATOMIC_ACQUIRE) != (uintptr_t)image)
		return 0;
	if (part == NULL)
		return __atomic_load_n(&slot->bytes, __ATOMIC_RELAXED);
	bytes = part->width * __atomic_load_n(&slot->element_bytes, __ATOMIC_RELAXED);
	return bytes * (part->height != 0 ? part->height : 1) *
	       (part->depth != 0 ? part->depth : 1);
}

ZE_WRAP(zeImageCreate, const struct image_description *told = desc;
	remember((uintptr_t)DEVICE_OUT(phImage), told);
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_ALLOC, .flags = ANAROS_MEMORY_ARRAY,
		    .object = (uintptr_t)DEVICE_OUT(phImage),
		    .size_bytes = told != NULL ? whole_bytes(told) : 0))
ZE_WRAP(zeImageDestroy, DEVICE_NOTE(.kind = ANAROS_KIND_GPU_FREE, .flags = ANAROS_MEMORY_ARRAY,
				    .object = (uintptr_t)hImage))
