// SPDX-License-Identifier: Apache-2.0
/* Copies of images on the device, and shared virtual memory that is mapped. */
#include <string.h>

#include "sim.h"

static char *at(const struct object *image, const size_t *origin, size_t y, size_t z)
{
	return image->bytes + (origin[2] + z) * image->slice + (origin[1] + y) * image->row +
	       origin[0] * image->pixel;
}

CL(cl_int, clEnqueueCopyImage,
   (struct object * queue, struct object *source, struct object *target, const size_t *from,
    const size_t *to, const size_t *region, WAIT_LIST))
{
	cl_ulong queued = sim_now();

	ENTER_OR_FAIL(clEnqueueCopyImage);
	for (size_t z = 0; z < region[2]; z++)
		for (size_t y = 0; y < region[1]; y++)
			memmove(at(target, to, y, z), at(source, from, y, z),
				region[0] * source->pixel);
	sim_moved(WAY_D2D, region[0] * region[1] * region[2] * source->pixel);
	return sim_done(queue, queued, event);
}

CL(cl_int, clEnqueueCopyImageToBuffer,
   (struct object * queue, struct object *image, struct object *buffer, const size_t *origin,
    const size_t *region, size_t offset, WAIT_LIST))
{
	cl_ulong queued = sim_now();
	size_t bytes = region[0] * image->pixel;
	char *target = buffer->bytes + offset;

	ENTER_OR_FAIL(clEnqueueCopyImageToBuffer);
	for (size_t z = 0; z < region[2]; z++)
		for (size_t y = 0; y < region[1]; y++, target += bytes)
			memcpy(target, at(image, origin, y, z), bytes);
	sim_moved(WAY_D2D, bytes * region[1] * region[2]);
	return sim_done(queue, queued, event);
}

CL(cl_int, clEnqueueSVMMap,
   (struct object * queue, cl_uint blocking, cl_ulong flags, void *host, size_t size, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueSVMMap);
	return sim_done(queue, sim_now(), event);
}

CL(cl_int, clEnqueueSVMUnmap, (struct object * queue, void *host, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueSVMUnmap);
	return sim_done(queue, sim_now(), event);
}

CL(cl_int, clSetKernelArgSVMPointer, (struct object * kernel, cl_uint index, const void *value))
{
	ENTER_OR_FAIL(clSetKernelArgSVMPointer);
	kernel->values[index] = (uintptr_t)value;
	return SUCCESS;
}
