// SPDX-License-Identifier: Apache-2.0
/* The calls that copy: one, two and three dimensions, arrays, batches. */
#include "memory.h"

static int copy_to(struct sim_copy *what, void *handle, bool per_thread, bool wait, bool stage)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	return result == SIM_OK ? sim_copy_submit(stream, what, wait, stage) : result;
}

static int copy_1d(uint64_t dst, uint8_t dst_type, uint64_t src, uint8_t src_type, size_t bytes,
		   void *handle, bool per_thread, bool wait)
{
	struct sim_copy what = {.dst = dst,
				.src = src,
				.width = bytes,
				.height = 1,
				.depth = 1,
				.dst_type = dst_type,
				.src_type = src_type};

	return copy_to(&what, handle, per_thread, wait, false);
}

static int copy_3d(const struct sim_copy_3d *p, void *handle, bool per_thread, bool wait)
{
	struct sim_copy what;
	int result;

	if (p == NULL)
		return SIM_INVALID_VALUE;
	result = sim_copy_resolve(p, &what);
	return result == SIM_OK ? copy_to(&what, handle, per_thread, wait, false) : result;
}

static int copy_2d(const struct sim_copy_2d *p, void *handle, bool per_thread, bool wait)
{
	if (p == NULL)
		return SIM_INVALID_VALUE;
	return copy_3d(
	    &(struct sim_copy_3d){
		.src_x = p->src_x,
		.src_y = p->src_y,
		.src_type = p->src_type,
		.src_host = p->src_host,
		.src_device = p->src_device,
		.src_array = p->src_array,
		.src_pitch = p->src_pitch,
		.dst_x = p->dst_x,
		.dst_y = p->dst_y,
		.dst_type = p->dst_type,
		.dst_host = p->dst_host,
		.dst_device = p->dst_device,
		.dst_array = p->dst_array,
		.dst_pitch = p->dst_pitch,
		.width = p->width,
		.height = p->height,
		.depth = 1,
	    },
	    handle, per_thread, wait);
}

/* Bytes of an array's one row, from an offset. */
static int of_array(struct sim_copy_3d p, size_t bytes, void *handle, bool per_thread, bool wait)
{
	p.width = bytes;
	p.height = p.depth = 1;
	return copy_3d(&p, handle, per_thread, wait);
}

/* Batches: the legacy stream is not allowed, and every copy is on its own. */

static int copy_one(uint64_t dst, uint64_t src, size_t bytes,
		    const struct sim_copy_attributes *attributes, void *handle, bool per_thread)
{
	struct sim_copy what = {.dst = dst,
				.src = src,
				.width = bytes,
				.height = 1,
				.depth = 1,
				.dst_type = SIM_TYPE_UNIFIED,
				.src_type = SIM_TYPE_UNIFIED};

	if (attributes != NULL && (attributes->order < 1 || attributes->order > 3))
		return SIM_INVALID_VALUE;
	return copy_to(&what, handle, per_thread, false,
		       attributes != NULL && attributes->order == 2);
}

struct batch {
	const uint64_t *dst, *src;
	const size_t *bytes;
	size_t count;
	const struct sim_copy_attributes *attributes;
	const size_t *indices;
	size_t attribute_count;
};

static int copy_batch(struct batch batch, size_t *failed, void *handle, bool per_thread)
{
	size_t which = 0;

	if (failed != NULL)
		*failed = SIZE_MAX;
	if (batch.count == 0 || (handle == NULL && !per_thread) || handle == (void *)1 ||
	    batch.dst == NULL || batch.src == NULL || batch.bytes == NULL ||
	    batch.attribute_count > batch.count)
		return SIM_INVALID_VALUE;
	for (size_t i = 0; i < batch.count; i++) {
		const struct sim_copy_attributes *attributes = NULL;
		int result;

		/* One set of attributes holds from its index to that of the next. */
		while (which + 1 < batch.attribute_count && batch.indices[which + 1] <= i)
			which++;
		if (batch.attribute_count > 0)
			attributes = &batch.attributes[which];
		result = copy_one(batch.dst[i], batch.src[i], batch.bytes[i], attributes, handle,
				  per_thread);
		if (result == SIM_OK)
			continue;
		if (failed != NULL)
			*failed = i;
		return result;
	}
	return SIM_OK;
}

struct operand {
	uint64_t address;
	size_t pitch, slice, element_bytes;
	uint8_t type;
};

static int resolve_operand(const struct sim_operand *operand, const struct sim_copy_3d_batch *op,
			   struct operand *out)
{
	struct sim_array *array;
	int result;

	if (operand->type == 1) {
		out->pitch = operand->row_length != 0 ? operand->row_length : op->width;
		out->slice =
		    out->pitch * (operand->layer_height != 0 ? operand->layer_height : op->height);
		out->address = operand->pointer;
		out->type = SIM_TYPE_UNIFIED;
		out->element_bytes = 1;
		return SIM_OK;
	}
	result = operand->type == 2 ? sim_array_of(operand->array, &array) : SIM_INVALID_VALUE;
	if (result != SIM_OK)
		return result;
	out->pitch = array->pitch;
	out->slice = array->slice;
	out->element_bytes = array->element_bytes;
	out->type = SIM_TYPE_ARRAY;
	out->address = array->base + operand->z * array->slice + operand->y * array->pitch +
		       operand->x * array->element_bytes;
	return SIM_OK;
}

/* Extents count elements where an array takes part, else bytes. */
static int copy_operands(const struct sim_copy_3d_batch *op, void *handle, bool per_thread)
{
	struct operand dst, src;
	struct sim_copy what;
	size_t unit;
	int result = resolve_operand(&op->dst, op, &dst);

	if (result == SIM_OK)
		result = resolve_operand(&op->src, op, &src);
	if (result != SIM_OK)
		return result;
	unit = dst.element_bytes > src.element_bytes ? dst.element_bytes : src.element_bytes;
	what = (struct sim_copy){
	    .dst = dst.address,
	    .src = src.address,
	    .dst_pitch = dst.type == SIM_TYPE_ARRAY ? dst.pitch : dst.pitch * unit,
	    .src_pitch = src.type == SIM_TYPE_ARRAY ? src.pitch : src.pitch * unit,
	    .dst_slice = dst.type == SIM_TYPE_ARRAY ? dst.slice : dst.slice * unit,
	    .src_slice = src.type == SIM_TYPE_ARRAY ? src.slice : src.slice * unit,
	    .width = op->width * unit,
	    .height = op->height,
	    .depth = op->depth,
	    .dst_type = dst.type,
	    .src_type = src.type,
	};
	return copy_to(&what, handle, per_thread, false, op->order == 2);
}

static int copy_3d_batch(const struct sim_copy_3d_batch *ops, size_t count, size_t *failed,
			 void *handle, bool per_thread)
{
	if (failed != NULL)
		*failed = SIZE_MAX;
	if (count == 0 || ops == NULL || (handle == NULL && !per_thread) || handle == (void *)1)
		return SIM_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		int result = copy_operands(&ops[i], handle, per_thread);

		if (result == SIM_OK)
			continue;
		if (failed != NULL)
			*failed = i;
		return result;
	}
	return SIM_OK;
}

#define D SIM_TYPE_DEVICE
#define H SIM_TYPE_HOST
#define U SIM_TYPE_UNIFIED

SIM_PAIR(cuMemcpy, _ptds, (uint64_t dst, uint64_t src, size_t bytes),
	 copy_1d(dst, U, src, U, bytes, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyAsync, _ptsz, (uint64_t dst, uint64_t src, size_t bytes, void *stream),
	 copy_1d(dst, U, src, U, bytes, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyHtoD_v2, _ptds, (uint64_t dst, const void *src, size_t bytes),
	 copy_1d(dst, D, (uintptr_t)src, H, bytes, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyDtoH_v2, _ptds, (void *dst, uint64_t src, size_t bytes),
	 copy_1d((uintptr_t)dst, H, src, D, bytes, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyDtoD_v2, _ptds, (uint64_t dst, uint64_t src, size_t bytes),
	 copy_1d(dst, D, src, D, bytes, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyHtoDAsync_v2, _ptsz, (uint64_t dst, const void *src, size_t bytes, void *stream),
	 copy_1d(dst, D, (uintptr_t)src, H, bytes, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyDtoHAsync_v2, _ptsz, (void *dst, uint64_t src, size_t bytes, void *stream),
	 copy_1d((uintptr_t)dst, H, src, D, bytes, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyDtoDAsync_v2, _ptsz, (uint64_t dst, uint64_t src, size_t bytes, void *stream),
	 copy_1d(dst, D, src, D, bytes, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyPeer, _ptds, (uint64_t dst, void *to, uint64_t src, void *from, size_t bytes),
	 ((void)to, (void)from, copy_1d(dst, D, src, D, bytes, NULL, PER_THREAD, true)))
SIM_PAIR(cuMemcpyPeerAsync, _ptsz,
	 (uint64_t dst, void *to, uint64_t src, void *from, size_t bytes, void *stream),
	 ((void)to, (void)from, copy_1d(dst, D, src, D, bytes, stream, PER_THREAD, false)))
SIM_PAIR(cuMemcpy2D_v2, _ptds, (const struct sim_copy_2d *p), copy_2d(p, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpy2DUnaligned_v2, _ptds, (const struct sim_copy_2d *p),
	 copy_2d(p, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpy2DAsync_v2, _ptsz, (const struct sim_copy_2d *p, void *stream),
	 copy_2d(p, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpy3D_v2, _ptds, (const struct sim_copy_3d *p), copy_3d(p, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpy3DAsync_v2, _ptsz, (const struct sim_copy_3d *p, void *stream),
	 copy_3d(p, stream, PER_THREAD, false))
SIM_PAIR(cuMemcpy3DPeer, _ptds, (const struct sim_copy_3d *p), copy_3d(p, NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpy3DPeerAsync, _ptsz, (const struct sim_copy_3d *p, void *stream),
	 copy_3d(p, stream, PER_THREAD, false))

#define FROM(array, offset) .src_type = SIM_TYPE_ARRAY, .src_array = (array), .src_x = (offset)
#define INTO(array, offset) .dst_type = SIM_TYPE_ARRAY, .dst_array = (array), .dst_x = (offset)

SIM_PAIR(cuMemcpyAtoA_v2, _ptds, (void *to, size_t at, void *from, size_t offset, size_t bytes),
	 of_array((struct sim_copy_3d){FROM(from, offset), INTO(to, at)}, bytes, NULL, PER_THREAD,
		  true))
SIM_PAIR(cuMemcpyAtoD_v2, _ptds, (uint64_t dst, void *from, size_t offset, size_t bytes),
	 of_array((struct sim_copy_3d){FROM(from, offset), .dst_type = D, .dst_device = dst}, bytes,
		  NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyDtoA_v2, _ptds, (void *to, size_t at, uint64_t src, size_t bytes),
	 of_array((struct sim_copy_3d){INTO(to, at), .src_type = D, .src_device = src}, bytes, NULL,
		  PER_THREAD, true))
SIM_PAIR(cuMemcpyAtoH_v2, _ptds, (void *dst, void *from, size_t offset, size_t bytes),
	 of_array((struct sim_copy_3d){FROM(from, offset), .dst_type = H, .dst_host = dst}, bytes,
		  NULL, PER_THREAD, true))
SIM_PAIR(cuMemcpyHtoA_v2, _ptds, (void *to, size_t at, const void *src, size_t bytes),
	 of_array((struct sim_copy_3d){INTO(to, at), .src_type = H, .src_host = src}, bytes, NULL,
		  PER_THREAD, true))
SIM_PAIR(cuMemcpyAtoHAsync_v2, _ptsz,
	 (void *dst, void *from, size_t offset, size_t bytes, void *stream),
	 of_array((struct sim_copy_3d){FROM(from, offset), .dst_type = H, .dst_host = dst}, bytes,
		  stream, PER_THREAD, false))
SIM_PAIR(cuMemcpyHtoAAsync_v2, _ptsz,
	 (void *to, size_t at, const void *src, size_t bytes, void *stream),
	 of_array((struct sim_copy_3d){INTO(to, at), .src_type = H, .src_host = src}, bytes, stream,
		  PER_THREAD, false))
#define BATCH                                                                                      \
	(struct batch)                                                                             \
	{                                                                                          \
		dst, src, bytes, count, attributes, indices, attribute_count                       \
	}
SIM_PAIR(cuMemcpyBatchAsync, _ptsz,
	 (uint64_t * dst, uint64_t *src, size_t *bytes, size_t count,
	  struct sim_copy_attributes *attributes, size_t *indices, size_t attribute_count,
	  size_t *failed, void *stream),
	 copy_batch(BATCH, failed, stream, PER_THREAD))
SIM_PAIR(cuMemcpyBatchAsync_v2, _ptsz,
	 (uint64_t * dst, uint64_t *src, size_t *bytes, size_t count,
	  struct sim_copy_attributes *attributes, size_t *indices, size_t attribute_count,
	  void *stream),
	 copy_batch(BATCH, NULL, stream, PER_THREAD))
SIM_PAIR(cuMemcpy3DBatchAsync, _ptsz,
	 (size_t count, struct sim_copy_3d_batch *ops, size_t *failed, unsigned long long flags,
	  void *stream),
	 ((void)flags, copy_3d_batch(ops, count, failed, stream, PER_THREAD)))
SIM_PAIR(cuMemcpy3DBatchAsync_v2, _ptsz,
	 (size_t count, struct sim_copy_3d_batch *ops, unsigned long long flags, void *stream),
	 ((void)flags, copy_3d_batch(ops, count, NULL, stream, PER_THREAD)))
SIM_PAIR(cuMemcpyWithAttributesAsync, _ptsz,
	 (uint64_t dst, uint64_t src, size_t bytes, struct sim_copy_attributes *attributes,
	  void *stream),
	 copy_one(dst, src, bytes, attributes, stream, PER_THREAD))
SIM_PAIR(cuMemcpy3DWithAttributesAsync, _ptsz,
	 (struct sim_copy_3d_batch * op, unsigned long long flags, void *stream),
	 ((void)flags, op == NULL ? SIM_INVALID_VALUE : copy_operands(op, stream, PER_THREAD)))
