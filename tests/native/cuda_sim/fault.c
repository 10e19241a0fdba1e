// SPDX-License-Identifier: Apache-2.0
/*
 * What goes wrong on demand: ANAROS_SIM_FAULTS, or anaros_sim_faults(TEXT),
 * is a list of WHERE@N=CODE, separated by ';'. N+ stands for the Nth time and
 * every later one. WHERE is
 *   a symbol, a base name, "alloc"   the call is not done and answers CODE;
 *   "kernel", "copy", "fill"         the Nth such work on a device goes
 *                                    astray: its context keeps CODE for ever,
 *                                    its device does with 46 and 999.
 * `alloc@3=2;kernel@10=700;cuEventRecord@1+=900`
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

#define FAULTS 32

struct fault {
	char where[64];
	uint64_t number;
	int code;
	bool onwards;
	uint64_t seen;
};

static struct fault faults[FAULTS];
static int fault_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool read_fault(const char *text, struct fault *fault)
{
	int read = 0;

	memset(fault, 0, sizeof(*fault));
	if (sscanf(text, "%63[^@]@%lu%n", fault->where, &fault->number, &read) != 2)
		return false;
	fault->onwards = text[read] == '+';
	return sscanf(text + read + fault->onwards, "=%d", &fault->code) == 1;
}

/* Replaces all faults; NULL or "": nothing goes wrong any more. 0, or -1. */
SIM_EXPORT int anaros_sim_faults(const char *text);
SIM_EXPORT int anaros_sim_faults(const char *text)
{
	char *copy = strdup(text != NULL ? text : ""), *rest = copy, *item;
	int result = 0;

	pthread_mutex_lock(&lock);
	fault_count = 0;
	while ((item = strsep(&rest, ";")) != NULL) {
		if (*item == '\0')
			continue;
		if (fault_count == FAULTS || !read_fault(item, &faults[fault_count])) {
			result = -1;
			break;
		}
		fault_count++;
	}
	if (fault_count > 0)
		atomic_fetch_or(&sim_watched, SIM_WATCH_FAULTS);
	else
		atomic_fetch_and(&sim_watched, ~(uint32_t)SIM_WATCH_FAULTS);
	pthread_mutex_unlock(&lock);
	free(copy);
	return result;
}

void sim_faults_from_environment(void)
{
	const char *text = getenv("ANAROS_SIM_FAULTS");

	if (text != NULL && anaros_sim_faults(text) != 0)
		fprintf(stderr, "simulated driver: cannot read ANAROS_SIM_FAULTS=%s\n", text);
}

static bool is_allocation(const char *base)
{
	static const char *const starts[] = {"cuMemAlloc", "cuMemHostAlloc", "cuMemCreate",
					     "cuArrayCreate", "cuArray3DCreate"};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (strncmp(base, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static int due(struct fault *fault)
{
	uint64_t seen = ++fault->seen;

	return seen == fault->number || (fault->onwards && seen > fault->number) ? fault->code : 0;
}

int sim_fault_call(enum sim_export id)
{
	const struct sim_export_row *row = &sim_exports[id];
	int result = SIM_OK;

	if ((atomic_load(&sim_watched) & SIM_WATCH_FAULTS) == 0)
		return SIM_OK;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < fault_count; i++) {
		struct fault *fault = &faults[i];

		if (strcmp(fault->where, row->symbol) != 0 &&
		    strcmp(fault->where, row->base) != 0 &&
		    !(strcmp(fault->where, "alloc") == 0 && is_allocation(row->base)))
			continue;
		if (result == SIM_OK)
			result = due(fault);
		else
			fault->seen++;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

int sim_fault_work(enum sim_work work)
{
	const char *name = work == SIM_WORK_KERNEL ? "kernel"
			   : work == SIM_WORK_COPY ? "copy"
			   : work == SIM_WORK_FILL ? "fill"
						   : NULL;
	int result = SIM_OK;

	if (name == NULL || (atomic_load(&sim_watched) & SIM_WATCH_FAULTS) == 0)
		return SIM_OK;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < fault_count; i++)
		if (result == SIM_OK && strcmp(faults[i].where, name) == 0)
			result = due(&faults[i]);
	pthread_mutex_unlock(&lock);
	return result;
}

void sim_fault_happens(struct sim_context *context, int code)
{
	int none = SIM_OK;

	sim_count(SIM_EVENT_device_faults, 1);
	if (code == SIM_DEVICE_UNAVAILABLE || code == SIM_UNKNOWN)
		atomic_compare_exchange_strong(&context->device->fault, &none, code);
	else
		atomic_compare_exchange_strong(&context->fault, &none, code);
}
