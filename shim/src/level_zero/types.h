/* SPDX-License-Identifier: Apache-2.0 */
/* What Level Zero passes by value and wrappers read. */
#ifndef ANAROS_LEVEL_ZERO_TYPES_H
#define ANAROS_LEVEL_ZERO_TYPES_H

#include <stdint.h>

struct ze_group {
	uint32_t x, y, z;
};

#endif
