// SPDX-License-Identifier: Apache-2.0
/*
 * Copies and fills. A synchronous one goes through the default stream of its
 * thread, and its record lasts until the bytes are there.
 */
#include "cuda.h"

/* The driver's CUDA_MEMCPY2D and CUDA_MEMCPY3D, second version. */
struct cuda_copy_2d {
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

struct cuda_copy_3d {
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

enum side { SIDE_HOST = 1, SIDE_DEVICE = 2, SIDE_ARRAY = 3, SIDE_UNIFIED = 4 };

#define SYNC 0

/* One record; PER_THREAD and `stream` say where it was enqueued. */
#define COPY(kind_, stream, way, address_, bytes)                                                  \
	CUDA_RECORD(.kind = (kind_), .flags = CUDA_FLAGS(stream, way),                             \
		    .object = CUDA_STREAM(stream), .address = (uintptr_t)(address_),               \
		    .size_bytes = (bytes))

#define NONE ((void *)NULL)

CUDA_PAIR(cuMemcpyHtoD_v2, _ptds, (uint64_t dst, const void *src, size_t bytes), (dst, src, bytes),
	  COPY(ANAROS_KIND_GPU_COPY_H2D, NONE, SYNC, src, bytes))
CUDA_PAIR(cuMemcpyDtoH_v2, _ptds, (void *dst, uint64_t src, size_t bytes), (dst, src, bytes),
	  COPY(ANAROS_KIND_GPU_COPY_D2H, NONE, SYNC, dst, bytes))
CUDA_PAIR(cuMemcpyDtoD_v2, _ptds, (uint64_t dst, uint64_t src, size_t bytes), (dst, src, bytes),
	  COPY(ANAROS_KIND_GPU_COPY_D2D, NONE, SYNC, dst, bytes))
CUDA_PAIR(cuMemcpyHtoDAsync_v2, _ptsz, (uint64_t dst, const void *src, size_t bytes, void *stream),
	  (dst, src, bytes, stream),
	  COPY(ANAROS_KIND_GPU_COPY_H2D, stream, ANAROS_FLAG_ASYNC, src, bytes))
CUDA_PAIR(cuMemcpyDtoHAsync_v2, _ptsz, (void *dst, uint64_t src, size_t bytes, void *stream),
	  (dst, src, bytes, stream),
	  COPY(ANAROS_KIND_GPU_COPY_D2H, stream, ANAROS_FLAG_ASYNC, dst, bytes))
CUDA_PAIR(cuMemcpyDtoDAsync_v2, _ptsz, (uint64_t dst, uint64_t src, size_t bytes, void *stream),
	  (dst, src, bytes, stream),
	  COPY(ANAROS_KIND_GPU_COPY_D2D, stream, ANAROS_FLAG_ASYNC, dst, bytes))
CUDA_PAIR(cuMemcpy, _ptds, (uint64_t dst, uint64_t src, size_t bytes), (dst, src, bytes),
	  COPY(ANAROS_KIND_GPU_COPY, NONE, SYNC, dst, bytes))
CUDA_PAIR(cuMemcpyAsync, _ptsz, (uint64_t dst, uint64_t src, size_t bytes, void *stream),
	  (dst, src, bytes, stream),
	  COPY(ANAROS_KIND_GPU_COPY, stream, ANAROS_FLAG_ASYNC, dst, bytes))
CUDA_PAIR(cuMemcpyPeer, _ptds, (uint64_t dst, void *to, uint64_t src, void *from, size_t bytes),
	  (dst, to, src, from, bytes), COPY(ANAROS_KIND_GPU_COPY_D2D, NONE, SYNC, dst, bytes))
CUDA_PAIR(cuMemcpyPeerAsync, _ptsz,
	  (uint64_t dst, void *to, uint64_t src, void *from, size_t bytes, void *stream),
	  (dst, to, src, from, bytes, stream),
	  COPY(ANAROS_KIND_GPU_COPY_D2D, stream, ANAROS_FLAG_ASYNC, dst, bytes))

struct described {
	uint16_t kind;
	uint64_t address; /* the host side, else the destination */
	uint64_t bytes;
};

/* Arrays lie on the device; a unified side does not tell. */
static struct described describe(unsigned int dst, unsigned int src, uint64_t dst_address,
				 uint64_t src_address, uint64_t bytes)
{
	struct described what = {ANAROS_KIND_GPU_COPY, dst_address, bytes};

	if (dst == SIDE_UNIFIED || src == SIDE_UNIFIED || (dst == SIDE_HOST && src == SIDE_HOST))
		return what;
	if (src == SIDE_HOST)
		what = (struct described){ANAROS_KIND_GPU_COPY_H2D, src_address, bytes};
	else
		what.kind = dst == SIDE_HOST ? ANAROS_KIND_GPU_COPY_D2H : ANAROS_KIND_GPU_COPY_D2D;
	return what;
}

static uint64_t base_of(unsigned int type, const void *host, uint64_t device, const void *array)
{
	return type == SIDE_HOST ? (uintptr_t)host : type == SIDE_ARRAY ? (uintptr_t)array : device;
}

static struct described describe_2d(const struct cuda_copy_2d *p)
{
	if (p == NULL)
		return (struct described){.kind = ANAROS_KIND_GPU_COPY};
	return describe(p->dst_type, p->src_type,
			base_of(p->dst_type, p->dst_host, p->dst_device, p->dst_array) +
			    p->dst_y * p->dst_pitch + p->dst_x,
			base_of(p->src_type, p->src_host, p->src_device, p->src_array) +
			    p->src_y * p->src_pitch + p->src_x,
			p->width * p->height);
}

static struct described describe_3d(const struct cuda_copy_3d *p)
{
	if (p == NULL)
		return (struct described){.kind = ANAROS_KIND_GPU_COPY};
	return describe(p->dst_type, p->src_type,
			base_of(p->dst_type, p->dst_host, p->dst_device, p->dst_array) +
			    (p->dst_z * p->dst_height + p->dst_y) * p->dst_pitch + p->dst_x,
			base_of(p->src_type, p->src_host, p->src_device, p->src_array) +
			    (p->src_z * p->src_height + p->src_y) * p->src_pitch + p->src_x,
			p->width * p->height * p->depth);
}

/* By value: the program may change its structure once the call is back. */
#define COPY_DESCRIBED(describe_, stream, way)                                                     \
	struct described what = describe_(p);                                                      \
	COPY(what.kind, stream, way, what.address, what.bytes)

CUDA_PAIR(cuMemcpy2D_v2, _ptds, (const struct cuda_copy_2d *p), (p),
	  COPY_DESCRIBED(describe_2d, NONE, SYNC))
CUDA_PAIR(cuMemcpy2DUnaligned_v2, _ptds, (const struct cuda_copy_2d *p), (p),
	  COPY_DESCRIBED(describe_2d, NONE, SYNC))
CUDA_PAIR(cuMemcpy2DAsync_v2, _ptsz, (const struct cuda_copy_2d *p, void *stream), (p, stream),
	  COPY_DESCRIBED(describe_2d, stream, ANAROS_FLAG_ASYNC))
CUDA_PAIR(cuMemcpy3D_v2, _ptds, (const struct cuda_copy_3d *p), (p),
	  COPY_DESCRIBED(describe_3d, NONE, SYNC))
CUDA_PAIR(cuMemcpy3DAsync_v2, _ptsz, (const struct cuda_copy_3d *p, void *stream), (p, stream),
	  COPY_DESCRIBED(describe_3d, stream, ANAROS_FLAG_ASYNC))

/*
 * A record for each copy of a batch, all with the times of the one call:
 * lineage needs every range. `failed` is what the first ABI says was the
 * first copy that was refused.
 */
static void record_batch(const struct anaros_call *call, int result, uint64_t stream,
			 uint16_t flags, const uint64_t *dst, const size_t *bytes, size_t count)
{
	uint64_t end_ns = anaros_now_ns();

	if (dst == NULL || bytes == NULL)
		count = 0;
	for (size_t i = 0; i < count; i++)
		anaros_record_at(call->start_ns, end_ns,
				 &(struct anaros_fields){
				     .kind = ANAROS_KIND_GPU_COPY,
				     .flags = flags,
				     .status = result,
				     .object = stream,
				     .address = dst[i],
				     .size_bytes = bytes[i],
				 });
}

#define BATCH                                                                                      \
	record_batch(&call, result, CUDA_STREAM(stream), CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC),    \
		     dst, bytes, count)

CUDA_PAIR(cuMemcpyBatchAsync, _ptsz,
	  (uint64_t * dst, uint64_t *src, size_t *bytes, size_t count, void *attributes,
	   size_t *indices, size_t attribute_count, size_t *failed, void *stream),
	  (dst, src, bytes, count, attributes, indices, attribute_count, failed, stream), BATCH)
CUDA_PAIR(cuMemcpyBatchAsync_v2, _ptsz,
	  (uint64_t * dst, uint64_t *src, size_t *bytes, size_t count, void *attributes,
	   size_t *indices, size_t attribute_count, void *stream),
	  (dst, src, bytes, count, attributes, indices, attribute_count, stream), BATCH)

#define FILL(bits, type)                                                                           \
	CUDA_PAIR(cuMemsetD##bits##_v2, _ptds, (uint64_t dst, type value, size_t count),           \
		  (dst, value, count),                                                             \
		  COPY(ANAROS_KIND_GPU_MEMSET, NONE, SYNC, dst, count *(bits / 8)))                \
	CUDA_PAIR(cuMemsetD##bits##Async, _ptsz,                                                   \
		  (uint64_t dst, type value, size_t count, void *stream),                          \
		  (dst, value, count, stream),                                                     \
		  COPY(ANAROS_KIND_GPU_MEMSET, stream, ANAROS_FLAG_ASYNC, dst, count *(bits / 8))) \
	CUDA_PAIR(cuMemsetD2D##bits##_v2, _ptds,                                                   \
		  (uint64_t dst, size_t pitch, type value, size_t width, size_t height),           \
		  (dst, pitch, value, width, height),                                              \
		  COPY(ANAROS_KIND_GPU_MEMSET, NONE, SYNC, dst, width *height *(bits / 8)))        \
	CUDA_PAIR(                                                                                 \
	    cuMemsetD2D##bits##Async, _ptsz,                                                       \
	    (uint64_t dst, size_t pitch, type value, size_t width, size_t height, void *stream),   \
	    (dst, pitch, value, width, height, stream),                                            \
	    COPY(ANAROS_KIND_GPU_MEMSET, stream, ANAROS_FLAG_ASYNC, dst,                           \
		 width *height *(bits / 8)))

FILL(8, unsigned char)
FILL(16, unsigned short)
FILL(32, unsigned int)
