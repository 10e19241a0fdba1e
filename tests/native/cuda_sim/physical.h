/* SPDX-License-Identifier: Apache-2.0 */
/* Physical memory, and objects that several devices' memory is bound to. */
#ifndef ANAROS_SIM_PHYSICAL_H
#define ANAROS_SIM_PHYSICAL_H

#include "layouts.h"
#include "shared.h"

#define SIM_GRANULARITY ((size_t)2 << 20)

struct sim_physical {
	uint32_t magic;
	struct sim_device *device;
	size_t bytes;
	int fd;
	int references; /* the handle's and its mappings' */
	bool counted, imported, multicast;
	struct sim_allocation properties;
	/* Of a multicast object. */
	unsigned int wanted;
	bool joined[SIM_DEVICES];
	size_t bound_bytes[SIM_DEVICES];
};

struct sim_physical *sim_physical_of(uint64_t handle);
struct sim_physical *sim_physical_new(struct sim_device *device, size_t bytes, int fd);

#endif
