/* SPDX-License-Identifier: Apache-2.0 */
/* Green contexts: a share of a device's multiprocessors. */
#ifndef ANAROS_SIM_GREEN_H
#define ANAROS_SIM_GREEN_H

#include "sim.h"

struct sim_green {
	uint32_t magic;
	struct sim_context *context; /* as an ordinary context */
	int multiprocessors;
	uint64_t id;
};

static inline double sim_green_share(const struct sim_context *context)
{
	if (context->green == NULL)
		return 1.0;
	return (double)context->green->multiprocessors / context->device->multiprocessors;
}

#endif
