/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OpenCL 3.0 driver without a device: "device memory" is host memory, a
 * kernel is a C function, and a command is done when it is enqueued. Its event
 * answers "running" twice, or until somebody waits.
 */
#ifndef OPENCL_SIM_H
#define OPENCL_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int32_t cl_int;
typedef uint32_t cl_uint;
typedef uint64_t cl_ulong;

enum {
	SUCCESS = 0,
	DEVICE_NOT_FOUND = -1,
	OUT_OF_MEMORY = -4,
	NOT_AVAILABLE = -7,
	INVALID_VALUE = -30,
	INVALID_QUEUE = -36,
	INVALID_MEMORY = -38,
	INVALID_KERNEL_NAME = -46,
	INVALID_EVENT = -58,
	INVALID_OPERATION = -59,
};

enum kind {
	PLATFORM = 1,
	DEVICE,
	CONTEXT,
	QUEUE,
	MEMORY,
	PROGRAM,
	KERNEL,
	EVENT,
	BUFFER,
	SEMAPHORE
};

#define NOTES     8
#define SUBMITTED 2
#define ARGUMENTS 4

/* Whatever a program has a handle of. It begins with the table, as cl_khr_icd wants. */
struct object {
	void *const *dispatch;
	enum kind kind;
	int references;
	struct object *parent;
	/* queue */
	cl_ulong properties; /* 1: out of order, 2: profiling */
	/* memory */
	char *bytes;
	size_t size, pixel, row, slice;
	void (*ended[NOTES])(struct object *, void *);
	void *ended_with[NOTES];
	/* kernel, and what is in a command buffer */
	const char *name;
	uint64_t values[ARGUMENTS];
	cl_uint commands;
	/* event */
	void (*called[NOTES])(struct object *, cl_int, void *); /* of a user's */
	void *called_with[NOTES];
	int polls; /* questions that are still answered "running" */
	cl_int status;
	cl_ulong queued, start, end;
};

enum way { WAY_H2D, WAY_D2H, WAY_D2D, WAY_ANY, WAY_FILL, WAYS };

struct counter {
	const char *name;
	uint64_t calls;
	struct counter *next;
};

/* sim.c: counts the call, and what ANAROS_SIM_FAULTS wants of it: 0, nothing. */
cl_int sim_enter(struct counter *counter);
/* For what has no other lock; not within a call of what is here. */
void sim_lock(void);
void sim_unlock(void);
void sim_moved(enum way way, uint64_t bytes);
struct object *sim_make(enum kind kind, struct object *parent);
struct object *sim_of(struct object *object, enum kind kind);
cl_int sim_retain(struct object *object, enum kind kind);
cl_int sim_release(struct object *object, enum kind kind);
cl_int sim_answer(const void *answer, size_t bytes, size_t room, void *value, size_t *size);
cl_ulong sim_now(void);
/* A command that was done: its event, if one is wanted. */
cl_int sim_done(struct object *queue, cl_ulong queued, struct object **event);

/*
 * The device: alone.c, which has host memory for it, or over.c, which stands
 * on Level Zero. Start may come more than once.
 */
void sim_device_start(void);
void sim_device_queue(void);
void sim_device_kernel(void);
void *sim_device_alloc(size_t bytes);
void sim_device_free(void *memory);
void sim_device_copy(void *target, const void *source, size_t bytes);
void sim_device_fill(void *target, const void *pattern, size_t pattern_bytes, size_t bytes);
/* y[i] = x[i] + 1 */
void sim_device_run(const float *x, float *y, size_t items);
void sim_device_wait(void);
/* Whether it is done: asked again and again. */
void sim_device_ask(void);

/* What the real ones have: dispatch.c. */
extern void *const sim_dispatch[];
void *sim_function(const char *name);

/* Begins a function: its prototype, its count, its fault. */
#define CL(type, name, parameters)                                                                 \
	type name parameters;                                                                      \
	type name parameters
#define ENTER(function)                                                                            \
	static struct counter counter = {.name = #function};                                       \
	__attribute__((unused)) cl_int fault = sim_enter(&counter)
/* For functions that answer with a status. */
#define ENTER_OR_FAIL(function)                                                                    \
	ENTER(function);                                                                           \
	if (fault != SUCCESS)                                                                      \
	return fault
#define TOLD(status, code)                                                                         \
	do {                                                                                       \
		if ((status) != NULL)                                                              \
			*(status) = (code);                                                        \
	} while (0)
/* For functions that make something, and put their status elsewhere. */
#define ENTER_OR_NULL(function, status)                                                            \
	ENTER(function);                                                                           \
	TOLD(status, fault);                                                                       \
	if (fault != SUCCESS)                                                                      \
	return NULL

#define WAIT_LIST cl_uint waits, struct object *const *list, struct object **event

#endif
