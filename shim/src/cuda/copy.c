// SPDX-License-Identifier: Apache-2.0
/*
 * Copies, fills, and hints of where memory will be used. A synchronous one
 * goes through the default stream of its thread, and its record lasts until
 * the bytes are there.
 */
#include "cuda/cuda.h"

/* The driver's CUDA_MEMCPY2D and CUDA_MEMCPY3D; the peer form has contexts for
 * `reserved`. */
#define COPY_2D_SIDE(side, size, pointer)                                                          \
	size side##_x, side##_y;                                                                   \
	unsigned int side##_type;                                                                  \
	const void *side##_host;                                                                   \
	pointer side##_device;                                                                     \
	void *side##_array;                                                                        \
	size side##_pitch

#define COPY_3D_SIDE(side, size, pointer)                                                          \
	size side##_x, side##_y, side##_z, side##_lod;                                             \
	unsigned int side##_type;                                                                  \
	const void *side##_host;                                                                   \
	pointer side##_device;                                                                     \
	void *side##_array;                                                                        \
	void *side##_reserved;                                                                     \
	size side##_pitch, side##_height

struct copy_2d {
	COPY_2D_SIDE(src, size_t, uint64_t);
	COPY_2D_SIDE(dst, size_t, uint64_t);
	size_t width, height;
};

struct copy_3d {
	COPY_3D_SIDE(src, size_t, uint64_t);
	COPY_3D_SIDE(dst, size_t, uint64_t);
	size_t width, height, depth;
};

/* Of the first ABI, with addresses of 32 bits. */
struct copy_2d_old {
	COPY_2D_SIDE(src, unsigned int, unsigned int);
	COPY_2D_SIDE(dst, unsigned int, unsigned int);
	unsigned int width, height;
};

struct copy_3d_old {
	COPY_3D_SIDE(src, unsigned int, unsigned int);
	COPY_3D_SIDE(dst, unsigned int, unsigned int);
	unsigned int width, height, depth;
};

_Static_assert(sizeof(struct copy_2d) == 128 && sizeof(struct copy_3d) == 200, "the driver's");
_Static_assert(sizeof(struct copy_2d_old) == 96 && sizeof(struct copy_3d_old) == 144,
	       "the driver's");

enum side { SIDE_HOST = 1, SIDE_DEVICE = 2, SIDE_ARRAY = 3, SIDE_UNIFIED = 4 };

#define SYNC  0
#define ASYNC ANAROS_FLAG_ASYNC
#define NONE  ((void *)NULL)

/* One record; PER_THREAD and `stream` say where it was enqueued. */
#define COPY(kind_, stream, way, address_, bytes)                                                  \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_##kind_, .flags = CUDA_FLAGS(stream, way),             \
		    .object = CUDA_STREAM(stream), .address = (uintptr_t)(address_),               \
		    .size_bytes = (bytes))

/* A synchronous copy or its asynchronous form, in both ABIs. */
#define COPIES(symbol, ...)                                                                        \
	CUDA_WRAP(symbol, __VA_ARGS__)                                                             \
	CUDA_PAIR(symbol##_v2, _ptds, __VA_ARGS__)
#define COPIES_ASYNC(symbol, ...)                                                                  \
	CUDA_WRAP(symbol, __VA_ARGS__)                                                             \
	CUDA_PAIR(symbol##_v2, _ptsz, __VA_ARGS__)

COPIES(cuMemcpyHtoD, COPY(COPY_H2D, NONE, SYNC, srcHost, ByteCount))
COPIES(cuMemcpyDtoH, COPY(COPY_D2H, NONE, SYNC, dstHost, ByteCount))
COPIES(cuMemcpyDtoD, COPY(COPY_D2D, NONE, SYNC, dstDevice, ByteCount))
COPIES(cuMemcpyHtoA, COPY(COPY_H2D, NONE, SYNC, srcHost, ByteCount))
COPIES(cuMemcpyAtoH, COPY(COPY_D2H, NONE, SYNC, dstHost, ByteCount))
COPIES(cuMemcpyAtoD, COPY(COPY_D2D, NONE, SYNC, dstDevice, ByteCount))
COPIES(cuMemcpyDtoA, COPY(COPY_D2D, NONE, SYNC, dstArray, ByteCount))
COPIES(cuMemcpyAtoA, COPY(COPY_D2D, NONE, SYNC, dstArray, ByteCount))
COPIES_ASYNC(cuMemcpyHtoDAsync, COPY(COPY_H2D, hStream, ASYNC, srcHost, ByteCount))
COPIES_ASYNC(cuMemcpyDtoHAsync, COPY(COPY_D2H, hStream, ASYNC, dstHost, ByteCount))
COPIES_ASYNC(cuMemcpyDtoDAsync, COPY(COPY_D2D, hStream, ASYNC, dstDevice, ByteCount))
COPIES_ASYNC(cuMemcpyHtoAAsync, COPY(COPY_H2D, hStream, ASYNC, srcHost, ByteCount))
COPIES_ASYNC(cuMemcpyAtoHAsync, COPY(COPY_D2H, hStream, ASYNC, dstHost, ByteCount))

/* Of one address space: only the runtime's call may tell the direction. */
#define COPY_HINTED(stream, way)                                                                   \
	uint16_t told = anaros_cuda_hint.copy_kind;                                                \
	CUDA_RECORD(.kind = told != 0 ? told : ANAROS_KIND_GPU_COPY,                               \
		    .flags = CUDA_FLAGS(stream, way), .object = CUDA_STREAM(stream),               \
		    .address = told == ANAROS_KIND_GPU_COPY_H2D ? src : dst,                       \
		    .size_bytes = ByteCount)

CUDA_PAIR(cuMemcpy, _ptds, COPY_HINTED(NONE, SYNC))
CUDA_PAIR(cuMemcpyAsync, _ptsz, COPY_HINTED(hStream, ASYNC))
CUDA_PAIR(cuMemcpyWithAttributesAsync, _ptsz, COPY(COPY, hStream, ASYNC, dst, size))
CUDA_PAIR(cuMemcpyPeer, _ptds, COPY(COPY_D2D, NONE, SYNC, dstDevice, ByteCount))
CUDA_PAIR(cuMemcpyPeerAsync, _ptsz, COPY(COPY_D2D, hStream, ASYNC, dstDevice, ByteCount))

struct described {
	uint16_t kind;
	uint64_t address; /* the host side, else the destination */
	uint64_t bytes;
};

/* Arrays lie on the device; a unified side does not tell, but the runtime's call may have. */
static struct described describe(unsigned int dst, unsigned int src, uint64_t dst_address,
				 uint64_t src_address, uint64_t bytes)
{
	struct described what = {ANAROS_KIND_GPU_COPY, dst_address, bytes};
	uint16_t told = anaros_cuda_hint.copy_kind;

	if (dst == SIDE_UNIFIED || src == SIDE_UNIFIED || (dst == SIDE_HOST && src == SIDE_HOST)) {
		if (told != 0)
			what.kind = told;
		if (told == ANAROS_KIND_GPU_COPY_H2D)
			what.address = src_address;
		return what;
	}
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

#define BASE(p, side) base_of(p->side##_type, p->side##_host, p->side##_device, p->side##_array)
#define ROW_2D(p, side)                                                                            \
	(BASE(p, side) + (uint64_t)p->side##_y * p->side##_pitch + (uint64_t)p->side##_x)
#define ROW_3D(p, side)                                                                            \
	(BASE(p, side) +                                                                           \
	 ((uint64_t)p->side##_z * p->side##_height + p->side##_y) * p->side##_pitch + p->side##_x)

#define DESCRIBE(name, row, bytes)                                                                 \
	static struct described describe_##name(const void *parameter)                             \
	{                                                                                          \
		const struct name *p = parameter;                                                  \
                                                                                                   \
		if (p == NULL)                                                                     \
			return (struct described){.kind = ANAROS_KIND_GPU_COPY};                   \
		return describe(p->dst_type, p->src_type, row(p, dst), row(p, src), bytes);        \
	}

DESCRIBE(copy_2d, ROW_2D, (uint64_t)p->width * p->height)
DESCRIBE(copy_2d_old, ROW_2D, (uint64_t)p->width * p->height)
DESCRIBE(copy_3d, ROW_3D, (uint64_t)p->width * p->height * p->depth)
DESCRIBE(copy_3d_old, ROW_3D, (uint64_t)p->width * p->height * p->depth)

/* By value: the program may change its structure once the call is back. */
#define DESCRIBED(what_, stream, way)                                                              \
	struct described what = (what_);                                                           \
	CUDA_RECORD(.kind = what.kind, .flags = CUDA_FLAGS(stream, way),                           \
		    .object = CUDA_STREAM(stream), .address = what.address,                        \
		    .size_bytes = what.bytes)

CUDA_WRAP(cuMemcpy2D, DESCRIBED(describe_copy_2d_old(pCopy), NONE, SYNC))
CUDA_WRAP(cuMemcpy2DUnaligned, DESCRIBED(describe_copy_2d_old(pCopy), NONE, SYNC))
CUDA_WRAP(cuMemcpy2DAsync, DESCRIBED(describe_copy_2d_old(pCopy), hStream, ASYNC))
CUDA_WRAP(cuMemcpy3D, DESCRIBED(describe_copy_3d_old(pCopy), NONE, SYNC))
CUDA_WRAP(cuMemcpy3DAsync, DESCRIBED(describe_copy_3d_old(pCopy), hStream, ASYNC))
CUDA_PAIR(cuMemcpy2D_v2, _ptds, DESCRIBED(describe_copy_2d(pCopy), NONE, SYNC))
CUDA_PAIR(cuMemcpy2DUnaligned_v2, _ptds, DESCRIBED(describe_copy_2d(pCopy), NONE, SYNC))
CUDA_PAIR(cuMemcpy2DAsync_v2, _ptsz, DESCRIBED(describe_copy_2d(pCopy), hStream, ASYNC))
CUDA_PAIR(cuMemcpy3D_v2, _ptds, DESCRIBED(describe_copy_3d(pCopy), NONE, SYNC))
CUDA_PAIR(cuMemcpy3DAsync_v2, _ptsz, DESCRIBED(describe_copy_3d(pCopy), hStream, ASYNC))
CUDA_PAIR(cuMemcpy3DPeer, _ptds, DESCRIBED(describe_copy_3d(pCopy), NONE, SYNC))
CUDA_PAIR(cuMemcpy3DPeerAsync, _ptsz, DESCRIBED(describe_copy_3d(pCopy), hStream, ASYNC))

#define MEMSETS(bits)                                                                              \
	COPIES(cuMemsetD##bits, COPY(MEMSET, NONE, SYNC, dstDevice, (uint64_t)N *(bits / 8)))      \
	CUDA_PAIR(cuMemsetD##bits##Async, _ptsz,                                                   \
		  COPY(MEMSET, hStream, ASYNC, dstDevice, N *(bits / 8)))                          \
	COPIES(cuMemsetD2D##bits,                                                                  \
	       COPY(MEMSET, NONE, SYNC, dstDevice, (uint64_t)Width *Height *(bits / 8)))           \
	CUDA_PAIR(cuMemsetD2D##bits##Async, _ptsz,                                                 \
		  COPY(MEMSET, hStream, ASYNC, dstDevice, Width *Height *(bits / 8)))

MEMSETS(8)
MEMSETS(16)
MEMSETS(32)

/* A hint for managed memory, or the stream that it belongs to from now on. */
CUDA_PAIR(cuMemPrefetchAsync, _ptsz, COPY(PREFETCH, hStream, ASYNC, devPtr, count))
CUDA_PAIR(cuMemPrefetchAsync_v2, _ptsz, COPY(PREFETCH, hStream, ASYNC, devPtr, count))
CUDA_PAIR(cuStreamAttachMemAsync, _ptsz, COPY(PREFETCH, hStream, ASYNC, dptr, length))
