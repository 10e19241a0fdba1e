/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated CUDA driver for tests: it allocates, copies and computes for
 * real on the host, and takes as long as its two pretended devices would.
 *
 * Every stream has a worker thread that does its queue in order. One lock
 * covers all queues (`sim_lock`); a wait names a stream and a ticket, and a
 * ticket only ever depends on tickets taken before it, so nothing deadlocks.
 *
 * Environment: CUDA_VISIBLE_DEVICES as the real driver reads it ·
 * ANAROS_SIM_SPEED (times faster than simulated; 0 = take no time) ·
 * ANAROS_SIM_INLINE=1 (do the work on the calling thread: stable timings) ·
 * ANAROS_SIM_COUNTERS=FILE (calls and bytes, written as JSON at exit).
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
#define SIM_DRIVER_VERSION 13000
#define SIM_LAUNCH_NS      3000u
#define SIM_STAGING_BYTES  65536u /* pageable copies up to here return at once */

enum sim_result {
	SIM_OK = 0,
	SIM_INVALID_VALUE = 1,
	SIM_OUT_OF_MEMORY = 2,
	SIM_NOT_INITIALIZED = 3,
	SIM_NO_DEVICE = 100,
	SIM_INVALID_DEVICE = 101,
	SIM_INVALID_IMAGE = 200,
	SIM_INVALID_CONTEXT = 201,
	SIM_FILE_NOT_FOUND = 301,
	SIM_INVALID_HANDLE = 400,
	SIM_ILLEGAL_STATE = 401,
	SIM_NOT_FOUND = 500,
	SIM_NOT_READY = 600,
	SIM_CONTEXT_IS_DESTROYED = 709,
	SIM_ALREADY_REGISTERED = 712,
	SIM_NOT_REGISTERED = 713,
	SIM_NOT_SUPPORTED = 801,
	SIM_CAPTURE_UNSUPPORTED = 900,
	SIM_CAPTURE_INVALIDATED = 901,
	SIM_CAPTURE_UNMATCHED = 903,
	SIM_CAPTURE_IMPLICIT = 906,
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
	pthread_mutex_t engine[SIM_ENGINES];
	struct sim_context *primary;
	int primary_retained;
	unsigned int primary_flags;
	struct sim_pool *default_pool;
	struct sim_pool *pool;
};

struct sim_context {
	uint32_t magic;
	struct sim_device *device;
	unsigned int flags;
	uint64_t id;
	struct sim_stream *legacy;
	struct sim_stream *streams;
	struct sim_context *next;
};

enum sim_stream_kind { SIM_STREAM_USER, SIM_STREAM_LEGACY, SIM_STREAM_PER_THREAD };

struct sim_stream {
	uint32_t magic;
	enum sim_stream_kind kind;
	struct sim_context *context;
	struct sim_stream *next;
	bool non_blocking;
	bool stop;
	bool started;
	int priority;
	uint64_t id;
	uint64_t thread_key;
	struct sim_op *head;
	struct sim_op *tail;
	uint64_t enqueued;
	uint64_t completed;
	pthread_cond_t work;
	pthread_cond_t done;
	struct sim_capture *capture;
};

struct sim_ticket {
	struct sim_stream *stream;
	uint64_t number;
};

struct sim_copy {
	uint64_t dst, src;
	size_t dst_pitch, src_pitch, dst_slice, src_slice;
	size_t width, height, depth;
};

struct sim_fill {
	uint64_t dst;
	size_t pitch, width, height; /* width in elements */
	uint32_t value, element_bytes;
};

struct sim_launch {
	const struct sim_kernel *kernel;
	struct sim_grid grid;
	_Alignas(8) uint8_t values[SIM_KERNEL_PARAMS * 8 + 256];
	uint16_t offset[SIM_KERNEL_PARAMS];
};

struct sim_op {
	struct sim_op *next;
	void (*run)(struct sim_op *op);
	void (*release)(struct sim_op *op);
	enum sim_engine engine;
	uint64_t cost_ns;
	struct sim_ticket *depends;
	size_t depends_count;
	union {
		struct sim_copy copy;
		struct sim_fill fill;
		struct sim_launch launch;
		struct sim_event *event;
		uint64_t pointer;
		struct {
			void (*call)(void *argument);
			void *argument;
		} host;
		struct {
			void (*call)(void *stream, int status, void *argument);
			void *stream;
			void *argument;
		} callback;
	};
};

struct sim_event {
	uint32_t magic;
	unsigned int flags;
	_Atomic int references;
	struct sim_ticket recorded;
	uint64_t time_ns;
	struct sim_capture *capture;
};

struct sim_graph {
	uint32_t magic;
	struct sim_op *first;
	struct sim_op *last;
	size_t count;
};

struct sim_capture {
	struct sim_graph *graph;
	struct sim_stream *origin;
	uint64_t id;
};

enum sim_memory_kind {
	SIM_MEMORY_DEVICE,
	SIM_MEMORY_HOST,
	SIM_MEMORY_REGISTERED,
	SIM_MEMORY_MANAGED
};

struct sim_range {
	uint64_t start;
	size_t bytes;
	enum sim_memory_kind kind;
	unsigned int flags;
	struct sim_context *context;
};

struct sim_pool {
	uint32_t magic;
	struct sim_device *device;
	uint64_t release_threshold;
};

#define SIM_MAGIC_CONTEXT  0x43545831u
#define SIM_MAGIC_STREAM   0x53545231u
#define SIM_MAGIC_EVENT    0x45564e31u
#define SIM_MAGIC_GRAPH    0x47524631u
#define SIM_MAGIC_EXEC     0x47524531u
#define SIM_MAGIC_MODULE   0x4d4f4431u
#define SIM_MAGIC_FUNCTION 0x46554e31u
#define SIM_MAGIC_POOL     0x504f4f31u

/* Counters: one for each exported function, plus bytes by direction. */
enum sim_export {
#define SIM_API(base, symbol, version, per_thread) SIM_ID_##symbol,
#include "exports.def"
#undef SIM_API
	SIM_EXPORTS
};

/* exports.c */
struct sim_export_row {
	const char *base;
	const char *symbol;
	int (*function)(void);
	int version;
	bool per_thread;
};

extern const struct sim_export_row sim_exports[SIM_EXPORTS];

enum sim_direction { SIM_H2D, SIM_D2H, SIM_D2D, SIM_H2H, SIM_DIRECTIONS };

extern _Atomic uint64_t sim_calls[SIM_EXPORTS];
extern _Atomic uint64_t sim_bytes[SIM_DIRECTIONS];

#define SIM_COUNT(symbol)                                                                          \
	atomic_fetch_add_explicit(&sim_calls[SIM_ID_##symbol], 1, memory_order_relaxed)

/* An exported function. */
#define SIM_FN(symbol, params, call)                                                               \
	SIM_EXPORT int symbol params;                                                              \
	SIM_EXPORT int symbol params                                                               \
	{                                                                                          \
		SIM_COUNT(symbol);                                                                 \
		return call;                                                                       \
	}

/* An exported function and its per-thread-default-stream twin. */
#define SIM_PAIR(symbol, suffix, params, call)                                                     \
	SIM_EXPORT int symbol params;                                                              \
	SIM_EXPORT int symbol params                                                               \
	{                                                                                          \
		enum { PER_THREAD = 0 };                                                           \
		SIM_COUNT(symbol);                                                                 \
		return call;                                                                       \
	}                                                                                          \
	SIM_EXPORT int symbol##suffix params;                                                      \
	SIM_EXPORT int symbol##suffix params                                                       \
	{                                                                                          \
		enum { PER_THREAD = 1 };                                                           \
		SIM_COUNT(symbol##suffix);                                                         \
		return call;                                                                       \
	}

/* device.c */
extern struct sim_device sim_devices[SIM_DEVICES];
extern atomic_bool sim_ready;
extern bool sim_inline;
int sim_device_of(int ordinal, struct sim_device **device);
int sim_ordinal_of(const struct sim_device *device);
uint64_t sim_now_ns(void);
void sim_sleep_until(uint64_t deadline_ns);
uint64_t sim_scaled_ns(double nanoseconds);

/* context.c */
int sim_current(struct sim_context **context);
int sim_context_of(void *handle, struct sim_context **context);
int sim_context_synchronize(struct sim_context *context);
void sim_contexts_after_fork(void);

/* stream.c */
extern pthread_mutex_t sim_lock;
struct sim_stream *sim_stream_new(struct sim_context *context, enum sim_stream_kind kind,
				  unsigned int flags, int priority);
void sim_stream_close(struct sim_stream *stream);
int sim_stream_of(void *handle, bool per_thread, struct sim_stream **stream);
struct sim_op *sim_op_new(void (*run)(struct sim_op *), enum sim_engine engine, uint64_t cost_ns);
void sim_op_free(struct sim_op *op);
int sim_submit(struct sim_stream *stream, struct sim_op *op, struct sim_ticket *ticket);
int sim_submit_and_wait(struct sim_stream *stream, struct sim_op *op);
void sim_wait(struct sim_ticket ticket);
int sim_synchronize(struct sim_stream *stream);
uint64_t sim_thread_key(void);

/* memory.c */
bool sim_find(uint64_t address, struct sim_range *range);
bool sim_is_device(uint64_t address, size_t bytes, struct sim_range *range);
int sim_release(uint64_t address);
struct sim_pool *sim_pool_new(struct sim_device *device);

/* kernels.c */
const struct sim_kernel *sim_builtin(const char *name);

#endif
