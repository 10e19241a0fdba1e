// SPDX-License-Identifier: Apache-2.0
/* Copies: resolved to addresses, checked, and done in stream order. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define COPY_LATENCY_NS 4000.0

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

size_t sim_copy_bytes(const struct sim_copy *copy)
{
	return copy->width * copy->height * copy->depth;
}

static size_t span(const struct sim_copy *copy, size_t pitch, size_t slice)
{
	return (copy->depth - 1) * slice + (copy->height - 1) * pitch + copy->width;
}

struct side {
	unsigned int type;
	const void *host;
	uint64_t device;
	void *array;
	size_t x, y, z, lod, pitch, height;
};

/* Where one side of a copy begins, and how far its rows and layers are apart.
 */
static int resolve(const struct side *side, uint64_t *address, size_t *pitch, size_t *slice)
{
	uint64_t base = side->type == SIM_TYPE_HOST ? (uintptr_t)side->host : side->device;
	struct sim_array *array;
	int result;

	if (side->type < SIM_TYPE_HOST || side->type > SIM_TYPE_UNIFIED || side->lod != 0)
		return SIM_INVALID_VALUE;
	*pitch = side->pitch;
	*slice = side->pitch * side->height;
	if (side->type == SIM_TYPE_ARRAY) {
		result = sim_array_of(side->array, &array);
		if (result != SIM_OK)
			return result;
		base = array->base;
		*pitch = array->pitch;
		*slice = array->slice;
	}
	*address = base + side->z * *slice + side->y * *pitch + side->x;
	return SIM_OK;
}

int sim_copy_resolve(const struct sim_copy_3d *p, struct sim_copy *copy)
{
	struct side src = {p->src_type, p->src_host, p->src_device, p->src_array, p->src_x,
			   p->src_y,    p->src_z,    p->src_lod,    p->src_pitch, p->src_height};
	struct side dst = {p->dst_type, p->dst_host, p->dst_device, p->dst_array, p->dst_x,
			   p->dst_y,    p->dst_z,    p->dst_lod,    p->dst_pitch, p->dst_height};
	int result;

	*copy = (struct sim_copy){
	    .width = p->width,
	    .height = p->height,
	    .depth = p->depth,
	    .dst_type = (uint8_t)p->dst_type,
	    .src_type = (uint8_t)p->src_type,
	};
	result = resolve(&src, &copy->src, &copy->src_pitch, &copy->src_slice);
	if (result == SIM_OK)
		result = resolve(&dst, &copy->dst, &copy->dst_pitch, &copy->dst_slice);
	return result;
}

/* Whether a side is on a device, and which; wrong if it is not what it says. */
static int look_at(uint64_t address, uint8_t type, size_t bytes, struct sim_device **device)
{
	struct sim_range range;

	*device = NULL;
	if (type == SIM_TYPE_DEVICE || type == SIM_TYPE_ARRAY) {
		if (!sim_is_device(address, bytes, &range))
			return SIM_INVALID_VALUE;
		/* Page-locked memory has a device address, and stays the host's. */
		if (sim_on_device(&range))
			*device = range.device;
		return SIM_OK;
	}
	if (type == SIM_TYPE_UNIFIED && sim_find(address, &range) && sim_on_device(&range))
		*device = range.device;
	return SIM_OK;
}

/* Which way it goes, after both sides are known to be what the call says. */
int sim_copy_check(struct sim_copy *copy)
{
	struct sim_device *to, *from;
	int result;

	result =
	    look_at(copy->dst, copy->dst_type, span(copy, copy->dst_pitch, copy->dst_slice), &to);
	if (result == SIM_OK)
		result = look_at(copy->src, copy->src_type,
				 span(copy, copy->src_pitch, copy->src_slice), &from);
	if (result != SIM_OK)
		return result;
	if (to != NULL && from != NULL)
		copy->direction = to == from ? SIM_D2D : SIM_P2P;
	else if (to != NULL)
		copy->direction = SIM_H2D;
	else
		copy->direction = from != NULL ? SIM_D2H : SIM_H2H;
	return SIM_OK;
}

struct sim_op *sim_copy_op(struct sim_context *context, const struct sim_copy *copy)
{
	const struct sim_device *device = context->device;
	double rate =
	    copy->direction == SIM_D2D ? device->device_bytes_per_ns : device->bytes_per_ns;
	enum sim_engine engine = copy->direction == SIM_D2H   ? SIM_ENGINE_D2H
				 : copy->direction == SIM_D2D ? SIM_ENGINE_COMPUTE
							      : SIM_ENGINE_H2D;
	struct sim_op *op;

	op = sim_op_new(SIM_WORK_COPY, run_copy, engine,
			sim_scaled_ns(COPY_LATENCY_NS + (double)sim_copy_bytes(copy) / rate));
	op->copy = *copy;
	return op;
}

static bool is_pageable(uint64_t address)
{
	struct sim_range range;

	return !sim_find(address, &range);
}

static void run_staged(struct sim_op *op)
{
	memcpy((void *)(uintptr_t)op->copy.dst, op->staging, op->copy.width);
}

static void free_staging(struct sim_op *op)
{
	free(op->staging);
}

/*
 * Pageable memory is read before the call returns, and written before it
 * returns: small sources through a staging buffer, the rest by waiting. Where
 * the caller asked for it (`stage`) other sources are read at once as well.
 */
static int submit_async(struct sim_stream *stream, const struct sim_copy *copy, bool stage)
{
	struct sim_op *op = sim_copy_op(stream->context, copy);
	bool capturing = sim_is_capturing(stream);

	if (capturing)
		return sim_submit(stream, op, NULL);
	if (copy->direction == SIM_D2H && is_pageable(copy->dst))
		return sim_submit_and_wait(stream, op);
	if (copy->direction == SIM_H2D && (stage || is_pageable(copy->src))) {
		if (copy->height * copy->depth != 1 || copy->width > SIM_STAGING_BYTES)
			return sim_submit_and_wait(stream, op);
		op->staging = malloc(copy->width);
		memcpy(op->staging, (void *)(uintptr_t)copy->src, copy->width);
		op->run = run_staged;
		op->release = free_staging;
	}
	return sim_submit(stream, op, NULL);
}

int sim_copy_submit(struct sim_stream *stream, struct sim_copy *copy, bool wait, bool stage)
{
	int result;

	if (sim_copy_bytes(copy) == 0)
		return SIM_OK;
	result = sim_copy_check(copy);
	if (result != SIM_OK)
		return result;
	if (!wait)
		return submit_async(stream, copy, stage);
	return sim_submit_and_wait(stream, sim_copy_op(stream->context, copy));
}
