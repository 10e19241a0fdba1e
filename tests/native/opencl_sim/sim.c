// SPDX-License-Identifier: Apache-2.0
/* Objects, counters and faults. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"

#define FAULTS 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct counter *counters;
static uint64_t moved[WAYS];

static struct fault {
	char name[64];
	uint64_t number;
	int code;
	uint64_t seen;
} faults[FAULTS];
static int fault_count;

/* NAME@N=CODE, separated by ';': the Nth call from now on answers CODE, and does nothing. */
int anaros_sim_faults(const char *text);
int anaros_sim_faults(const char *text)
{
	pthread_mutex_lock(&lock);
	for (fault_count = 0; text != NULL && *text != '\0' && fault_count < FAULTS;) {
		struct fault *fault = &faults[fault_count];

		memset(fault, 0, sizeof(*fault));
		if (sscanf(text, "%63[^@]@%lu=%d", fault->name, &fault->number, &fault->code) != 3)
			break;
		fault_count++;
		text = strchr(text, ';');
		text = text != NULL ? text + 1 : "";
	}
	pthread_mutex_unlock(&lock);
	return fault_count;
}

void sim_lock(void)
{
	pthread_mutex_lock(&lock);
}

void sim_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* It works on in a child of fork, as a driver without threads does. */
__attribute__((constructor)) static void start(void)
{
	anaros_sim_faults(getenv("ANAROS_SIM_FAULTS"));
	pthread_atfork(sim_lock, sim_unlock, sim_unlock);
}

cl_int sim_enter(struct counter *counter)
{
	cl_int code = SUCCESS;

	pthread_mutex_lock(&lock);
	if (counter->calls++ == 0) {
		counter->next = counters;
		counters = counter;
	}
	for (int i = 0; i < fault_count; i++)
		if (strcmp(faults[i].name, counter->name) == 0 &&
		    ++faults[i].seen == faults[i].number)
			code = faults[i].code;
	pthread_mutex_unlock(&lock);
	return code;
}

uint64_t anaros_sim_calls(const char *name);
uint64_t anaros_sim_calls(const char *name)
{
	uint64_t calls = 0;

	pthread_mutex_lock(&lock);
	for (const struct counter *at = counters; at != NULL; at = at->next)
		if (strcmp(at->name, name) == 0)
			calls += at->calls;
	pthread_mutex_unlock(&lock);
	return calls;
}

uint64_t anaros_sim_bytes(int way);
uint64_t anaros_sim_bytes(int way)
{
	return moved[way];
}

void sim_moved(enum way way, uint64_t bytes)
{
	__atomic_fetch_add(&moved[way], bytes, __ATOMIC_RELAXED);
}

cl_ulong sim_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (cl_ulong)now.tv_sec * 1000000000u + (cl_ulong)now.tv_nsec;
}

struct object *sim_make(enum kind kind, struct object *parent)
{
	struct object *object = calloc(1, sizeof(*object));

	object->dispatch = sim_dispatch;
	object->kind = kind;
	object->references = 1;
	object->parent = parent;
	return object;
}

/* NULL: it is none of that kind. */
struct object *sim_of(struct object *object, enum kind kind)
{
	return object != NULL && object->kind == kind ? object : NULL;
}

cl_int sim_retain(struct object *object, enum kind kind)
{
	if (sim_of(object, kind) == NULL)
		return INVALID_VALUE;
	__atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);
	return SUCCESS;
}

cl_int sim_release(struct object *object, enum kind kind)
{
	if (sim_of(object, kind) == NULL)
		return INVALID_VALUE;
	if (__atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL) != 0)
		return SUCCESS;
	for (int i = NOTES - 1; i >= 0; i--)
		if (object->ended[i] != NULL)
			object->ended[i](object, object->ended_with[i]);
	if (kind == MEMORY && object->parent == NULL)
		sim_device_free(object->bytes);
	object->kind = 0;
	free(object);
	return SUCCESS;
}

cl_int sim_answer(const void *answer, size_t bytes, size_t room, void *value, size_t *size)
{
	if (value != NULL && room < bytes)
		return INVALID_VALUE;
	if (value != NULL)
		memcpy(value, answer, bytes);
	if (size != NULL)
		*size = bytes;
	return SUCCESS;
}

cl_int sim_done(struct object *queue, cl_ulong queued, struct object **event)
{
	if (event == NULL)
		return SUCCESS;
	*event = sim_make(EVENT, queue);
	(*event)->polls = 2;
	(*event)->queued = (*event)->start = queued;
	(*event)->end = sim_now();
	return SUCCESS;
}
