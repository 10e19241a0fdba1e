// SPDX-License-Identifier: Apache-2.0
/* Buffers, images, shared memory, and what moves bytes between them. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define BLOCKS 256

/* Memory with an address for both sides. */
static void *blocks[BLOCKS];

static void *allocate(size_t bytes, cl_int *status)
{
	void *block = NULL;

	sim_lock();
	for (int i = 0; bytes != 0 && block == NULL && i < BLOCKS; i++)
		if (blocks[i] == NULL)
			block = blocks[i] = calloc(1, bytes);
	sim_unlock();
	if (block == NULL)
		TOLD(status, INVALID_VALUE);
	return block;
}

static cl_int release(void *pointer)
{
	bool known = pointer == NULL;

	sim_lock();
	for (int i = 0; !known && i < BLOCKS; i++)
		if (blocks[i] == pointer) {
			blocks[i] = NULL;
			known = true;
		}
	sim_unlock();
	if (!known)
		return INVALID_VALUE;
	free(pointer);
	return SUCCESS;
}

CL(void *, clSVMAlloc, (struct object * context, cl_ulong flags, size_t size, cl_uint alignment))
{
	ENTER(clSVMAlloc);
	return fault == SUCCESS ? allocate(size, NULL) : NULL;
}

CL(void, clSVMFree, (struct object * context, void *pointer))
{
	ENTER(clSVMFree);
	release(pointer);
}

CL(cl_int, clEnqueueSVMFree,
   (struct object * queue, cl_uint count, void **pointers,
    void (*notify)(struct object *, cl_uint, void **, void *), void *data, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueSVMFree);
	if (notify != NULL)
		notify(queue, count, pointers, data);
	for (cl_uint i = 0; notify == NULL && i < count; i++)
		release(pointers[i]);
	return sim_done(queue, sim_now(), event);
}

CL(void *, clHostMemAllocINTEL,
   (struct object * context, const cl_ulong *properties, size_t size, cl_uint alignment,
    cl_int *status))
{
	ENTER_OR_NULL(clHostMemAllocINTEL, status);
	return allocate(size, status);
}

#define USM(name)                                                                                  \
	CL(void *, name,                                                                           \
	   (struct object * context, struct object * device, const cl_ulong *properties,           \
	    size_t size, cl_uint alignment, cl_int *status))                                       \
	{                                                                                          \
		ENTER_OR_NULL(name, status);                                                       \
		return allocate(size, status);                                                     \
	}
USM(clDeviceMemAllocINTEL)
USM(clSharedMemAllocINTEL)

#define USM_FREE(name)                                                                             \
	CL(cl_int, name, (struct object * context, void *pointer))                                 \
	{                                                                                          \
		ENTER_OR_FAIL(name);                                                               \
		return release(pointer);                                                           \
	}
USM_FREE(clMemFreeINTEL)
USM_FREE(clMemBlockingFreeINTEL)

static struct object *make(size_t size, size_t pixel, const void *host)
{
	struct object *memory = sim_make(MEMORY, NULL);

	memory->size = size;
	memory->pixel = pixel;
	memory->bytes = sim_device_alloc(size);
	if (host != NULL)
		memcpy(memory->bytes, host, size);
	return memory;
}

CL(struct object *, clCreateBuffer,
   (struct object * context, cl_ulong flags, size_t size, void *host, cl_int *status))
{
	ENTER_OR_NULL(clCreateBuffer, status);
	return make(size, 1, host);
}

CL(struct object *, clCreateBufferWithProperties,
   (struct object * context, const cl_ulong *properties, cl_ulong flags, size_t size, void *host,
    cl_int *status))
{
	ENTER_OR_NULL(clCreateBufferWithProperties, status);
	return make(size, 1, host);
}

CL(struct object *, clCreateSubBuffer,
   (struct object * buffer, cl_ulong flags, cl_uint how, const size_t *region, cl_int *status))
{
	struct object *part;

	ENTER_OR_NULL(clCreateSubBuffer, status);
	part = sim_make(MEMORY, buffer);
	part->bytes = buffer->bytes + region[0];
	part->size = region[1];
	part->pixel = 1;
	return part;
}

/* Four bytes a pixel, as its description is laid out: type, width, height, depth. */
CL(struct object *, clCreateImage,
   (struct object * context, cl_ulong flags, const void *format, const size_t *description,
    void *host, cl_int *status))
{
	size_t height, depth;
	struct object *image;

	ENTER_OR_NULL(clCreateImage, status);
	height = description[2] != 0 ? description[2] : 1;
	depth = description[3] != 0 ? description[3] : 1;
	image = make(4 * description[1] * height * depth, 4, host);
	image->row = 4 * description[1];
	image->slice = image->row * height;
	return image;
}

CL(struct object *, clCreatePipe,
   (struct object * context, cl_ulong flags, cl_uint bytes, cl_uint packets,
    const intptr_t *properties, cl_int *status))
{
	ENTER_OR_NULL(clCreatePipe, status);
	return make((size_t)bytes * packets, 1, NULL);
}

CL(cl_int, clSetMemObjectDestructorCallback,
   (struct object * memory, void (*notify)(struct object *, void *), void *data))
{
	ENTER_OR_FAIL(clSetMemObjectDestructorCallback);
	for (int i = 0; i < NOTES; i++)
		if (memory->ended[i] == NULL) {
			memory->ended[i] = notify;
			memory->ended_with[i] = data;
			return SUCCESS;
		}
	return OUT_OF_MEMORY;
}

CL(cl_int, clGetMemObjectInfo,
   (struct object * memory, cl_uint name, size_t room, void *value, size_t *size))
{
	ENTER_OR_FAIL(clGetMemObjectInfo);
	return name == 0x1107 ? sim_answer(&memory->parent, sizeof(void *), room, value, size)
			      : sim_answer(&memory->size, sizeof(size_t), room, value, size);
}

CL(cl_int, clGetImageInfo,
   (struct object * memory, cl_uint name, size_t room, void *value, size_t *size))
{
	ENTER_OR_FAIL(clGetImageInfo);
	return sim_answer(&memory->pixel, sizeof(size_t), room, value, size);
}

static cl_int move(struct object *queue, enum way way, void *target, const void *source,
		   size_t size, struct object **event)
{
	cl_ulong queued = sim_now();

	if (sim_of(queue, QUEUE) == NULL)
		return INVALID_QUEUE;
	sim_device_copy(target, source, size);
	sim_moved(way, size);
	return sim_done(queue, queued, event);
}

static cl_int fill(struct object *queue, char *target, const void *pattern, size_t pattern_size,
		   size_t size, struct object **event)
{
	cl_ulong queued = sim_now();

	sim_device_fill(target, pattern, pattern_size, size);
	sim_moved(WAY_FILL, size);
	return sim_done(queue, queued, event);
}

CL(cl_int, clEnqueueWriteBuffer,
   (struct object * queue, struct object *buffer, cl_uint blocking, size_t offset, size_t size,
    const void *host, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueWriteBuffer);
	if (sim_of(buffer, MEMORY) == NULL)
		return INVALID_MEMORY;
	return move(queue, WAY_H2D, buffer->bytes + offset, host, size, event);
}

CL(cl_int, clEnqueueReadBuffer,
   (struct object * queue, struct object *buffer, cl_uint blocking, size_t offset, size_t size,
    void *host, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueReadBuffer);
	if (sim_of(buffer, MEMORY) == NULL)
		return INVALID_MEMORY;
	return move(queue, WAY_D2H, host, buffer->bytes + offset, size, event);
}

CL(cl_int, clEnqueueCopyBuffer,
   (struct object * queue, struct object *source, struct object *target, size_t from, size_t to,
    size_t size, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueCopyBuffer);
	return move(queue, WAY_D2D, target->bytes + to, source->bytes + from, size, event);
}

CL(cl_int, clEnqueueFillBuffer,
   (struct object * queue, struct object *buffer, const void *pattern, size_t pattern_size,
    size_t offset, size_t size, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueFillBuffer);
	return fill(queue, buffer->bytes + offset, pattern, pattern_size, size, event);
}

CL(cl_int, clEnqueueMigrateMemObjects,
   (struct object * queue, cl_uint count, struct object *const *objects, cl_ulong flags, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueMigrateMemObjects);
	return sim_done(queue, sim_now(), event);
}

/* One row after the other, tightly packed on the host. */
static cl_int rows(struct object *queue, struct object *image, const size_t *at,
		   const size_t *region, char *host, enum way way, struct object **event)
{
	cl_ulong queued = sim_now();
	size_t bytes = region[0] * image->pixel;

	for (size_t z = 0; z < region[2]; z++)
		for (size_t y = 0; y < region[1]; y++, host += bytes) {
			char *row = image->bytes + (at[2] + z) * image->slice +
				    (at[1] + y) * image->row + at[0] * image->pixel;

			if (way == WAY_D2H)
				memcpy(host, row, bytes);
			else
				memcpy(row, host, bytes);
		}
	sim_moved(way, bytes * region[1] * region[2]);
	return sim_done(queue, queued, event);
}

CL(cl_int, clEnqueueWriteImage,
   (struct object * queue, struct object *image, cl_uint blocking, const size_t *origin,
    const size_t *region, size_t row, size_t slice, void *host, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueWriteImage);
	return rows(queue, image, origin, region, host, WAY_H2D, event);
}

CL(cl_int, clEnqueueReadImage,
   (struct object * queue, struct object *image, cl_uint blocking, const size_t *origin,
    const size_t *region, size_t row, size_t slice, void *host, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueReadImage);
	return rows(queue, image, origin, region, host, WAY_D2H, event);
}

CL(cl_int, clEnqueueCopyBufferToImage,
   (struct object * queue, struct object *buffer, struct object *image, size_t offset,
    const size_t *origin, const size_t *region, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueCopyBufferToImage);
	return rows(queue, image, origin, region, buffer->bytes + offset, WAY_D2D, event);
}

CL(cl_int, clEnqueueFillImage,
   (struct object * queue, struct object *image, const void *color, const size_t *origin,
    const size_t *region, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueFillImage);
	sim_moved(WAY_FILL, region[0] * region[1] * region[2] * image->pixel);
	return sim_done(queue, sim_now(), event);
}

CL(void *, clEnqueueMapImage,
   (struct object * queue, struct object *image, cl_uint blocking, cl_ulong flags,
    const size_t *origin, const size_t *region, size_t *row, size_t *slice, WAIT_LIST,
    cl_int *status))
{
	ENTER_OR_NULL(clEnqueueMapImage, status);
	*row = image->row;
	TOLD(slice, image->slice);
	sim_done(queue, sim_now(), event);
	return image->bytes;
}

CL(cl_int, clEnqueueUnmapMemObject,
   (struct object * queue, struct object *memory, void *host, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueUnmapMemObject);
	return sim_done(queue, sim_now(), event);
}

#define COPY(name)                                                                                 \
	CL(cl_int, name,                                                                           \
	   (struct object * queue, cl_uint blocking, void *target, const void *source,             \
	    size_t size, WAIT_LIST))                                                               \
	{                                                                                          \
		ENTER_OR_FAIL(name);                                                               \
		return move(queue, WAY_ANY, target, source, size, event);                          \
	}
COPY(clEnqueueSVMMemcpy)
COPY(clEnqueueMemcpyINTEL)

#define FILL(name)                                                                                 \
	CL(cl_int, name,                                                                           \
	   (struct object * queue, void *target, const void *pattern, size_t pattern_size,         \
	    size_t size, WAIT_LIST))                                                               \
	{                                                                                          \
		ENTER_OR_FAIL(name);                                                               \
		return fill(queue, target, pattern, pattern_size, size, event);                    \
	}
FILL(clEnqueueSVMMemFill)
FILL(clEnqueueMemFillINTEL)

CL(cl_int, clEnqueueSVMMigrateMem,
   (struct object * queue, cl_uint count, const void **pointers, const size_t *sizes,
    cl_ulong flags, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueSVMMigrateMem);
	return sim_done(queue, sim_now(), event);
}

CL(cl_int, clEnqueueMigrateMemINTEL,
   (struct object * queue, const void *memory, size_t size, cl_ulong flags, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueMigrateMemINTEL);
	return sim_done(queue, sim_now(), event);
}
