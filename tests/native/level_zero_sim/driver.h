/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the simulated Level Zero share. */
#ifndef LEVEL_ZERO_DRIVER_H
#define LEVEL_ZERO_DRIVER_H

#include "sim.h"

/* In the order that tests know, too. */
enum sim_call {
	SIM_LIST_CREATE,
	SIM_LIST_CREATE_IMMEDIATE,
	SIM_COPY,
	SIM_FILL,
	SIM_LAUNCH,
	SIM_EXECUTE,
	SIM_CALLS,
};

struct event {
	bool done;
};

struct kernel {
	uint64_t values[4];
	uint64_t group_size;
};

void sim_count(enum sim_call call);
void sim_begin(void);
/* SUCCESS, or why nothing can be done. */
int sim_state(void);
void sim_run(void *list);
int sim_append_call(void *list, void *function, void *data, void *signal);
void sim_run_immediates(void);
bool sim_is_closed(const void *list);

#endif
