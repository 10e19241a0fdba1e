// SPDX-License-Identifier: Apache-2.0
/* Fills of device memory, in stream order. */
#include <string.h>

#include "memory.h"

static void run_fill(struct sim_op *op)
{
	const struct sim_fill *fill = &op->fill;

	for (size_t y = 0; y < fill->height; y++) {
		uint8_t *row = (uint8_t *)(uintptr_t)(fill->dst + y * fill->pitch);

		for (size_t x = 0; x < fill->width; x++)
			memcpy(row + x * fill->element_bytes, &fill->value, fill->element_bytes);
	}
}

int sim_fill_check(const struct sim_fill *fill)
{
	struct sim_range range;

	if (fill->width == 0 || fill->height == 0 ||
	    (fill->element_bytes != 1 && fill->element_bytes != 2 && fill->element_bytes != 4))
		return SIM_INVALID_VALUE;
	if (!sim_is_device(fill->dst,
			   (fill->height - 1) * fill->pitch + fill->width * fill->element_bytes,
			   &range) ||
	    fill->dst % fill->element_bytes != 0)
		return SIM_INVALID_VALUE;
	return SIM_OK;
}

struct sim_op *sim_fill_op(struct sim_context *context, const struct sim_fill *fill)
{
	double bytes = (double)fill->width * (double)fill->height * fill->element_bytes;
	struct sim_op *op;

	op = sim_op_new(SIM_WORK_FILL, run_fill, SIM_ENGINE_COMPUTE,
			sim_scaled_ns(bytes / context->device->device_bytes_per_ns));
	op->fill = *fill;
	return op;
}

static int fill(struct sim_fill what, void *handle, bool per_thread, bool wait)
{
	struct sim_stream *stream;
	struct sim_op *op;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK || what.width * what.height == 0)
		return result;
	result = sim_fill_check(&what);
	if (result != SIM_OK)
		return result;
	op = sim_fill_op(stream->context, &what);
	return wait ? sim_submit_and_wait(stream, op) : sim_submit(stream, op, NULL);
}

#define ROWS(type)  ((struct sim_fill){dst, pitch, width, height, value, sizeof(type)})
#define PLAIN(type) ((struct sim_fill){dst, 0, count, 1, value, sizeof(type)})

#define FILL(bits, type, value_type)                                                               \
	SIM_PAIR(cuMemsetD##bits##_v2, _ptds, (uint64_t dst, value_type value, size_t count),      \
		 fill(PLAIN(type), NULL, PER_THREAD, true))                                        \
	SIM_PAIR(cuMemsetD##bits##Async, _ptsz,                                                    \
		 (uint64_t dst, value_type value, size_t count, void *stream),                     \
		 fill(PLAIN(type), stream, PER_THREAD, false))                                     \
	SIM_PAIR(cuMemsetD2D##bits##_v2, _ptds,                                                    \
		 (uint64_t dst, size_t pitch, value_type value, size_t width, size_t height),      \
		 fill(ROWS(type), NULL, PER_THREAD, true))                                         \
	SIM_PAIR(cuMemsetD2D##bits##Async, _ptsz,                                                  \
		 (uint64_t dst, size_t pitch, value_type value, size_t width, size_t height,       \
		  void *stream),                                                                   \
		 fill(ROWS(type), stream, PER_THREAD, false))

FILL(8, uint8_t, unsigned char)
FILL(16, uint16_t, unsigned short)
FILL(32, uint32_t, unsigned int)
