// SPDX-License-Identifier: Apache-2.0
/* A user's image: kernels that the simulated driver does not have built in. */
#include "kernel.h"

extern const struct sim_kernel anaros_kernel_scale;
extern uint32_t image_version;

uint32_t image_version = 7;

static void scale(const struct sim_grid *grid, void *const *args)
{
	float *values = *(float **)args[0];
	float factor = *(float *)args[1];
	uint64_t threads = sim_grid_threads(grid);

	for (uint64_t i = 0; i < threads; i++)
		values[i] *= factor;
}

const struct sim_kernel anaros_kernel_scale = {"scale", scale, NULL, 2, {8, 4}};
