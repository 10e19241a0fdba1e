// SPDX-License-Identifier: Apache-2.0
/* Memory, copies and fills. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim.h"

#define BLOCKS 1024

static struct block {
	void *start;
	size_t bytes;
} blocks[BLOCKS];

static int allocate(void **pointer, size_t bytes)
{
	int result = OUT_OF_MEMORY;

	if (pointer == NULL || bytes == 0)
		return INVALID_VALUE;
	if (sim_state() != SUCCESS)
		return sim_state();
	sim_lock();
	for (int i = 0; i < BLOCKS && result != SUCCESS; i++)
		if (blocks[i].start == NULL) {
			blocks[i] = (struct block){calloc(1, bytes), bytes};
			*pointer = blocks[i].start;
			result = SUCCESS;
		}
	sim_unlock();
	return result;
}

static int release(void *pointer)
{
	int result = pointer == NULL ? SUCCESS : INVALID_VALUE;

	sim_lock();
	for (int i = 0; i < BLOCKS; i++)
		if (pointer != NULL && blocks[i].start == pointer) {
			/* As the real one: work that uses it is done first. */
			sim_drain_all();
			free(pointer);
			blocks[i].start = NULL;
			result = SUCCESS;
		}
	sim_unlock();
	return result;
}

#define ALLOCATOR(name, parameters, pointer, bytes)                                                \
	int name parameters;                                                                       \
	int name parameters                                                                        \
	{                                                                                          \
		COUNT(name);                                                                       \
		return allocate(pointer, bytes);                                                   \
	}
#define RELEASER(name)                                                                             \
	int name(void *pointer);                                                                   \
	int name(void *pointer)                                                                    \
	{                                                                                          \
		COUNT(name);                                                                       \
		return release(pointer);                                                           \
	}

ALLOCATOR(hipMalloc, (void **pointer, size_t bytes), pointer, bytes)
ALLOCATOR(hipMallocManaged, (void **pointer, size_t bytes, unsigned int flags), pointer,
	  ((void)flags, bytes))
ALLOCATOR(hipHostMalloc, (void **pointer, size_t bytes, unsigned int flags), pointer,
	  ((void)flags, bytes))
ALLOCATOR(hipMallocAsync, (void **pointer, size_t bytes, void *stream), pointer,
	  ((void)stream, bytes))
ALLOCATOR(hipMallocPitch, (void **pointer, size_t *pitch, size_t width, size_t height), pointer,
	  (*pitch = (width + 255) / 256 * 256) * height)
RELEASER(hipFree)
RELEASER(hipHostFree)

int hipFreeAsync(void *pointer, void *stream);
int hipFreeAsync(void *pointer, void *stream)
{
	COUNT(hipFreeAsync);
	(void)stream;
	return release(pointer);
}

int hipHostRegister(void *pointer, size_t bytes, unsigned int flags);
int hipHostRegister(void *pointer, size_t bytes, unsigned int flags)
{
	COUNT(hipHostRegister);
	(void)flags;
	return pointer != NULL && bytes != 0 ? SUCCESS : INVALID_VALUE;
}

int hipHostUnregister(void *pointer);
int hipHostUnregister(void *pointer)
{
	COUNT(hipHostUnregister);
	return pointer != NULL ? SUCCESS : INVALID_VALUE;
}

int hipMemAddressReserve(void **pointer, size_t bytes, size_t alignment, void *at, uint64_t flags);
int hipMemAddressReserve(void **pointer, size_t bytes, size_t alignment, void *at, uint64_t flags)
{
	COUNT(hipMemAddressReserve);
	(void)alignment;
	(void)at;
	(void)flags;
	*pointer = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return *pointer != MAP_FAILED ? SUCCESS : OUT_OF_MEMORY;
}

int hipMemAddressFree(void *pointer, size_t bytes);
int hipMemAddressFree(void *pointer, size_t bytes)
{
	COUNT(hipMemAddressFree);
	return munmap(pointer, bytes) == 0 ? SUCCESS : INVALID_VALUE;
}

int hipMemCreate(void **handle, size_t bytes, const void *properties, uint64_t flags);
int hipMemCreate(void **handle, size_t bytes, const void *properties, uint64_t flags)
{
	COUNT(hipMemCreate);
	(void)properties;
	(void)flags;
	return allocate(handle, bytes);
}

RELEASER(hipMemRelease)

int hipMemMap(void *pointer, size_t bytes, size_t offset, void *handle, uint64_t flags);
int hipMemMap(void *pointer, size_t bytes, size_t offset, void *handle, uint64_t flags)
{
	COUNT(hipMemMap);
	(void)offset;
	(void)handle;
	(void)flags;
	return mprotect(pointer, bytes, PROT_READ | PROT_WRITE) == 0 ? SUCCESS : INVALID_VALUE;
}

int hipMemUnmap(void *pointer, size_t bytes);
int hipMemUnmap(void *pointer, size_t bytes)
{
	COUNT(hipMemUnmap);
	return mprotect(pointer, bytes, PROT_NONE) == 0 ? SUCCESS : INVALID_VALUE;
}

static void move(const struct op *op)
{
	for (size_t row = 0; row < op->rows; row++)
		memcpy((char *)op->target + row * op->target_pitch,
		       (const char *)op->source + row * op->source_pitch, op->bytes);
	sim_moved(op->way, op->bytes * op->rows);
}

static int copy_rows(struct stream *stream, bool waits, struct op op)
{
	int result;

	if (op.target == NULL || op.source == NULL)
		return INVALID_VALUE;
	op.run = move;
	sim_lock();
	if (waits && stream->capture != NULL) {
		stream->spoiled = true;
		result = CAPTURE_UNSUPPORTED;
	} else {
		result = sim_enqueue(stream, &op);
		if (waits)
			sim_drain(stream, UINT64_MAX);
	}
	sim_unlock();
	return result;
}

static int copy(struct stream *stream, bool waits, void *target, const void *source, size_t bytes,
		int way)
{
	return copy_rows(
	    stream, waits,
	    (struct op){.target = target, .source = source, .bytes = bytes, .rows = 1, .way = way});
}

static int way_of(int kind)
{
	static const int ways[] = {WAY_H2H, WAY_H2D, WAY_D2H, WAY_D2D};

	return kind >= 0 && kind < 4 ? ways[kind] : WAY_D2D;
}

#define COPY(name, twin)                                                                           \
	int name(void *target, const void *source, size_t bytes, int kind);                        \
	int name(void *target, const void *source, size_t bytes, int kind)                         \
	{                                                                                          \
		COUNT(name);                                                                       \
		return copy(sim_stream(NULL, twin), true, target, source, bytes, way_of(kind));    \
	}
#define COPY_ASYNC(name, twin)                                                                     \
	int name(void *target, const void *source, size_t bytes, int kind, void *stream);          \
	int name(void *target, const void *source, size_t bytes, int kind, void *stream)           \
	{                                                                                          \
		COUNT(name);                                                                       \
		return copy(sim_stream(stream, twin), false, target, source, bytes, way_of(kind)); \
	}
#define COPY_NAMED(name, way)                                                                      \
	int name(void *target, void *source, size_t bytes);                                        \
	int name(void *target, void *source, size_t bytes)                                         \
	{                                                                                          \
		COUNT(name);                                                                       \
		return copy(sim_stream(NULL, false), true, target, source, bytes, way);            \
	}                                                                                          \
	int name##Async(void *target, void *source, size_t bytes, void *stream);                   \
	int name##Async(void *target, void *source, size_t bytes, void *stream)                    \
	{                                                                                          \
		COUNT(name##Async);                                                                \
		return copy(sim_stream(stream, false), false, target, source, bytes, way);         \
	}

COPY(hipMemcpy, false)
COPY(hipMemcpy_spt, true)
COPY_ASYNC(hipMemcpyAsync, false)
COPY_ASYNC(hipMemcpyAsync_spt, true)
COPY_NAMED(hipMemcpyHtoD, WAY_H2D)
COPY_NAMED(hipMemcpyDtoH, WAY_D2H)
COPY_NAMED(hipMemcpyDtoD, WAY_D2D)

int hipStreamSynchronize(void *stream);

/* By its own exported functions, as parts of a real runtime are. */
int hipMemcpyWithStream(void *target, const void *source, size_t bytes, int kind, void *stream);
int hipMemcpyWithStream(void *target, const void *source, size_t bytes, int kind, void *stream)
{
	int result;

	COUNT(hipMemcpyWithStream);
	result = hipMemcpyAsync(target, source, bytes, kind, stream);
	return result != SUCCESS ? result : hipStreamSynchronize(stream);
}

int hipMemcpyPeerAsync(void *target, int to, const void *source, int from, size_t bytes,
		       void *stream);
int hipMemcpyPeerAsync(void *target, int to, const void *source, int from, size_t bytes,
		       void *stream)
{
	COUNT(hipMemcpyPeerAsync);
	(void)to;
	(void)from;
	return copy(sim_stream(stream, false), false, target, source, bytes, WAY_D2D);
}

int hipMemcpy2D(void *target, size_t target_pitch, const void *source, size_t source_pitch,
		size_t width, size_t height, int kind);
int hipMemcpy2D(void *target, size_t target_pitch, const void *source, size_t source_pitch,
		size_t width, size_t height, int kind)
{
	COUNT(hipMemcpy2D);
	return copy_rows(sim_stream(NULL, false), true,
			 (struct op){.target = target,
				     .source = source,
				     .bytes = width,
				     .rows = height,
				     .target_pitch = target_pitch,
				     .source_pitch = source_pitch,
				     .way = way_of(kind)});
}

struct side {
	unsigned int type;
	void *host, *device, *array;
};

struct copy_2d {
	size_t src_x, src_y;
	struct side src;
	size_t src_pitch, dst_x, dst_y;
	struct side dst;
	size_t dst_pitch, width, height;
};

/* By the numbers of HIP 6: 1 is the host, 2 the device. */
int hipMemcpyParam2D(const void *parameters);
int hipMemcpyParam2D(const void *parameters)
{
	const struct copy_2d *p = parameters;
	const char *source;
	char *target;

	COUNT(hipMemcpyParam2D);
	if (p == NULL)
		return INVALID_VALUE;
	source = p->src.type == 1 ? p->src.host : p->src.device;
	target = p->dst.type == 1 ? p->dst.host : p->dst.device;
	return copy_rows(sim_stream(NULL, false), true,
			 (struct op){.target = target + p->dst_y * p->dst_pitch + p->dst_x,
				     .source = source + p->src_y * p->src_pitch + p->src_x,
				     .bytes = p->width,
				     .rows = p->height,
				     .target_pitch = p->dst_pitch,
				     .source_pitch = p->src_pitch,
				     .way = p->src.type == 1   ? WAY_H2D
					    : p->dst.type == 1 ? WAY_D2H
							       : WAY_D2D});
}

static void fill(const struct op *op)
{
	for (size_t i = 0; i < op->bytes; i++)
		memcpy((char *)op->target + i * op->rows, op->values, op->rows);
}

static int enqueue_fill(struct stream *stream, bool waits, void *target, unsigned int value,
			size_t width, size_t count)
{
	struct op op = {.run = fill, .target = target, .bytes = count, .rows = width};

	if (target == NULL)
		return INVALID_VALUE;
	op.values[0] = value;
	sim_lock();
	sim_enqueue(stream, &op);
	if (waits)
		sim_drain(stream, UINT64_MAX);
	sim_unlock();
	return SUCCESS;
}

int hipMemset(void *target, int value, size_t bytes);
int hipMemset(void *target, int value, size_t bytes)
{
	COUNT(hipMemset);
	return enqueue_fill(sim_stream(NULL, false), true, target, (unsigned int)value, 1, bytes);
}

int hipMemsetAsync(void *target, int value, size_t bytes, void *stream);
int hipMemsetAsync(void *target, int value, size_t bytes, void *stream)
{
	COUNT(hipMemsetAsync);
	return enqueue_fill(sim_stream(stream, false), false, target, (unsigned int)value, 1,
			    bytes);
}

int hipMemsetD32Async(void *target, int value, size_t count, void *stream);
int hipMemsetD32Async(void *target, int value, size_t count, void *stream)
{
	COUNT(hipMemsetD32Async);
	return enqueue_fill(sim_stream(stream, false), false, target, (unsigned int)value, 4,
			    count);
}
