/* SPDX-License-Identifier: Apache-2.0 */
/* For the OpenCL programs that look at what single calls say in their records. */
#ifndef CALLS_H
#define CALLS_H

#include "opencl_test.h"

#define BYTES 4096u

static struct harness harness;
static struct cl cl;

/* A queue that profiles, so that each command tells when it ran. */
static inline void begin(void)
{
	harness = harness_open();
	harness.control->device_time = ANAROS_DEVICE_TIME_QUEUE;
	cl = cl_begin(SIM_LOADER, 2 /* profiling */);
}

static inline struct anaros_record last_of(uint16_t kind)
{
	return calls_of(&harness, kind).last;
}

static inline uint64_t count_of(uint16_t kind)
{
	return calls_of(&harness, kind).count;
}

/* The last record of a kind, which is of the queue. */
static inline void check(uint16_t kind, uint64_t size, const void *address)
{
	CHECK_EQUAL(last_of(kind).size_bytes, size);
	CHECK_EQUAL(last_of(kind).address, (uintptr_t)address);
	CHECK_EQUAL(last_of(kind).object, (uintptr_t)cl.queue);
}

static inline uint64_t on_device(uint16_t kind)
{
	return harness_count(&harness,
			     (struct wanted){.kind = kind, .flags = ANAROS_FLAG_DEVICE_TIME});
}

/* After the last command: these many ran, and nothing was lost on the way. */
static inline void ran(uint64_t executed, uint64_t transferred)
{
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	CHECK_EQUAL(on_device(ANAROS_KIND_GPU_EXECUTE), executed);
	CHECK_EQUAL(on_device(ANAROS_KIND_GPU_TRANSFER), transferred);
	CHECK_EQUAL(harness.shared->device_times_unread, 0);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
}

#endif
