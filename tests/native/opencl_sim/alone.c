// SPDX-License-Identifier: Apache-2.0
/* A device of its own: the host. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

void sim_device_start(void)
{
}
void sim_device_queue(void)
{
}
void sim_device_kernel(void)
{
}
void sim_device_wait(void)
{
}
void sim_device_ask(void)
{
}

void *sim_device_alloc(size_t bytes)
{
	return calloc(1, bytes);
}

void sim_device_free(void *memory)
{
	free(memory);
}

void sim_device_copy(void *target, const void *source, size_t bytes)
{
	memmove(target, source, bytes);
}

void sim_device_fill(void *target, const void *pattern, size_t pattern_bytes, size_t bytes)
{
	for (size_t i = 0; i + pattern_bytes <= bytes; i += pattern_bytes)
		memcpy((char *)target + i, pattern, pattern_bytes);
}

void sim_device_run(const float *x, float *y, size_t items)
{
	for (size_t i = 0; i < items; i++)
		y[i] = x[i] + 1;
}
