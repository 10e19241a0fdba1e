/* SPDX-License-Identifier: Apache-2.0 */
/* What processes share: events in a page of their own, and files. */
#ifndef ANAROS_SIM_SHARED_H
#define ANAROS_SIM_SHARED_H

#include "memory.h"

struct sim_shared_event {
	_Atomic uint64_t recorded, passed;
};

uint64_t sim_shared_event_record(struct sim_shared_event *event);
void sim_shared_event_pass(struct sim_shared_event *event, uint64_t number);
bool sim_shared_event_passed(struct sim_shared_event *event);
uint64_t sim_shared_event_recorded(struct sim_shared_event *event);
void sim_shared_event_close(struct sim_event *event);
void sim_shared_event_wait(struct sim_shared_event *event, uint64_t number);

int sim_file_new(const char *name, size_t bytes);

#endif
