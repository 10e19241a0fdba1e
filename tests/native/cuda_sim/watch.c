// SPDX-License-Identifier: Apache-2.0
/* Counters of calls and work, the file of them, and the observer of calls. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "watch.h"

_Atomic uint64_t sim_calls[SIM_EXPORTS];
_Atomic uint32_t sim_watched;

static _Atomic uint64_t totals[SIM_SOURCES][SIM_TOTAL_COUNT];
static _Atomic uint64_t moved_bytes[SIM_SOURCES][SIM_DIRECTIONS];
static _Atomic uint64_t happenings[SIM_EVENT_COUNT];
static _Atomic(const struct sim_observer *) observer;
static _Atomic uint32_t last_correlation;
static __thread struct sim_call call;
static __thread int call_depth;

static const char *const sources[] = {"work", "captured", "replayed"};
static const char *const directions[] = {"h2d", "d2h", "d2d", "h2h", "p2p"};
#define X(name) #name,
static const char *const total_names[] = {SIM_TOTALS(X)};
static const char *const event_names[] = {SIM_EVENTS(X)};
#undef X

void sim_count(enum sim_happening what, uint64_t amount)
{
	atomic_fetch_add_explicit(&happenings[what], amount, memory_order_relaxed);
}

static void total(enum sim_source source, enum sim_total what, uint64_t amount)
{
	atomic_fetch_add_explicit(&totals[source][what], amount, memory_order_relaxed);
}

void sim_count_op(const struct sim_op *op, enum sim_source source)
{
	switch (op->work) {
	case SIM_WORK_KERNEL:
		total(source, SIM_TOTAL_kernels, 1);
		break;
	case SIM_WORK_COPY:
		total(source, SIM_TOTAL_copies, 1);
		atomic_fetch_add(&moved_bytes[source][op->copy.direction],
				 sim_copy_bytes(&op->copy));
		break;
	case SIM_WORK_FILL:
		total(source, SIM_TOTAL_fills, 1);
		total(source, SIM_TOTAL_fill_bytes,
		      (uint64_t)op->fill.width * op->fill.height * op->fill.element_bytes);
		break;
	case SIM_WORK_HOST:
		total(source, SIM_TOTAL_host_calls, 1);
		break;
	case SIM_WORK_SIGNAL:
		total(source, SIM_TOTAL_signals, 1);
		break;
	default:
		break;
	}
}

/* The observer */

const struct sim_observer *sim_observer(void)
{
	if ((atomic_load_explicit(&sim_watched, memory_order_relaxed) & SIM_WATCH_OBSERVER) == 0)
		return NULL;
	return atomic_load(&observer);
}

uint32_t sim_correlation(void)
{
	return call_depth > 0 ? call.correlation : 0;
}

int sim_enter_watched(enum sim_export id)
{
	const struct sim_observer *looking = sim_observer();

	if (looking != NULL && call_depth++ == 0) {
		call = (struct sim_call){
		    .correlation = atomic_fetch_add(&last_correlation, 1) + 1,
		    .tid = (uint32_t)gettid(),
		    .symbol = sim_exports[id].symbol,
		    .start_ns = sim_now_ns(),
		};
		looking->enter(&call);
	}
	return sim_fault_call(id);
}

void sim_leave_watched(enum sim_export id, int result)
{
	const struct sim_observer *looking = sim_observer();

	(void)id;
	/* Who came, or went, during the call saw only half of it. */
	if (call_depth == 0 || --call_depth > 0 || looking == NULL)
		return;
	call.end_ns = sim_now_ns();
	call.result = result;
	looking->leave(&call);
}

/* One observer at a time; NULL: nobody from now on. */
SIM_EXPORT void anaros_sim_observe(const struct sim_observer *by);
SIM_EXPORT void anaros_sim_observe(const struct sim_observer *by)
{
	atomic_store(&observer, by);
	if (by != NULL)
		atomic_fetch_or(&sim_watched, SIM_WATCH_OBSERVER);
	else
		atomic_fetch_and(&sim_watched, ~(uint32_t)SIM_WATCH_OBSERVER);
}

/* The counters */

static void write_source(FILE *out, enum sim_source source)
{
	fprintf(out, ", \"%s\": {", sources[source]);
	for (int i = 0; i < SIM_TOTAL_COUNT; i++)
		fprintf(out, "%s\"%s\": %lu", i ? ", " : "", total_names[i],
			(unsigned long)totals[source][i]);
	if (source != SIM_DIRECT)
		for (int i = 0; i < SIM_DIRECTIONS; i++)
			fprintf(out, ", \"%s\": %lu", directions[i],
				(unsigned long)moved_bytes[source][i]);
	fputs("}", out);
}

void sim_write_counters(void)
{
	const char *path = getenv("ANAROS_SIM_COUNTERS");
	FILE *out = path != NULL ? fopen(path, "we") : NULL;
	const char *comma = "";

	if (out == NULL)
		return;
	fputs("{\"calls\": {", out);
	for (int i = 0; i < SIM_EXPORTS; i++) {
		if (sim_calls[i] == 0)
			continue;
		fprintf(out, "%s\"%s\": %lu", comma, sim_exports[i].symbol,
			(unsigned long)sim_calls[i]);
		comma = ", ";
	}
	fputs("}, \"bytes\": {", out);
	for (int i = 0; i < SIM_DIRECTIONS; i++)
		fprintf(out, "%s\"%s\": %lu", i ? ", " : "", directions[i],
			(unsigned long)moved_bytes[SIM_DIRECT][i]);
	fputs("}", out);
	for (int source = 0; source < SIM_SOURCES; source++)
		write_source(out, source);
	fputs(", \"memory\": {", out);
	for (int i = 0; i < SIM_EVENT_COUNT; i++)
		fprintf(out, "%s\"%s\": %lu", i ? ", " : "", event_names[i],
			(unsigned long)happenings[i]);
	fputs("}}\n", out);
	fclose(out);
}

SIM_EXPORT uint64_t anaros_sim_calls(const char *symbol);
SIM_EXPORT uint64_t anaros_sim_calls(const char *symbol)
{
	for (int i = 0; i < SIM_EXPORTS; i++)
		if (strcmp(sim_exports[i].symbol, symbol) == 0)
			return sim_calls[i];
	return UINT64_MAX;
}

SIM_EXPORT uint64_t anaros_sim_bytes(int direction);
SIM_EXPORT uint64_t anaros_sim_bytes(int direction)
{
	return direction >= 0 && direction < SIM_DIRECTIONS ? moved_bytes[SIM_DIRECT][direction]
							    : UINT64_MAX;
}

/* ("replayed", "kernels"), ("captured", "h2d"), ("memory", "evictions"): as in
 * the file. */
SIM_EXPORT uint64_t anaros_sim_total(const char *group, const char *name);
SIM_EXPORT uint64_t anaros_sim_total(const char *group, const char *name)
{
	if (strcmp(group, "memory") == 0)
		for (int i = 0; i < SIM_EVENT_COUNT; i++)
			if (strcmp(event_names[i], name) == 0)
				return happenings[i];
	for (int source = 0; source < SIM_SOURCES; source++) {
		if (strcmp(sources[source], group) != 0)
			continue;
		for (int i = 0; i < SIM_TOTAL_COUNT; i++)
			if (strcmp(total_names[i], name) == 0)
				return totals[source][i];
		for (int i = 0; i < SIM_DIRECTIONS; i++)
			if (strcmp(directions[i], name) == 0)
				return moved_bytes[source][i];
	}
	return UINT64_MAX;
}
