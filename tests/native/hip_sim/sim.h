/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A HIP runtime without a device: "device memory" is host memory, a kernel is
 * a C function, and a stream is a queue of operations that are done in order,
 * at the latest when somebody waits for them. The device can be lost on
 * demand; a child of fork goes on with what its parent had.
 */
#ifndef HIP_SIM_H
#define HIP_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SUCCESS = 0,
	INVALID_VALUE = 1,
	OUT_OF_MEMORY = 2,
	INVALID_DEVICE = 101,
	NOT_FOUND = 500,
	NOT_READY = 600,
	DEVICE_LOST = 719,
	CAPTURE_UNSUPPORTED = 900,
};

enum { WAY_H2D, WAY_D2H, WAY_D2D, WAY_H2H, WAYS };

#define ARGUMENTS 4

struct op {
	struct op *next;
	void (*run)(const struct op *op);
	void *target;
	const void *source;
	size_t bytes, rows, target_pitch, source_pitch;
	uint64_t values[ARGUMENTS];
	uint64_t threads;
	int way;
	struct stream *other; /* an event's: run until it reached `ticket` */
	uint64_t ticket;
};

struct graph {
	struct op *first, **end;
};

struct stream {
	struct op *first, **end;
	uint64_t enqueued, done;
	struct graph *capture; /* NULL: none */
	bool spoiled;          /* a call that a capture does not allow */
};

struct dim3 {
	unsigned int x, y, z;
};

/* Counts each call by its name, before anything else. */
struct counter {
	const char *name;
	uint64_t calls;
	struct counter *next;
};
void sim_count(struct counter *counter);
#define COUNT(function)                                                                            \
	do {                                                                                       \
		static struct counter counter = {.name = #function};                               \
		sim_count(&counter);                                                               \
	} while (0)

/* SUCCESS, or DEVICE_LOST. */
int sim_state(void);

/* Everything below is called with the lock held. */
void sim_lock(void);
void sim_unlock(void);
struct stream *sim_stream(void *handle, bool per_thread);
void sim_drain(struct stream *stream, uint64_t ticket);
void sim_drain_all(void);
/* SUCCESS, and the copy of `op` is in the stream, or in its capture. */
int sim_enqueue(struct stream *stream, const struct op *op);
void sim_moved(int way, uint64_t bytes);

#endif
