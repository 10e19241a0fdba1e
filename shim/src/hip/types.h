/* SPDX-License-Identifier: Apache-2.0 */
/* What HIP passes by value and wrappers read. */
#ifndef ANAROS_HIP_TYPES_H
#define ANAROS_HIP_TYPES_H

#include <stddef.h>

struct hip_dim3 {
	unsigned int x, y, z;
};

struct hip_pitched {
	void *pointer;
	size_t pitch, width, height;
};

struct hip_extent {
	size_t width, height, depth;
};

#endif
