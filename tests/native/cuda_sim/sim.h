/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated CUDA driver for tests: it allocates, copies and computes for
 * real on the host, and takes as long as its two pretended devices would.
 *
 * Every stream has a worker thread that does its queue in order. One lock
 * covers all queues and captures (`sim_lock`); a wait names a stream and a
 * ticket, and a ticket only ever depends on tickets taken before it, so
 * nothing deadlocks.
 *
 * Environment: CUDA_VISIBLE_DEVICES as the real driver reads it ·
 * ANAROS_SIM_SPEED (times faster than simulated; 0 = take no time) ·
 * ANAROS_SIM_INLINE=1 (do the work on the calling thread: stable timings) ·
 * ANAROS_SIM_VERSION (the driver's version, 13050 unless told) ·
 * CUDA_INJECTION64_PATH (a tool's library, loaded at the first cuInit) ·
 * ANAROS_SIM_FAULTS (what goes wrong, and when: see fault.c) ·
 * ANAROS_SIM_COUNTERS=FILE (calls, work and bytes, as JSON at exit).
 */
#ifndef ANAROS_SIM_H
#define ANAROS_SIM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

#define SIM_EXPORT         __attribute__((visibility("default")))
#define SIM_DEVICES        2
#define SIM_DRIVER_VERSION 13050

enum sim_result {
	SIM_OK = 0,
#define SIM_ERROR(code, name, text) SIM_##name = code,
#include "errors.def"
#undef SIM_ERROR
};

enum sim_engine {
	SIM_ENGINE_H2D,
	SIM_ENGINE_D2H,
	SIM_ENGINE_COMPUTE,
	SIM_ENGINES,
	SIM_ENGINE_NONE
};

struct sim_device {
	const char *name;
	const char *pci_bus_id;
	uint8_t uuid[16];
	uint64_t total_bytes;
	double bytes_per_ns;        /* copies between host and device */
	double device_bytes_per_ns; /* copies and fills inside the device */
	double operations_per_ns;
	int multiprocessors;
	int capability[2];
	int clock_khz;
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t graph_bytes, graph_bytes_high; /* that nodes of graphs have */
	_Atomic int fault; /* set: the device is lost, and this is its answer */
	pthread_mutex_t engine[SIM_ENGINES];
	struct sim_context *primary;
	int primary_retained;
	unsigned int primary_flags;
	struct sim_pool *default_pool;
	struct sim_pool *pool;
};

#define SIM_LIMITS 16

struct sim_context {
	_Atomic uint32_t magic;
	struct sim_device *device;
	struct sim_green *green; /* the share of the device that it has; else NULL */
	unsigned int flags;
	uint64_t id;
	_Atomic int fault; /* sticky, as after a kernel that went astray */
	struct sim_stream *legacy;
	struct sim_stream *streams;
	struct sim_context *next;
	size_t limits[SIM_LIMITS];
	int cache_config, shared_config;
	bool peers[SIM_DEVICES];
};

#define SIM_MAGIC_CONTEXT  0x43545831u
#define SIM_MAGIC_STREAM   0x53545231u
#define SIM_MAGIC_EVENT    0x45564e31u
#define SIM_MAGIC_GRAPH    0x47524631u
#define SIM_MAGIC_NODE     0x474e4431u
#define SIM_MAGIC_EXEC     0x47524531u
#define SIM_MAGIC_MODULE   0x4d4f4431u
#define SIM_MAGIC_FUNCTION 0x46554e31u
#define SIM_MAGIC_POOL     0x504f4f31u
#define SIM_MAGIC_ARRAY    0x41525231u
#define SIM_MAGIC_GREEN    0x47524e31u
#define SIM_MAGIC_PHYSICAL 0x50485931u
#define SIM_MAGIC_OBJECT   0x55534f31u

/* exports.c: every exported function. */
enum sim_export {
#define SIM_API(base, symbol, version, per_thread) SIM_ID_##symbol,
#include "exports.def"
#include "refused.def"
#undef SIM_API
	SIM_EXPORTS
};

struct sim_export_row {
	const char *base;
	const char *symbol;
	int (*function)(void);
	int version;
	bool per_thread;
};

extern const struct sim_export_row sim_exports[SIM_EXPORTS];

/* watch.c: calls are counted, may be looked at, and may be made to fail. */
extern _Atomic uint64_t sim_calls[SIM_EXPORTS];
extern _Atomic uint32_t sim_watched; /* somebody looks on, or faults are set */
int sim_enter_watched(enum sim_export id);
void sim_leave_watched(enum sim_export id, int result);

enum { SIM_WATCH_OBSERVER = 1, SIM_WATCH_FAULTS = 2 };

static inline int sim_enter(enum sim_export id)
{
	atomic_fetch_add_explicit(&sim_calls[id], 1, memory_order_relaxed);
	if (__builtin_expect(atomic_load_explicit(&sim_watched, memory_order_relaxed) != 0, 0))
		return sim_enter_watched(id);
	return SIM_OK;
}

static inline int sim_leave(enum sim_export id, int result)
{
	if (__builtin_expect(atomic_load_explicit(&sim_watched, memory_order_relaxed) != 0, 0))
		sim_leave_watched(id, result);
	return result;
}

#define SIM_BODY(symbol, twin, params, call)                                                       \
	SIM_EXPORT int symbol params;                                                              \
	SIM_EXPORT int symbol params                                                               \
	{                                                                                          \
		enum { PER_THREAD = twin };                                                        \
		int sim_answer = sim_enter(SIM_ID_##symbol);                                       \
                                                                                                   \
		if (sim_answer == SIM_OK)                                                          \
			sim_answer = (call);                                                       \
		return sim_leave(SIM_ID_##symbol, sim_answer);                                     \
	}

/* An exported function. */
#define SIM_FN(symbol, params, call) SIM_BODY(symbol, 0, params, call)

/* An exported function and its per-thread-default-stream twin. */
#define SIM_PAIR(symbol, suffix, params, call)                                                     \
	SIM_BODY(symbol, 0, params, call)                                                          \
	SIM_BODY(symbol##suffix, 1, params, call)

/* device.c */
extern struct sim_device sim_devices[SIM_DEVICES];
extern atomic_bool sim_ready;
extern bool sim_inline;
extern int sim_version;
int sim_device_of(int ordinal, struct sim_device **device);
int sim_ordinal_of(const struct sim_device *device);
int sim_index_of(const struct sim_device *device);
uint64_t sim_now_ns(void);
void sim_sleep_until(uint64_t deadline_ns);
uint64_t sim_scaled_ns(double nanoseconds);

/* context.c */
int sim_current(struct sim_context **context);
int sim_context_of(void *handle, struct sim_context **context);
int sim_context_drain(struct sim_context *context);
struct sim_context *sim_context_new(struct sim_device *device, unsigned int flags);
void sim_context_end(struct sim_context *context);
void sim_contexts_after_fork(void);

static inline int sim_fault_of(struct sim_context *context)
{
	int fault = atomic_load(&context->fault);

	return fault != SIM_OK ? fault : atomic_load(&context->device->fault);
}

#endif
