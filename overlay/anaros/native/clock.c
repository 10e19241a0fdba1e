// SPDX-License-Identifier: Apache-2.0
/*
 * Keeps the line that turns the TSC into CLOCK_MONOTONIC in the workload.
 *
 * A thread of its own compares both clocks, twice a second once settled, and
 * lays the next piece of line so that it starts where the last one is (time
 * never steps back) and has met the kernel's clock by the next comparison.
 * What was off each time is the residual that the run publishes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "native.h"

#define SETTLED_NS 500000000ull
#define STEP_NS    1000000 /* further off (a suspend): step instead */

struct pair {
	uint64_t tsc;
	uint64_t ns;
};

struct clock_thread {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool stopping;
	struct pair first; /* since then the rate is averaged */
	uint64_t residual_last_ns;
	uint64_t residual_max_ns;
};

uint64_t anaros_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__)

/* Only where the kernel itself trusts the TSC. */
static bool tsc_is_trusted(void)
{
	char name[32] = "";
	FILE *file =
	    fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

	if (file == NULL)
		return false;
	if (fgets(name, sizeof(name), file) == NULL)
		name[0] = '\0';
	fclose(file);
	return strcmp(name, "tsc\n") == 0;
}

/* The reading with the narrowest bracket of several. */
static struct pair compare(void)
{
	struct pair best = {0, 0};
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		uint64_t before = __rdtsc();
		uint64_t ns = anaros_monotonic_ns();
		uint64_t width = __rdtsc() - before;

		if (width < narrowest) {
			narrowest = width;
			best = (struct pair){before + width / 2, ns};
		}
	}
	return best;
}

static uint64_t on_line(const struct anaros_clock_line *line, uint64_t tsc)
{
	return line->base_ns +
	       (uint64_t)((__int128)(int64_t)(tsc - line->base_tsc) * (int64_t)line->mult >> 32);
}

static void publish(struct anaros_clock *clock, struct anaros_clock_line line)
{
	uint64_t next = clock->sequence + 1;

	clock->line[next & 1] = line;
	__atomic_store_n(&clock->sequence, next, __ATOMIC_RELEASE);
}

static double rate_between(struct pair from, struct pair to)
{
	return (double)(to.ns - from.ns) / (double)(to.tsc - from.tsc);
}

static void adjust(struct arena *arena, uint64_t period_ns)
{
	struct anaros_clock *clock = &arena->control->clock;
	struct clock_thread *state = arena->clock;
	struct pair now = compare();
	const struct anaros_clock_line *old = &clock->line[clock->sequence & 1];
	int64_t error_ns = (int64_t)(now.ns - on_line(old, now.tsc));
	uint64_t size_ns = (uint64_t)(error_ns < 0 ? -error_ns : error_ns);
	double rate = rate_between(state->first, now);
	struct anaros_clock_line line = {.base_tsc = now.tsc, .base_ns = on_line(old, now.tsc)};

	if (size_ns > STEP_NS) {
		line.base_ns = now.ns;
		state->first = now;
		line.mult = old->mult;
	} else {
		/* Meet the clock after one period; never run backwards. */
		line.mult =
		    (uint64_t)(rate * (1.0 + (double)error_ns / (double)period_ns) * 4294967296.0);
	}
	/* NTP slews the kernel's clock: forget what is older than ten periods. */
	if (now.ns - state->first.ns > 10 * SETTLED_NS)
		state->first = (struct pair){
		    state->first.tsc + (now.tsc - state->first.tsc) / 2,
		    state->first.ns + (now.ns - state->first.ns) / 2,
		};
	publish(clock, line);
	__atomic_store_n(&state->residual_last_ns, size_ns, __ATOMIC_RELAXED);
	if (size_ns > state->residual_max_ns)
		__atomic_store_n(&state->residual_max_ns, size_ns, __ATOMIC_RELAXED);
}

static void *run(void *argument)
{
	struct arena *arena = argument;
	struct clock_thread *state = arena->clock;
	uint64_t period_ns = 5000000;
	struct timespec until;

	pthread_mutex_lock(&state->lock);
	while (!state->stopping) {
		uint64_t at = anaros_monotonic_ns() + period_ns;

		until.tv_sec = (time_t)(at / 1000000000u);
		until.tv_nsec = (long)(at % 1000000000u);
		if (pthread_cond_timedwait(&state->stop, &state->lock, &until) == 0)
			continue;
		if (period_ns < SETTLED_NS)
			period_ns *= 2;
		adjust(arena, period_ns);
	}
	pthread_mutex_unlock(&state->lock);
	return NULL;
}

/* Returns 0; 1 = the vDSO is used instead of the TSC; or -errno. */
int anaros_clock_start(struct arena *arena)
{
	struct clock_thread *state;
	struct timespec moment = {.tv_nsec = 1000000};
	pthread_condattr_t attributes;
	struct pair second;
	int result;

	if (!tsc_is_trusted())
		return 1;
	state = calloc(1, sizeof(*state));
	if (state == NULL)
		return -ENOMEM;
	state->first = compare();
	nanosleep(&moment, NULL);
	second = compare();
	publish(&arena->control->clock,
		(struct anaros_clock_line){
		    .base_tsc = second.tsc,
		    .base_ns = second.ns,
		    .mult = (uint64_t)(rate_between(state->first, second) * 4294967296.0),
		});
	pthread_mutex_init(&state->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&state->stop, &attributes);
	pthread_condattr_destroy(&attributes);
	arena->clock = state;
	result = pthread_create(&state->thread, NULL, run, arena);
	if (result != 0) {
		arena->clock = NULL;
		free(state);
		publish(&arena->control->clock, (struct anaros_clock_line){0});
		return -result;
	}
	return 0;
}

uint64_t anaros_clock_now_ns(const struct arena *arena)
{
	const struct anaros_clock *clock = &arena->control->clock;
	const struct anaros_clock_line *line = &clock->line[clock->sequence & 1];

	return line->mult == 0 ? anaros_monotonic_ns() : on_line(line, __rdtsc());
}

#else

int anaros_clock_start(struct arena *arena)
{
	(void)arena;
	return 1;
}

uint64_t anaros_clock_now_ns(const struct arena *arena)
{
	(void)arena;
	return anaros_monotonic_ns();
}

#endif

void anaros_clock_stop(struct arena *arena)
{
	struct clock_thread *state = arena->clock;

	if (state == NULL)
		return;
	pthread_mutex_lock(&state->lock);
	state->stopping = true;
	pthread_cond_signal(&state->stop);
	pthread_mutex_unlock(&state->lock);
	pthread_join(state->thread, NULL);
	free(state);
	arena->clock = NULL;
}

void anaros_clock_residual(const struct arena *arena, uint64_t *last_ns, uint64_t *max_ns)
{
	const struct clock_thread *state = arena->clock;

	*last_ns = state ? __atomic_load_n(&state->residual_last_ns, __ATOMIC_RELAXED) : 0;
	*max_ns = state ? __atomic_load_n(&state->residual_max_ns, __ATOMIC_RELAXED) : 0;
}

/*
 * What one record costs here and now: two time stamps and 64 bytes stored,
 * as the shim does it. The median of some batches.
 */
double anaros_record_cost_ns(const struct arena *arena)
{
	enum { BATCHES = 9, BATCH = 4096 };
	struct anaros_record *ring = calloc(1024, sizeof(*ring));
	double cost[BATCHES];

	if (ring == NULL)
		return 0;
	for (int batch = 0; batch < BATCHES; batch++) {
		uint64_t from = anaros_monotonic_ns();
		double here;
		int at = batch;

		for (uint32_t i = 0; i < BATCH; i++) {
			volatile struct anaros_record *record = &ring[i % 1024];

			record->start_ns = anaros_clock_now_ns(arena);
			record->duration_ns = anaros_clock_now_ns(arena) - record->start_ns;
			record->pid = record->tid = i;
			record->kind = record->flags = 0;
			record->status = 0;
			record->object = record->size_bytes = record->address = i;
			record->context = 0;
		}
		here = (double)(anaros_monotonic_ns() - from) / BATCH;
		for (; at > 0 && cost[at - 1] > here; at--)
			cost[at] = cost[at - 1];
		cost[at] = here;
	}
	free(ring);
	return cost[BATCHES / 2];
}
