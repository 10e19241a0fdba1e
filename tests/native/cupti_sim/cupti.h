/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated CUPTI: it tells what the simulated driver really did, in the
 * records, buffers and manners of the real one.
 *
 * Environment: ANAROS_SIM_CUPTI_OFFSET_NS and ANAROS_SIM_CUPTI_DRIFT_PPM (its
 * clock against CLOCK_MONOTONIC; unless told it keeps the time of day) ·
 * ANAROS_SIM_CUPTI_HOLDER=NAME (another tool has the seat already) ·
 * ANAROS_SIM_CUPTI_VERSION (130500 unless told: the sizes of records follow;
 * CUDA 12 has 19 to 28).
 */
#ifndef ANAROS_SIM_CUPTI_H
#define ANAROS_SIM_CUPTI_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "activity.h"

#define CUPTI_EXPORT __attribute__((visibility("default")))

enum cupti_result {
	CUPTI_OK = 0,
	CUPTI_INVALID_PARAMETER = 1,
	CUPTI_INVALID_OPERATION = 7,
	CUPTI_LIMIT_REACHED = 12,
	CUPTI_NOT_INITIALIZED = 15,
	CUPTI_QUEUE_EMPTY = 18,
	CUPTI_INVALID_KIND = 21,
	CUPTI_NOT_SUPPORTED = 27,
	CUPTI_MULTIPLE_SUBSCRIBERS = 39,
	CUPTI_UNKNOWN = 999,
};

enum cupti_kind {
	KIND_MEMCPY = 1,
	KIND_MEMSET = 2,
	KIND_KERNEL = 3,
	KIND_DRIVER = 4,
	KIND_CONCURRENT_KERNEL = 10,
	KIND_MEMCPY2 = 22,
	KIND_UNIFIED_MEMORY_COUNTER = 25,
	KIND_EXTERNAL_CORRELATION = 39,
	KIND_GRAPH_TRACE = 51,
	KINDS = 60
};

/* driver.c: the way to the simulated driver. */
int cupti_attach(void);
void cupti_detach(void);
uint64_t cupti_id_of(int what, const void *handle);
uint32_t cupti_version(void);

/* clock.c */
uint64_t cupti_time_ns(uint64_t monotonic_ns);
uint64_t cupti_now_ns(void);

/* activity.c: buffers, and records in them. */
bool cupti_enabled(enum cupti_kind kind);
bool cupti_latency(void);
void cupti_put(const void *record, size_t bytes);
void cupti_stop_activity(void);
int cupti_flush(void);

/* emit.c */
extern const struct sim_observer cupti_observer;
size_t cupti_record_bytes(enum cupti_kind kind);

/* correlate.c */
void cupti_correlate(uint32_t correlation);

/* subscribe.c */
void cupti_call(const struct sim_call *call, bool leaving);
uint32_t cupti_cbid(const char *symbol);
void cupti_give_up_seat(void);

#endif
