// SPDX-License-Identifier: Apache-2.0
/* Copies, fills, and hints of where memory will be used. */
#include "core/span.h"
#include "hip/hip.h"

#define SYNC  0
#define ASYNC ANAROS_FLAG_ASYNC
#define NONE  ((void *)NULL)

#define COPY(kind_, stream_, way, address_, bytes)                                                 \
	DEVICE_RECORD(.kind = (kind_), .flags = HIP_FLAGS(stream_, way),                           \
		      .object = HIP_STREAM(stream_), .address = (uintptr_t)(address_),             \
		      .size_bytes = (bytes))

enum direction { HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE };
#define DEVICE_TO_DEVICE_NO_CU 1024 /* by the copy engine */

static uint16_t kind_of(int direction)
{
	switch (direction) {
	case HOST_TO_DEVICE:
		return ANAROS_KIND_GPU_COPY_H2D;
	case DEVICE_TO_HOST:
		return ANAROS_KIND_GPU_COPY_D2H;
	case DEVICE_TO_DEVICE:
	case DEVICE_TO_DEVICE_NO_CU:
		return ANAROS_KIND_GPU_COPY_D2D;
	default:
		return ANAROS_KIND_GPU_COPY;
	}
}

#define DEFAULT 4 /* where the memory lies */

/* The direction is the call's: the host side, else the destination. */
static struct anaros_span_way way_told(int direction, uint64_t dst, uint64_t src)
{
	if (direction == DEFAULT)
		return anaros_span_way_of(dst, src);
	return (struct anaros_span_way){kind_of(direction),
					direction == HOST_TO_DEVICE ? src : dst};
}

#define COPY_TOLD(stream_, how, dst_, src_, bytes)                                                 \
	const struct anaros_span_way way = way_told(kind, (uintptr_t)(dst_), (uintptr_t)(src_));   \
	COPY(way.kind, stream_, how, way.address, bytes)

HIP_PAIR(hipMemcpy, COPY_TOLD(NONE, SYNC, dst, src, sizeBytes))
HIP_PAIR(hipMemcpyAsync, COPY_TOLD(stream, ASYNC, dst, src, sizeBytes))
HIP_WRAP(hipMemcpyWithStream, COPY_TOLD(stream, SYNC, dst, src, sizeBytes))
HIP_PAIR(hipMemcpyToSymbol, COPY_TOLD(NONE, SYNC, symbol, src, sizeBytes))
HIP_PAIR(hipMemcpyToSymbolAsync, COPY_TOLD(stream, ASYNC, symbol, src, sizeBytes))
HIP_PAIR(hipMemcpyFromSymbol, COPY_TOLD(NONE, SYNC, dst, symbol, sizeBytes))
HIP_PAIR(hipMemcpyFromSymbolAsync, COPY_TOLD(stream, ASYNC, dst, symbol, sizeBytes))

#define ROWS (width * height)

HIP_PAIR(hipMemcpy2D, COPY_TOLD(NONE, SYNC, dst, src, ROWS))
HIP_PAIR(hipMemcpy2DAsync, COPY_TOLD(stream, ASYNC, dst, src, ROWS))
HIP_PAIR(hipMemcpy2DToArray, COPY_TOLD(NONE, SYNC, dst, src, ROWS))
HIP_PAIR(hipMemcpy2DToArrayAsync, COPY_TOLD(stream, ASYNC, dst, src, ROWS))
HIP_PAIR(hipMemcpy2DFromArray, COPY_TOLD(NONE, SYNC, dst, src, ROWS))
HIP_PAIR(hipMemcpy2DFromArrayAsync, COPY_TOLD(stream, ASYNC, dst, src, ROWS))
HIP_WRAP(hipMemcpy2DArrayToArray, COPY_TOLD(NONE, SYNC, dst, src, ROWS))
HIP_WRAP(hipMemcpyToArray, COPY_TOLD(NONE, SYNC, dst, src, count))
HIP_PAIR(hipMemcpyFromArray, COPY_TOLD(NONE, SYNC, dst, srcArray, count))

/* The direction is in the name. */
#define H2D(stream_, way, bytes, host)   COPY(ANAROS_KIND_GPU_COPY_H2D, stream_, way, host, bytes)
#define D2H(stream_, way, bytes, host)   COPY(ANAROS_KIND_GPU_COPY_D2H, stream_, way, host, bytes)
#define D2D(stream_, way, bytes, target) COPY(ANAROS_KIND_GPU_COPY_D2D, stream_, way, target, bytes)

HIP_WRAP(hipMemcpyHtoD, H2D(NONE, SYNC, sizeBytes, src))
HIP_WRAP(hipMemcpyDtoH, D2H(NONE, SYNC, sizeBytes, dst))
HIP_WRAP(hipMemcpyDtoD, D2D(NONE, SYNC, sizeBytes, dst))
HIP_WRAP(hipMemcpyHtoDAsync, H2D(stream, ASYNC, sizeBytes, src))
HIP_WRAP(hipMemcpyDtoHAsync, D2H(stream, ASYNC, sizeBytes, dst))
HIP_WRAP(hipMemcpyDtoDAsync, D2D(stream, ASYNC, sizeBytes, dst))
HIP_WRAP(hipMemcpyHtoA, H2D(NONE, SYNC, count, srcHost))
HIP_WRAP(hipMemcpyAtoH, D2H(NONE, SYNC, count, dst))
HIP_WRAP(hipMemcpyHtoAAsync, H2D(stream, ASYNC, ByteCount, srcHost))
HIP_WRAP(hipMemcpyAtoHAsync, D2H(stream, ASYNC, ByteCount, dstHost))
HIP_WRAP(hipMemcpyAtoA, D2D(NONE, SYNC, ByteCount, dstArray))
HIP_WRAP(hipMemcpyAtoD, D2D(NONE, SYNC, ByteCount, dstDevice))
HIP_WRAP(hipMemcpyDtoA, D2D(NONE, SYNC, ByteCount, dstArray))
HIP_WRAP(hipMemcpyPeer, D2D(NONE, SYNC, sizeBytes, dst))
HIP_WRAP(hipMemcpyPeerAsync, D2D(stream, ASYNC, sizeBytes, dst))

/* hip_Memcpy2D and HIP_MEMCPY3D. */
struct side {
	unsigned int type;
	const void *host;
	const void *device;
	void *array;
};

struct copy_2d {
	size_t src_x, src_y;
	struct side src;
	size_t src_pitch, dst_x, dst_y;
	struct side dst;
	size_t dst_pitch, width, height;
};

struct copy_3d {
	size_t src_x, src_y, src_z, src_lod;
	struct side src;
	size_t src_pitch, src_height, dst_x, dst_y, dst_z, dst_lod;
	struct side dst;
	size_t dst_pitch, dst_height, width, height, depth;
};

/* hipMemcpy3DParms. */
struct pitched {
	const void *pointer;
	size_t pitch, width, height;
};

struct copy_3d_told {
	void *src_array;
	size_t src_x, src_y, src_z;
	struct pitched src;
	void *dst_array;
	size_t dst_x, dst_y, dst_z;
	struct pitched dst;
	size_t width, height, depth;
	int direction;
};

_Static_assert(sizeof(struct copy_2d) == 128 && sizeof(struct copy_3d) == 184 &&
		   sizeof(struct copy_3d_told) == 160,
	       "the runtime's");

struct described {
	uint16_t kind;
	uint64_t address; /* the host side, else the destination */
	uint64_t bytes;
};

/*
 * The numbers of memory types were changed between HIP 5 and 6, so a side is
 * what its only pointer says. One with two, or that is managed or unified in
 * either numbering, does not tell.
 */
static bool is_host(const struct side *side)
{
	return side->host != NULL && side->device == NULL && side->array == NULL;
}

static bool is_device(const struct side *side)
{
	bool unified = side->type == 3 || side->type == 4 || side->type == 11;

	return side->host == NULL && !unified && (side->device != NULL || side->array != NULL);
}

static uint64_t start_of(const struct side *side)
{
	const void *start = is_host(side) ? side->host : side->device;

	return (uintptr_t)(start != NULL ? start : side->array);
}

static struct described describe(const struct side *dst, const struct side *src,
				 uint64_t dst_offset, uint64_t src_offset, uint64_t bytes)
{
	struct described what = {ANAROS_KIND_GPU_COPY, start_of(dst) + dst_offset, bytes};

	if (is_host(src) && is_device(dst))
		return (struct described){ANAROS_KIND_GPU_COPY_H2D, start_of(src) + src_offset,
					  bytes};
	if (is_device(src) && is_host(dst))
		what.kind = ANAROS_KIND_GPU_COPY_D2H;
	else if (is_device(src) && is_device(dst))
		what.kind = ANAROS_KIND_GPU_COPY_D2D;
	return what;
}

static struct described describe_2d(const struct copy_2d *p)
{
	if (p == NULL)
		return (struct described){.kind = ANAROS_KIND_GPU_COPY};
	return describe(&p->dst, &p->src, p->dst_y * p->dst_pitch + p->dst_x,
			p->src_y * p->src_pitch + p->src_x, p->width * p->height);
}

static struct described describe_3d(const struct copy_3d *p)
{
	if (p == NULL)
		return (struct described){.kind = ANAROS_KIND_GPU_COPY};
	return describe(&p->dst, &p->src,
			(p->dst_z * p->dst_height + p->dst_y) * p->dst_pitch + p->dst_x,
			(p->src_z * p->src_height + p->src_y) * p->src_pitch + p->src_x,
			p->width * p->height * p->depth);
}

static uint64_t pitched_at(const struct pitched *side, size_t x, size_t y, size_t z)
{
	return (uintptr_t)side->pointer + (z * side->height + y) * side->pitch + x;
}

/* The width is in elements where an array takes part. */
static uint64_t bytes_told(const void *dst_array, const void *src_array, size_t width,
			   size_t height, size_t depth)
{
	uint64_t elements = (uint64_t)width * height * depth;

	if (dst_array != NULL)
		return elements * anaros_cuda_element_bytes(dst_array);
	return src_array != NULL ? elements * anaros_cuda_element_bytes(src_array) : elements;
}

static struct described describe_told(const struct copy_3d_told *p)
{
	struct anaros_span_way way;
	uint64_t dst, src;

	if (p == NULL)
		return (struct described){.kind = ANAROS_KIND_GPU_COPY};
	dst = p->dst_array != NULL ? (uintptr_t)p->dst_array
				   : pitched_at(&p->dst, p->dst_x, p->dst_y, p->dst_z);
	src = p->src_array != NULL ? (uintptr_t)p->src_array
				   : pitched_at(&p->src, p->src_x, p->src_y, p->src_z);
	way = way_told(p->direction, dst, src);
	return (struct described){
	    way.kind, way.address,
	    bytes_told(p->dst_array, p->src_array, p->width, p->height, p->depth)};
}

/* hipMemcpy3DPeerParms. */
struct copy_3d_peer {
	void *src_array;
	size_t src_x, src_y, src_z;
	struct pitched src;
	int src_device;
	void *dst_array;
	size_t dst_x, dst_y, dst_z;
	struct pitched dst;
	int dst_device;
	size_t width, height, depth;
};

_Static_assert(sizeof(struct copy_3d_peer) == 168, "the runtime's");

static struct described describe_peer(const struct copy_3d_peer *p)
{
	if (p == NULL)
		return (struct described){.kind = ANAROS_KIND_GPU_COPY_D2D};
	return (struct described){
	    ANAROS_KIND_GPU_COPY_D2D,
	    p->dst_array != NULL ? (uintptr_t)p->dst_array
				 : pitched_at(&p->dst, p->dst_x, p->dst_y, p->dst_z),
	    bytes_told(p->dst_array, p->src_array, p->width, p->height, p->depth)};
}

#define DESCRIBED(what_, stream_, how)                                                             \
	struct described what = (what_);                                                           \
	COPY(what.kind, stream_, how, what.address, what.bytes)

HIP_WRAP(hipMemcpyParam2D, DESCRIBED(describe_2d(pCopy), NONE, SYNC))
HIP_WRAP(hipMemcpyParam2DAsync, DESCRIBED(describe_2d(pCopy), stream, ASYNC))
HIP_WRAP(hipDrvMemcpy2DUnaligned, DESCRIBED(describe_2d(pCopy), NONE, SYNC))
HIP_WRAP(hipDrvMemcpy3D, DESCRIBED(describe_3d(pCopy), NONE, SYNC))
HIP_WRAP(hipDrvMemcpy3DAsync, DESCRIBED(describe_3d(pCopy), stream, ASYNC))
HIP_PAIR(hipMemcpy3D, DESCRIBED(describe_told(p), NONE, SYNC))
HIP_PAIR(hipMemcpy3DAsync, DESCRIBED(describe_told(p), stream, ASYNC))
HIP_WRAP(hipMemcpy3DPeer, DESCRIBED(describe_peer((const void *)p), NONE, SYNC))
HIP_WRAP(hipMemcpy3DPeerAsync, DESCRIBED(describe_peer((const void *)p), stream, ASYNC))

/* One call, many copies: a record for each, all with the times of the call. */
static void batch(const struct anaros_call *call, struct anaros_fields fields,
		  struct described (*part)(const void *, size_t), const void *list, size_t count)
{
	uint64_t end_ns = anaros_now_ns();

	for (size_t i = 0; i < count; i++) {
		struct described what = part(list, i);

		fields.kind = what.kind;
		fields.address = what.address;
		fields.size_bytes = what.bytes;
		anaros_record_at(call->start_ns, end_ns, &fields);
	}
}

#define BATCH(describe, list, count)                                                               \
	batch(&call,                                                                               \
	      (struct anaros_fields){.status = result,                                             \
				     .flags = HIP_FLAGS(stream, ASYNC),                            \
				     .object = HIP_STREAM(stream)},                                \
	      describe, list, count)

struct lists {
	void *const *dst, *const *src;
	const size_t *bytes;
};

static struct described describe_listed(const void *list, size_t i)
{
	const struct lists *lists = list;
	struct anaros_span_way way =
	    anaros_span_way_of((uintptr_t)lists->dst[i], (uintptr_t)lists->src[i]);

	return (struct described){way.kind, way.address, lists->bytes[i]};
}

HIP_WRAP(hipMemcpyBatchAsync,
	 if (dsts != NULL && srcs != NULL && sizes != NULL)
	     BATCH(describe_listed, (&(struct lists){dsts, srcs, sizes}), count))

/* hipMemcpy3DBatchOp. */
struct operand {
	unsigned int type;
	union {
		uint64_t pointer;
		void *array;
	};
	uint64_t place[3];
};

struct operation {
	struct operand src, dst;
	size_t width, height, depth;
	unsigned int order, flags;
};

_Static_assert(sizeof(struct operation) == 112, "the runtime's");

#define OPERAND_ARRAY 2u

/* One side is an array, which is memory of a device. */
static struct anaros_span_way beside_array(bool to_array, uint64_t other, uint64_t dst)
{
	switch (anaros_span_of(other)) {
	case ANAROS_PLACE_DEVICE:
		return (struct anaros_span_way){ANAROS_KIND_GPU_COPY_D2D, dst};
	case ANAROS_PLACE_UNKNOWN:
		return (struct anaros_span_way){ANAROS_KIND_GPU_COPY, dst};
	default:
		return (struct anaros_span_way){
		    to_array ? ANAROS_KIND_GPU_COPY_H2D : ANAROS_KIND_GPU_COPY_D2H, other};
	}
}

static struct described describe_operation(const void *list, size_t i)
{
	const struct operation *each = &((const struct operation *)list)[i];
	bool to = each->dst.type == OPERAND_ARRAY, from = each->src.type == OPERAND_ARRAY;
	uint64_t bytes = bytes_told(to ? each->dst.array : NULL, from ? each->src.array : NULL,
				    each->width, each->height, each->depth);
	struct anaros_span_way way = anaros_span_way_of(each->dst.pointer, each->src.pointer);

	if (to && from)
		way.kind = ANAROS_KIND_GPU_COPY_D2D;
	else if (to || from)
		way =
		    beside_array(to, to ? each->src.pointer : each->dst.pointer, each->dst.pointer);
	return (struct described){way.kind, way.address, bytes};
}

HIP_WRAP(hipMemcpy3DBatchAsync, if (opList != NULL) BATCH(describe_operation, opList, numOps))

#define FILL(stream_, way, address_, bytes)                                                        \
	COPY(ANAROS_KIND_GPU_MEMSET, stream_, way, address_, bytes)
#define VOLUME (extent.width * extent.height * extent.depth)

HIP_PAIR(hipMemset, FILL(NONE, SYNC, dst, sizeBytes))
HIP_PAIR(hipMemsetAsync, FILL(stream, ASYNC, dst, sizeBytes))
HIP_PAIR(hipMemset2D, FILL(NONE, SYNC, dst, ROWS))
HIP_PAIR(hipMemset2DAsync, FILL(stream, ASYNC, dst, ROWS))
HIP_PAIR(hipMemset3D, FILL(NONE, SYNC, pitchedDevPtr.pointer, VOLUME))
HIP_PAIR(hipMemset3DAsync, FILL(stream, ASYNC, pitchedDevPtr.pointer, VOLUME))
HIP_WRAP(hipMemsetD8, FILL(NONE, SYNC, dest, count))
HIP_WRAP(hipMemsetD8Async, FILL(stream, ASYNC, dest, count))
HIP_WRAP(hipMemsetD16, FILL(NONE, SYNC, dest, count * 2))
HIP_WRAP(hipMemsetD16Async, FILL(stream, ASYNC, dest, count * 2))
HIP_WRAP(hipMemsetD32, FILL(NONE, SYNC, dest, count * 4))
HIP_WRAP(hipMemsetD32Async, FILL(stream, ASYNC, dst, count * 4))
HIP_WRAP(hipMemsetD2D8, FILL(NONE, SYNC, dst, ROWS))
HIP_WRAP(hipMemsetD2D8Async, FILL(stream, ASYNC, dst, ROWS))
HIP_WRAP(hipMemsetD2D16, FILL(NONE, SYNC, dst, ROWS * 2))
HIP_WRAP(hipMemsetD2D16Async, FILL(stream, ASYNC, dst, ROWS * 2))
HIP_WRAP(hipMemsetD2D32, FILL(NONE, SYNC, dst, ROWS * 4))
HIP_WRAP(hipMemsetD2D32Async, FILL(stream, ASYNC, dst, ROWS * 4))

/* A hint for managed memory, or the stream that it belongs to from now on. */
HIP_WRAP(hipMemPrefetchAsync, COPY(ANAROS_KIND_GPU_PREFETCH, stream, ASYNC, dev_ptr, count))
HIP_WRAP(hipMemPrefetchAsync_v2, COPY(ANAROS_KIND_GPU_PREFETCH, stream, ASYNC, dev_ptr, count))
HIP_WRAP(hipStreamAttachMemAsync, COPY(ANAROS_KIND_GPU_PREFETCH, stream, ASYNC, dev_ptr, length))
