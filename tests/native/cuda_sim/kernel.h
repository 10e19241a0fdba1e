/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel of the simulated driver is: a host function that does the
 * work of the whole grid, and the sizes of its parameters.
 *
 * An image for cuModuleLoadData or cuLibraryLoadData is one of
 *   - the text "anaros-sim-image\n": the built-in kernels of kernels.c;
 *   - an ELF shared object (in memory, or a file for cuModuleLoad) that
 *     exports `struct sim_kernel anaros_kernel_<name>` for each kernel.
 */
#ifndef ANAROS_SIM_KERNEL_H
#define ANAROS_SIM_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define SIM_IMAGE_TEXT    "anaros-sim-image\n"
#define SIM_KERNEL_SYMBOL "anaros_kernel_"
#define SIM_KERNEL_PARAMS 16

struct sim_grid {
	uint32_t grid[3];
	uint32_t block[3];
	uint32_t shared_bytes;
};

struct sim_kernel {
	const char *name;
	void (*run)(const struct sim_grid *grid, void *const *args);
	/* Simple operations that the device would do; NULL: one for each thread. */
	uint64_t (*operations)(const struct sim_grid *grid, void *const *args);
	uint32_t param_count;
	uint32_t param_bytes[SIM_KERNEL_PARAMS];
};

static inline uint64_t sim_grid_threads(const struct sim_grid *grid)
{
	uint64_t threads = 1;

	for (int axis = 0; axis < 3; axis++)
		threads *= (uint64_t)grid->grid[axis] * grid->block[axis];
	return threads;
}

#endif
