/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANAROS_POFC_TIME_H
#define ANAROS_POFC_TIME_H

#include <stdint.h>

/* No time and no duration is longer: sums of two stay in an int64. */
#define POFC_TIME_MAX (1ull << 61)

/* A time or a duration as a signed number; what no clock can show is cut. */
static inline int64_t pofc_time(uint64_t value)
{
	return (int64_t)(value < POFC_TIME_MAX ? value : POFC_TIME_MAX);
}

#endif
