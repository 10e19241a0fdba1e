/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver did, in numbers, and who looks on. */
#ifndef ANAROS_SIM_WATCH_H
#define ANAROS_SIM_WATCH_H

#include "queue.h"

/* Where work comes from: a call, a call in a capture (not done), a graph. */
enum sim_source { SIM_DIRECT, SIM_CAPTURED, SIM_REPLAYED, SIM_SOURCES };

/* Each name is also the name in the file of counters. */
#define SIM_TOTALS(X)                                                                              \
	X(kernels)                                                                                 \
	X(copies)                                                                                  \
	X(fills)                                                                                   \
	X(fill_bytes)                                                                              \
	X(host_calls)                                                                              \
	X(signals)

/* What is not work in a queue, or is known only once it is done. */
#define SIM_EVENTS(X)                                                                              \
	X(graph_launches)                                                                          \
	X(allocations)                                                                             \
	X(allocated_bytes)                                                                         \
	X(frees)                                                                                   \
	X(freed_bytes)                                                                             \
	X(migrations_h2d)                                                                          \
	X(migrated_h2d_bytes)                                                                      \
	X(migrations_d2h)                                                                          \
	X(migrated_d2h_bytes)                                                                      \
	X(migrations_d2d)                                                                          \
	X(migrated_d2d_bytes)                                                                      \
	X(evictions)                                                                               \
	X(evicted_bytes)                                                                           \
	X(discarded_bytes)                                                                         \
	X(device_faults)

enum sim_total {
#define X(name) SIM_TOTAL_##name,
	SIM_TOTALS(X)
#undef X
	    SIM_TOTAL_COUNT
};

enum sim_happening {
#define X(name) SIM_EVENT_##name,
	SIM_EVENTS(X)
#undef X
	    SIM_EVENT_COUNT
};

void sim_count(enum sim_happening what, uint64_t amount);
void sim_count_op(const struct sim_op *op, enum sim_source source);
void sim_write_counters(void);

/* The observer, and the calls of this thread that it is told of. */
const struct sim_observer *sim_observer(void);
uint32_t sim_correlation(void);

/* fault.c */
void sim_faults_from_environment(void);
int sim_fault_call(enum sim_export id);
int sim_fault_work(enum sim_work work);
void sim_fault_happens(struct sim_context *context, int code);

#endif
