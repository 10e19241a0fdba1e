// SPDX-License-Identifier: Apache-2.0
/* Copies and fills, in stream order. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define COPY_LATENCY_NS 4000.0

/* The layouts of the driver's own structures. */
struct copy_2d {
	size_t src_x, src_y;
	unsigned int src_type;
	const void *src_host;
	uint64_t src_device;
	void *src_array;
	size_t src_pitch;
	size_t dst_x, dst_y;
	unsigned int dst_type;
	void *dst_host;
	uint64_t dst_device;
	void *dst_array;
	size_t dst_pitch;
	size_t width, height;
};

struct copy_3d {
	size_t src_x, src_y, src_z, src_lod;
	unsigned int src_type;
	const void *src_host;
	uint64_t src_device;
	void *src_array;
	void *reserved0;
	size_t src_pitch, src_height;
	size_t dst_x, dst_y, dst_z, dst_lod;
	unsigned int dst_type;
	void *dst_host;
	uint64_t dst_device;
	void *dst_array;
	void *reserved1;
	size_t dst_pitch, dst_height;
	size_t width, height, depth;
};

enum type { TYPE_HOST = 1, TYPE_DEVICE = 2, TYPE_ARRAY = 3, TYPE_UNIFIED = 4 };

static void run_copy(struct sim_op *op)
{
	const struct sim_copy *copy = &op->copy;

	for (size_t z = 0; z < copy->depth; z++) {
		for (size_t y = 0; y < copy->height; y++) {
			uint64_t dst = copy->dst + z * copy->dst_slice + y * copy->dst_pitch;
			uint64_t src = copy->src + z * copy->src_slice + y * copy->src_pitch;

			memmove((void *)(uintptr_t)dst, (void *)(uintptr_t)src, copy->width);
		}
	}
}

static void free_staging(struct sim_op *op)
{
	free((void *)(uintptr_t)op->copy.src);
}

static size_t copy_bytes(const struct sim_copy *copy)
{
	return copy->width * copy->height * copy->depth;
}

static size_t span(const struct sim_copy *copy, size_t pitch, size_t slice)
{
	return (copy->depth - 1) * slice + (copy->height - 1) * pitch + copy->width;
}

/* Which way it goes, after both sides are known to be what the call says. */
static int direction_of(const struct sim_copy *copy, enum type dst, enum type src,
			enum sim_direction *direction)
{
	size_t dst_bytes = span(copy, copy->dst_pitch, copy->dst_slice);
	size_t src_bytes = span(copy, copy->src_pitch, copy->src_slice);
	struct sim_range dst_range, src_range;
	bool dst_known = sim_find(copy->dst, &dst_range);
	bool src_known = sim_find(copy->src, &src_range);
	bool to_device, from_device;

	if (dst == TYPE_ARRAY || src == TYPE_ARRAY)
		return SIM_NOT_SUPPORTED;
	if (dst == TYPE_DEVICE && !sim_is_device(copy->dst, dst_bytes, &dst_range))
		return SIM_INVALID_VALUE;
	if (src == TYPE_DEVICE && !sim_is_device(copy->src, src_bytes, &src_range))
		return SIM_INVALID_VALUE;
	to_device = dst == TYPE_DEVICE ||
		    (dst == TYPE_UNIFIED && dst_known &&
		     (dst_range.kind == SIM_MEMORY_DEVICE || dst_range.kind == SIM_MEMORY_MANAGED));
	from_device =
	    src == TYPE_DEVICE ||
	    (src == TYPE_UNIFIED && src_known &&
	     (src_range.kind == SIM_MEMORY_DEVICE || src_range.kind == SIM_MEMORY_MANAGED));
	if (to_device)
		*direction = from_device ? SIM_D2D : SIM_H2D;
	else
		*direction = from_device ? SIM_D2H : SIM_H2H;
	return SIM_OK;
}

static bool is_pageable(uint64_t address)
{
	struct sim_range range;

	return !sim_find(address, &range);
}

static struct sim_op *copy_op(const struct sim_stream *stream, const struct sim_copy *copy,
			      enum sim_direction direction)
{
	const struct sim_device *device = stream->context->device;
	double rate = direction == SIM_D2D ? device->device_bytes_per_ns : device->bytes_per_ns;
	enum sim_engine engine = direction == SIM_D2H   ? SIM_ENGINE_D2H
				 : direction == SIM_D2D ? SIM_ENGINE_COMPUTE
							: SIM_ENGINE_H2D;
	struct sim_op *op;

	op = sim_op_new(run_copy, engine,
			sim_scaled_ns(COPY_LATENCY_NS + (double)copy_bytes(copy) / rate));
	op->copy = *copy;
	return op;
}

/*
 * Pageable memory is read before the call returns, and written before it
 * returns: small sources through a staging buffer, the rest by waiting.
 */
static int submit_async(struct sim_stream *stream, const struct sim_copy *copy,
			enum sim_direction direction)
{
	struct sim_op *op = copy_op(stream, copy, direction);

	if (stream->capture == NULL && direction == SIM_D2H && is_pageable(copy->dst))
		return sim_submit_and_wait(stream, op);
	if (stream->capture == NULL && direction == SIM_H2D && is_pageable(copy->src)) {
		void *staging;

		if (copy->height * copy->depth != 1 || copy->width > SIM_STAGING_BYTES)
			return sim_submit_and_wait(stream, op);
		staging = malloc(copy->width);
		memcpy(staging, (void *)(uintptr_t)copy->src, copy->width);
		op->copy.src = (uintptr_t)staging;
		op->release = free_staging;
	}
	return sim_submit(stream, op, NULL);
}

static int copy(const struct sim_copy *what, enum type dst, enum type src, void *handle,
		bool per_thread, bool wait)
{
	enum sim_direction direction;
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK || copy_bytes(what) == 0)
		return result;
	result = direction_of(what, dst, src, &direction);
	if (result != SIM_OK)
		return result;
	if (wait)
		result = sim_submit_and_wait(stream, copy_op(stream, what, direction));
	else
		result = submit_async(stream, what, direction);
	if (result == SIM_OK)
		atomic_fetch_add(&sim_bytes[direction], copy_bytes(what));
	return result;
}

static int copy_1d(uint64_t dst, enum type dst_type, uint64_t src, enum type src_type, size_t bytes,
		   void *handle, bool per_thread, bool wait)
{
	struct sim_copy what = {.dst = dst, .src = src, .width = bytes, .height = 1, .depth = 1};

	return copy(&what, dst_type, src_type, handle, per_thread, wait);
}

static uint64_t base_of(unsigned int type, const void *host, uint64_t device)
{
	return type == TYPE_HOST ? (uintptr_t)host : device;
}

static int copy_2d(const struct copy_2d *p, void *handle, bool per_thread, bool wait)
{
	struct sim_copy what = {
	    .dst = base_of(p->dst_type, p->dst_host, p->dst_device) + p->dst_y * p->dst_pitch +
		   p->dst_x,
	    .src = base_of(p->src_type, p->src_host, p->src_device) + p->src_y * p->src_pitch +
		   p->src_x,
	    .dst_pitch = p->dst_pitch,
	    .src_pitch = p->src_pitch,
	    .width = p->width,
	    .height = p->height,
	    .depth = 1,
	};

	return copy(&what, p->dst_type, p->src_type, handle, per_thread, wait);
}

static int copy_3d(const struct copy_3d *p, void *handle, bool per_thread, bool wait)
{
	size_t dst_slice = p->dst_pitch * p->dst_height, src_slice = p->src_pitch * p->src_height;
	struct sim_copy what = {
	    .dst = base_of(p->dst_type, p->dst_host, p->dst_device) + p->dst_z * dst_slice +
		   p->dst_y * p->dst_pitch + p->dst_x,
	    .src = base_of(p->src_type, p->src_host, p->src_device) + p->src_z * src_slice +
		   p->src_y * p->src_pitch + p->src_x,
	    .dst_pitch = p->dst_pitch,
	    .src_pitch = p->src_pitch,
	    .dst_slice = dst_slice,
	    .src_slice = src_slice,
	    .width = p->width,
	    .height = p->height,
	    .depth = p->depth,
	};

	return copy(&what, p->dst_type, p->src_type, handle, per_thread, wait);
}

/* The NULL stream of the caller's sort is not allowed for a batch. */
static int copy_batch(const uint64_t *dst, const uint64_t *src, const size_t *bytes, size_t count,
		      size_t *failed, void *handle, bool per_thread)
{
	if (failed != NULL)
		*failed = SIZE_MAX;
	if (count == 0 || (handle == NULL && !per_thread))
		return SIM_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		int result = copy_1d(dst[i], TYPE_UNIFIED, src[i], TYPE_UNIFIED, bytes[i], handle,
				     per_thread, false);

		if (result != SIM_OK) {
			if (failed != NULL)
				*failed = i;
			return result;
		}
	}
	return SIM_OK;
}

static void run_fill(struct sim_op *op)
{
	const struct sim_fill *fill = &op->fill;

	for (size_t y = 0; y < fill->height; y++) {
		uint8_t *row = (uint8_t *)(uintptr_t)(fill->dst + y * fill->pitch);

		for (size_t x = 0; x < fill->width; x++)
			memcpy(row + x * fill->element_bytes, &fill->value, fill->element_bytes);
	}
}

static int fill(uint64_t dst, size_t pitch, uint32_t value, uint32_t element_bytes, size_t width,
		size_t height, void *handle, bool per_thread, bool wait)
{
	size_t bytes = width * height * element_bytes;
	struct sim_stream *stream;
	struct sim_range range;
	struct sim_op *op;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK || bytes == 0)
		return result;
	if (!sim_is_device(dst, (height - 1) * pitch + width * element_bytes, &range) ||
	    dst % element_bytes != 0)
		return SIM_INVALID_VALUE;
	op =
	    sim_op_new(run_fill, SIM_ENGINE_COMPUTE,
		       sim_scaled_ns((double)bytes / stream->context->device->device_bytes_per_ns));
	op->fill = (struct sim_fill){dst, pitch, width, height, value, element_bytes};
	return wait ? sim_submit_and_wait(stream, op) : sim_submit(stream, op, NULL);
}

SIM_PAIR(cuMemcpy, _ptds, (uint64_t dst, uint64_t src, size_t bytes),
	 copy_1d(dst, TYPE_UNIFIED, src, TYPE_UNIFIED, bytes, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyAsync, _ptsz, (uint64_t dst, uint64_t src, size_t bytes, void *stream),
	 copy_1d(dst, TYPE_UNIFIED, src, TYPE_UNIFIED, bytes, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyHtoD_v2, _ptds, (uint64_t dst, const void *src, size_t bytes),
	 copy_1d(dst, TYPE_DEVICE, (uintptr_t)src, TYPE_HOST, bytes, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyDtoH_v2, _ptds, (void *dst, uint64_t src, size_t bytes),
	 copy_1d((uintptr_t)dst, TYPE_HOST, src, TYPE_DEVICE, bytes, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyDtoD_v2, _ptds, (uint64_t dst, uint64_t src, size_t bytes),
	 copy_1d(dst, TYPE_DEVICE, src, TYPE_DEVICE, bytes, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyHtoDAsync_v2, _ptsz, (uint64_t dst, const void *src, size_t bytes, void *stream),
	 copy_1d(dst, TYPE_DEVICE, (uintptr_t)src, TYPE_HOST, bytes, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyDtoHAsync_v2, _ptsz, (void *dst, uint64_t src, size_t bytes, void *stream),
	 copy_1d((uintptr_t)dst, TYPE_HOST, src, TYPE_DEVICE, bytes, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyDtoDAsync_v2, _ptsz, (uint64_t dst, uint64_t src, size_t bytes, void *stream),
	 copy_1d(dst, TYPE_DEVICE, src, TYPE_DEVICE, bytes, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyPeer, _ptds, (uint64_t dst, void *to, uint64_t src, void *from, size_t bytes),
	 ((void)to, (void)from,
	  copy_1d(dst, TYPE_DEVICE, src, TYPE_DEVICE, bytes, NULL, PER_THREAD, true)))
SIM_PAIR(cuMemcpyPeerAsync, _ptsz,
	 (uint64_t dst, void *to, uint64_t src, void *from, size_t bytes, void *stream),
	 ((void)to, (void)from,
	  copy_1d(dst, TYPE_DEVICE, src, TYPE_DEVICE, bytes, stream, PER_THREAD, false)))
SIM_PAIR(cuMemcpy2D_v2, _ptds, (const struct copy_2d *p), copy_2d(p, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpy2DUnaligned_v2, _ptds, (const struct copy_2d *p),
	 copy_2d(p, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpy2DAsync_v2, _ptsz, (const struct copy_2d *p, void *stream),
	 copy_2d(p, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpy3D_v2, _ptds, (const struct copy_3d *p), copy_3d(p, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpy3DAsync_v2, _ptsz, (const struct copy_3d *p, void *stream),
	 copy_3d(p, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyBatchAsync, _ptsz,
	 (uint64_t * dst, uint64_t *src, size_t *bytes, size_t count, void *attributes,
	  size_t *indices, size_t attribute_count, size_t *failed, void *stream),
	 ((void)attributes, (void)indices, (void)attribute_count,
	  copy_batch(dst, src, bytes, count, failed, stream, PER_THREAD)))
SIM_PAIR(cuMemcpyBatchAsync_v2, _ptsz,
	 (uint64_t * dst, uint64_t *src, size_t *bytes, size_t count, void *attributes,
	  size_t *indices, size_t attribute_count, void *stream),
	 ((void)attributes, (void)indices, (void)attribute_count,
	  copy_batch(dst, src, bytes, count, NULL, stream, PER_THREAD)))

#define FILL(bits, type, value_type)                                                               \
	SIM_PAIR(cuMemsetD##bits##_v2, _ptds, (uint64_t dst, value_type value, size_t count),      \
		 fill(dst, 0, value, sizeof(type), count, 1, NULL, PER_THREAD, true))              \
	SIM_PAIR(cuMemsetD##bits##Async, _ptsz,                                                    \
		 (uint64_t dst, value_type value, size_t count, void *stream),                     \
		 fill(dst, 0, value, sizeof(type), count, 1, stream, PER_THREAD, false))           \
	SIM_PAIR(cuMemsetD2D##bits##_v2, _ptds,                                                    \
		 (uint64_t dst, size_t pitch, value_type value, size_t width, size_t height),      \
		 fill(dst, pitch, value, sizeof(type), width, height, NULL, PER_THREAD, true))     \
	SIM_PAIR(cuMemsetD2D##bits##Async, _ptsz,                                                  \
		 (uint64_t dst, size_t pitch, value_type value, size_t width, size_t height,       \
		  void *stream),                                                                   \
		 fill(dst, pitch, value, sizeof(type), width, height, stream, PER_THREAD, false))

FILL(8, uint8_t, unsigned char)
FILL(16, uint16_t, unsigned short)
FILL(32, uint32_t, unsigned int)
