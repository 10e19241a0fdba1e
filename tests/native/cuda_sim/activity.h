/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulated driver tells one observer, as CUPTI is told: calls, and
 * the work of the devices with the times that it really took.
 */
#ifndef ANAROS_SIM_ACTIVITY_H
#define ANAROS_SIM_ACTIVITY_H

#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

/* What an operation does. */
enum sim_work {
	SIM_WORK_NOTHING,
	SIM_WORK_KERNEL,
	SIM_WORK_COPY,
	SIM_WORK_FILL,
	SIM_WORK_HOST,
	SIM_WORK_EVENT,
	SIM_WORK_WAIT,
	SIM_WORK_SIGNAL,
	SIM_WORK_MOVE, /* managed memory changed its place */
	SIM_WORK_FREE,
	SIM_WORK_GRAPH, /* the whole of one launch */
	SIM_WORKS
};

enum sim_direction { SIM_H2D, SIM_D2H, SIM_D2D, SIM_H2H, SIM_P2P, SIM_DIRECTIONS };

/* Where memory lies, as CUPTI numbers it. */
enum sim_place_kind {
	SIM_PLACE_PAGEABLE = 1,
	SIM_PLACE_PINNED = 2,
	SIM_PLACE_DEVICE = 3,
	SIM_PLACE_ARRAY = 4,
	SIM_PLACE_MANAGED = 5
};

struct sim_activity {
	enum sim_work work;
	uint32_t correlation;
	uint64_t queued_ns, start_ns, end_ns; /* CLOCK_MONOTONIC */
	uint32_t device, context, stream;
	uint32_t graph; /* 0: of no graph */
	uint64_t node;
	uint64_t bytes;
	enum sim_direction direction; /* copies and moves */
	enum sim_place_kind from, to;
	uint32_t value; /* fills */
	uint32_t peer;  /* the other device of a copy between devices */
	uint64_t address;
	const char *name; /* kernels */
	struct sim_grid grid;
};

struct sim_call {
	uint32_t correlation;
	uint32_t tid;
	const char *symbol;
	uint64_t start_ns, end_ns;
	int result;
};

struct sim_observer {
	void (*work)(const struct sim_activity *activity);
	void (*enter)(const struct sim_call *call);
	void (*leave)(const struct sim_call *call);
};

#endif
