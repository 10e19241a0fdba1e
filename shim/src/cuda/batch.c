// SPDX-License-Identifier: Apache-2.0
/*
 * One call that does many things: a record for each, all with the times of
 * the one call, because lineage needs every range.
 */
#include "cuda/cuda.h"

struct batch {
	const struct anaros_call *call;
	uint64_t end_ns;
	struct anaros_fields fields;
};

static void add(struct batch *batch, uint16_t kind, uint64_t address, uint64_t bytes)
{
	batch->fields.kind = kind;
	batch->fields.address = address;
	batch->fields.size_bytes = bytes;
	if (unlikely((batch->fields.flags & ANAROS_FLAG_CAPTURE) != 0))
		anaros_cuda_put_in_graph(&batch->fields);
	anaros_record_at(batch->call->start_ns, batch->end_ns, &batch->fields);
}

/* Evaluated in a wrapper: where and how the batch was enqueued. */
#define BATCH(stream)                                                                              \
	(&(struct batch){                                                                          \
	    .call = &call,                                                                         \
	    .end_ns = anaros_now_ns(),                                                             \
	    .fields = {.flags = CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC),                             \
		       .status = result,                                                           \
		       .object = CUDA_STREAM(stream)},                                             \
	})

static void ranges(struct batch *batch, uint16_t kind, const uint64_t *addresses,
		   const size_t *sizes, size_t count)
{
	for (size_t i = 0; addresses != NULL && sizes != NULL && i < count; i++)
		add(batch, kind, addresses[i], sizes[i]);
}

#define RANGES(kind, addresses)                                                                    \
	ranges(BATCH(hStream), ANAROS_KIND_GPU_##kind, addresses, sizes, count)

CUDA_PAIR(cuMemcpyBatchAsync, _ptsz, RANGES(COPY, dsts))
CUDA_PAIR(cuMemcpyBatchAsync_v2, _ptsz, RANGES(COPY, dsts))
CUDA_PAIR(cuMemPrefetchBatchAsync, _ptsz, RANGES(PREFETCH, dptrs))
CUDA_PAIR(cuMemDiscardBatchAsync, _ptsz, RANGES(DISCARD, dptrs))
/* Nothing moves: the new place gets no old contents. */
CUDA_PAIR(cuMemDiscardAndPrefetchBatchAsync, _ptsz, RANGES(DISCARD, dptrs))

/* The driver's CUDA_MEMCPY3D_BATCH_OP. */
struct side_3d {
	unsigned int type;
	union {
		uint64_t pointer;
		void *array;
	};
	uint64_t place[3];
};

struct operation_3d {
	struct side_3d src, dst;
	size_t width, height, depth; /* elements: bytes where both sides are pointers */
	unsigned int order, flags;
};

_Static_assert(sizeof(struct operation_3d) == 112, "the driver's");

#define SIDE_ARRAY 2u

static void volumes(struct batch *batch, const struct operation_3d *operations, size_t count)
{
	for (size_t i = 0; operations != NULL && i < count; i++) {
		const struct operation_3d *each = &operations[i];
		uint64_t bytes = each->width * each->height * each->depth;
		uint16_t kind = ANAROS_KIND_GPU_COPY;

		if (each->dst.type == SIDE_ARRAY)
			bytes *= anaros_cuda_element_bytes(each->dst.array);
		else if (each->src.type == SIDE_ARRAY)
			bytes *= anaros_cuda_element_bytes(each->src.array);
		if (each->dst.type == SIDE_ARRAY && each->src.type == SIDE_ARRAY)
			kind = ANAROS_KIND_GPU_COPY_D2D;
		add(batch, kind, each->dst.pointer, bytes);
	}
}

CUDA_PAIR(cuMemcpy3DBatchAsync, _ptsz, volumes(BATCH(hStream), opList, numOps))
CUDA_PAIR(cuMemcpy3DBatchAsync_v2, _ptsz, volumes(BATCH(hStream), opList, numOps))
CUDA_PAIR(cuMemcpy3DWithAttributesAsync, _ptsz, volumes(BATCH(hStream), op, 1))

/* The driver's CUmemDecompressParams. */
struct decompression {
	size_t src_bytes, dst_bytes;
	uint32_t *dst_actual;
	const void *src;
	void *dst;
	uint32_t rest[6];
};

_Static_assert(sizeof(struct decompression) == 64, "the driver's");

static void decompressions(struct batch *batch, const struct decompression *list, size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++)
		add(batch, ANAROS_KIND_GPU_COPY, (uintptr_t)list[i].dst, list[i].dst_bytes);
}

CUDA_PAIR(cuMemBatchDecompressAsync, _ptsz, decompressions(BATCH(stream), paramsArray, count))

/* The driver's CUDA_FABRIC_COPY_BATCH_OP: a side is memory, or an endpoint of
 * the fabric. */
struct fabric_side {
	unsigned int type;
	uint64_t address; /* or the number of the endpoint */
	uint64_t place;
};

struct fabric_copy {
	struct fabric_side src, dst;
	size_t bytes;
	unsigned int flags;
};

_Static_assert(sizeof(struct fabric_copy) == 64, "the driver's");

static void fabric_copies(struct batch *batch, const struct fabric_copy *list, size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++)
		add(batch, ANAROS_KIND_GPU_COPY, list[i].dst.address, list[i].bytes);
}

CUDA_PAIR(cuFabricCpyBatchAsync, _ptsz, fabric_copies(BATCH(hStream), opList, numOps))

/* The driver's CUstreamBatchMemOpParams. */
struct memory_operation {
	unsigned int operation;
	uint64_t address;
	uint64_t rest[4];
};

_Static_assert(sizeof(struct memory_operation) == 48, "the driver's");

enum { WAIT_32 = 1, WRITE_32 = 2, WAIT_64 = 4, WRITE_64 = 5 };

/* Barriers and flushes have no address; only a wait can hold the stream back.
 */
static void memory_operations(struct batch *batch, const struct memory_operation *list,
			      size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++) {
		unsigned int what = list[i].operation;
		bool waits = what == WAIT_32 || what == WAIT_64;

		if (waits || what == WRITE_32 || what == WRITE_64)
			add(batch, ANAROS_KIND_GPU_SIGNAL, list[i].address, waits);
		else
			add(batch, ANAROS_KIND_GPU_SIGNAL, 0, 0);
	}
}

CUDA_PAIR(cuStreamBatchMemOp, _ptsz, memory_operations(BATCH(stream), paramArray, count))
CUDA_PAIR(cuStreamBatchMemOp_v2, _ptsz, memory_operations(BATCH(stream), paramArray, count))

static void semaphores(struct batch *batch, void *const *list, unsigned int count, bool waits)
{
	for (unsigned int i = 0; list != NULL && i < count; i++)
		add(batch, ANAROS_KIND_GPU_SIGNAL, (uintptr_t)list[i], waits);
}

CUDA_PAIR(cuSignalExternalSemaphoresAsync, _ptsz,
	  semaphores(BATCH(stream), extSemArray, numExtSems, false))
CUDA_PAIR(cuWaitExternalSemaphoresAsync, _ptsz,
	  semaphores(BATCH(stream), extSemArray, numExtSems, true))

/* The driver's CUDA_LAUNCH_PARAMS. */
struct launch {
	void *function;
	unsigned int grid[3], block[3], shared_bytes;
	void *stream;
	void **values;
};

_Static_assert(sizeof(struct launch) == 56, "the driver's");

static void launches(struct batch *batch, const struct launch *list, unsigned int count)
{
	enum { PER_THREAD = 0 };

	for (unsigned int i = 0; list != NULL && i < count; i++) {
		batch->fields.object = CUDA_STREAM(list[i].stream);
		batch->fields.flags = CUDA_FLAGS(list[i].stream, ANAROS_FLAG_ASYNC);
		add(batch, ANAROS_KIND_GPU_LAUNCH, (uintptr_t)list[i].function,
		    anaros_cuda_threads(list[i].grid, list[i].block));
	}
}

/* A kernel on each of several devices: each has its own stream. */
CUDA_WRAP(cuLaunchCooperativeKernelMultiDevice,
	  launches(BATCH((void *)NULL), launchParamsList, numDevices))
