// SPDX-License-Identifier: Apache-2.0
/* The driver: lists of commands, and what they do. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"

#define COMMANDS  256
#define ARGUMENTS 4

struct command {
	void (*run)(const struct command *command);
	void *dst;
	const void *src;
	size_t size, pattern_size;
	uint64_t values[ARGUMENTS];
	uint64_t threads;
	char pattern[16];
	struct event *event;
};

struct list {
	bool immediate, closed;
	unsigned int count;
	struct command commands[COMMANDS];
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct list *pending[COMMANDS]; /* immediate lists */
static uint64_t calls[SIM_CALLS], bytes_copied;

void sim_count(enum sim_call call)
{
	__atomic_fetch_add(&calls[call], 1, __ATOMIC_RELAXED);
}

static pid_t begun_in;
static uint64_t appends_left = UINT64_MAX; /* until the device is lost */

void sim_begin(void)
{
	begun_in = getpid();
}

int sim_state(void)
{
	if (begun_in != getpid())
		return UNINITIALIZED;
	return __atomic_load_n(&appends_left, __ATOMIC_RELAXED) == 0 ? DEVICE_LOST : SUCCESS;
}

/* The device is lost after so many commands; 0: now. */
EXPORT void anaros_sim_lose(uint64_t appends);
EXPORT void anaros_sim_lose(uint64_t appends)
{
	__atomic_store_n(&appends_left, appends, __ATOMIC_RELAXED);
}

EXPORT uint64_t anaros_sim_calls(int call);
EXPORT uint64_t anaros_sim_calls(int call)
{
	return calls[call];
}

EXPORT uint64_t anaros_sim_bytes(void);
EXPORT uint64_t anaros_sim_bytes(void)
{
	return bytes_copied;
}

static void run_all(struct list *list)
{
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < list->count; i++)
		list->commands[i].run(&list->commands[i]);
	if (list->immediate)
		list->count = 0;
	pthread_mutex_unlock(&lock);
}

void sim_run(void *list)
{
	run_all(list);
}

void sim_run_immediates(void)
{
	for (int i = 0; i < COMMANDS; i++)
		if (pending[i] != NULL)
			run_all(pending[i]);
}

bool sim_is_closed(const void *list)
{
	return ((const struct list *)list)->closed;
}

static int make(void **out, bool immediate)
{
	struct list *list = calloc(1, sizeof(*list));

	list->immediate = immediate;
	for (int i = 0; immediate && i < COMMANDS; i++)
		if (pending[i] == NULL) {
			pending[i] = list;
			break;
		}
	*out = list;
	return SUCCESS;
}

static int create(void *context, void *device, const void *desc, void **list)
{
	(void)context;
	(void)device;
	sim_count(SIM_LIST_CREATE);
	return desc != NULL ? make(list, false) : INVALID_ARGUMENT;
}

static int create_immediate(void *context, void *device, const void *desc, void **list)
{
	(void)context;
	(void)device;
	sim_count(SIM_LIST_CREATE_IMMEDIATE);
	return desc != NULL ? make(list, true) : INVALID_ARGUMENT;
}

static int destroy(void *list)
{
	if (list == NULL)
		return INVALID_NULL_HANDLE;
	for (int i = 0; i < COMMANDS; i++)
		if (pending[i] == list) {
			run_all(list);
			pending[i] = NULL;
		}
	free(list);
	return SUCCESS;
}

static int close_list(void *list)
{
	((struct list *)list)->closed = true;
	return SUCCESS;
}

static int reset(void *list)
{
	((struct list *)list)->closed = false;
	((struct list *)list)->count = 0;
	return SUCCESS;
}

static int append(struct list *list, const struct command *command)
{
	int state = sim_state();

	if (list == NULL)
		return INVALID_NULL_HANDLE;
	if (state != SUCCESS)
		return state;
	pthread_mutex_lock(&lock);
	if (list->closed || list->count == COMMANDS) {
		state = INVALID_ARGUMENT;
	} else {
		list->commands[list->count++] = *command;
		appends_left -= appends_left != UINT64_MAX;
	}
	pthread_mutex_unlock(&lock);
	return state;
}

static void do_signal(const struct command *command)
{
	if (command->event != NULL)
		command->event->done = true;
}

static void do_copy(const struct command *command)
{
	memcpy(command->dst, command->src, command->size);
	bytes_copied += command->size;
	do_signal(command);
}

static void do_fill(const struct command *command)
{
	for (size_t i = 0; i < command->size; i += command->pattern_size)
		memcpy((char *)command->dst + i, command->pattern, command->pattern_size);
	do_signal(command);
}

static void do_call(const struct command *command)
{
	((void (*)(uint64_t))(uintptr_t)command->src)(command->values[0]);
	do_signal(command);
}

int sim_append_call(void *list, void *function, void *data, void *signal)
{
	return append(list, &(struct command){.run = do_call,
					      .src = function,
					      .values = {(uintptr_t)data},
					      .event = signal});
}

static void do_add(const struct command *command)
{
	const float *a = (const float *)(uintptr_t)command->values[0];
	const float *b = (const float *)(uintptr_t)command->values[1];
	float *sum = (float *)(uintptr_t)command->values[2];

	for (uint64_t i = 0; i < command->threads; i++)
		sum[i] = a[i] + b[i];
	do_signal(command);
}

static int copy(void *list, void *dst, const void *src, size_t size, void *signal, uint32_t count,
		void **waits)
{
	(void)count;
	(void)waits;
	sim_count(SIM_COPY);
	if (dst == NULL || src == NULL)
		return INVALID_ARGUMENT;
	return append(list,
		      &(struct command){
			  .run = do_copy, .dst = dst, .src = src, .size = size, .event = signal});
}

static int fill(void *list, void *dst, const void *pattern, size_t pattern_size, size_t size,
		void *signal, uint32_t count, void **waits)
{
	struct command command = {.run = do_fill,
				  .dst = dst,
				  .size = size,
				  .pattern_size = pattern_size,
				  .event = signal};

	(void)count;
	(void)waits;
	sim_count(SIM_FILL);
	if (pattern_size == 0 || pattern_size > sizeof(command.pattern) || size % pattern_size != 0)
		return INVALID_ARGUMENT;
	memcpy(command.pattern, pattern, pattern_size);
	return append(list, &command);
}

static int barrier(void *list, void *signal, uint32_t count, void **waits)
{
	(void)count;
	(void)waits;
	return append(list, &(struct command){.run = do_signal, .event = signal});
}

static int signal_event(void *list, void *event)
{
	return append(list, &(struct command){.run = do_signal, .event = event});
}

/* Commands are done in order, so what comes behind has waited. */
static int wait_events(void *list, uint32_t count, void **events)
{
	return list != NULL && count != 0 && events != NULL ? SUCCESS : INVALID_ARGUMENT;
}

static int launch(void *list, void *handle, const struct group *groups, void *signal,
		  uint32_t count, void **waits)
{
	const struct kernel *kernel = handle;
	struct command command = {.run = do_add, .event = signal};

	(void)count;
	(void)waits;
	sim_count(SIM_LAUNCH);
	if (kernel == NULL || groups == NULL)
		return INVALID_NULL_HANDLE;
	command.threads = (uint64_t)groups->x * groups->y * groups->z * kernel->group_size;
	memcpy(command.values, kernel->values, sizeof(command.values));
	return append(list, &command);
}

struct list_table sim_driver_lists = {
    .create = create,
    .create_immediate = create_immediate,
    .destroy = destroy,
    .close = close_list,
    .reset = reset,
    .barrier = barrier,
    .copy = copy,
    .fill = fill,
    .signal = signal_event,
    .wait = wait_events,
    .launch = launch,
};
