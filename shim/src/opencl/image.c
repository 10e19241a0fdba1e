// SPDX-License-Identifier: Apache-2.0
/* Copies, fills and maps of images. Their regions are in pixels, of which the runtime knows the
 * size. */
#include "opencl/opencl.h"

static COLD uint64_t pixels_bytes(const struct cl_api *api, cl_mem image, const size_t *region)
{
	int saved = errno;
	size_t pixel = 0;

	if (api->clGetImageInfo != NULL)
		api->clGetImageInfo(image, CL_IMAGE_ELEMENT_SIZE, sizeof(pixel), &pixel, NULL);
	errno = saved;
	return cl_volume(region) * pixel;
}

/* What the runtime refused is perhaps no image. */
static void touched(struct cl_call *call, cl_int result, bool blocking, uint16_t kind, cl_mem image,
		    const size_t *region, const void *address)
{
	cl_copied(call, result, blocking, kind,
		  call->recording && result == CL_SUCCESS ? pixels_bytes(call->api, image, region)
							  : 0,
		  (uintptr_t)address);
}

#define TOUCHED(kind, blocking, image, at)                                                         \
	touched(&call, result, blocking, ANAROS_KIND_GPU_##kind, image, region, at)

#define HOST(name, kind, host_type)                                                                \
	CL_COMMAND_RARE(name,                                                                      \
			(cl_command_queue queue, cl_mem image, cl_uint blocking,                   \
			 const size_t *origin, const size_t *region, size_t row, size_t slice,     \
			 host_type host, WAIT_LIST),                                               \
			(queue, image, blocking, origin, region, row, slice, host, WAITED),        \
			TOUCHED(kind, blocking, image, host))
HOST(clEnqueueWriteImage, COPY_H2D, const void *)
HOST(clEnqueueReadImage, COPY_D2H, void *)

CL_COMMAND_RARE(clEnqueueCopyImage,
		(cl_command_queue queue, cl_mem source, cl_mem target, const size_t *source_origin,
		 const size_t *target_origin, const size_t *region, WAIT_LIST),
		(queue, source, target, source_origin, target_origin, region, WAITED),
		TOUCHED(COPY_D2D, false, source, target))
CL_COMMAND_RARE(clEnqueueCopyImageToBuffer,
		(cl_command_queue queue, cl_mem source, cl_mem target, const size_t *origin,
		 const size_t *region, size_t offset, WAIT_LIST),
		(queue, source, target, origin, region, offset, WAITED),
		TOUCHED(COPY_D2D, false, source, target))
CL_COMMAND_RARE(clEnqueueCopyBufferToImage,
		(cl_command_queue queue, cl_mem source, cl_mem target, size_t offset,
		 const size_t *origin, const size_t *region, WAIT_LIST),
		(queue, source, target, offset, origin, region, WAITED),
		TOUCHED(COPY_D2D, false, target, target))
CL_COMMAND_RARE(clEnqueueFillImage,
		(cl_command_queue queue, cl_mem image, const void *color, const size_t *origin,
		 const size_t *region, WAIT_LIST),
		(queue, image, color, origin, region, WAITED), TOUCHED(MEMSET, false, image, image))

CL_HOOK(CL_RARE, void *, clEnqueueMapImage,
	(cl_command_queue queue, cl_mem image, cl_uint blocking, cl_bitfield flags,
	 const size_t *origin, const size_t *region, size_t *row, size_t *slice, WAIT_LIST,
	 cl_int *status),
	(queue, image, blocking, flags, origin, region, row, slice, WAITED, status))
{
	struct cl_call call;
	cl_int result = CL_SUCCESS;
	void *host;

	CL_REQUIRE(api, clEnqueueMapImage, NULL);
	event = cl_begin(&call, api, queue, event);
	status = status != NULL ? status : &result;
	host = api->clEnqueueMapImage(queue, image, blocking, flags, origin, region, row, slice,
				      WAITED, status);
	result = *status;
	TOUCHED(MAP, blocking, image, host);
	return host;
}
