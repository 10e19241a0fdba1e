/* SPDX-License-Identifier: Apache-2.0 */
/* What every measured loop shares: the clock, the pace, the fastest batch. */
#ifndef ANAROS_BENCH_H
#define ANAROS_BENCH_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Calls that are timed together: two chunks of a ring, so that a batch has what
 * a recorded call costs now and then, and a millisecond, so that some batches
 * are spared by whatever else runs on the machine.
 */
#define BATCH 2048

struct bench {
	uint64_t calls;      /* how many in all */
	uint64_t batch;      /* timed together */
	uint64_t per_second; /* 0: as fast as it goes */
	double fastest_ns;   /* of a call, in the fastest batch */
	uint64_t started_ns;
};

static inline uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void bench_fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* A supervisor imports its libraries while the program starts: let it. */
static inline void bench_settle(void)
{
	const char *settle = getenv("BENCH_SETTLE_MS");
	long ms = settle ? atol(settle) : 0;
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

/* usage: PROGRAM CALLS [PER_SECOND] */
static inline void bench_start(struct bench *bench, int argc, char **argv)
{
	memset(bench, 0, sizeof(*bench));
	bench->calls = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	bench->per_second = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	bench->batch = BATCH;
	if (bench->per_second) /* a burst each millisecond */
		bench->batch = bench->per_second < 1000 ? 1 : bench->per_second / 1000;
	bench_settle();
	bench->started_ns = bench_now_ns();
}

/*
 * Sleeps until the next burst is due; late bursts are not given up. Without a
 * rate, a moment: batches that lie apart see the machine busy and idle.
 */
static inline void bench_pace(const struct bench *bench, uint64_t done)
{
	uint64_t due;
	struct timespec at = {.tv_nsec = 4000000};

	if (!bench->per_second) {
		nanosleep(&at, NULL);
		return;
	}
	due = bench->started_ns + (uint64_t)((double)done * 1e9 / (double)bench->per_second);
	at.tv_sec = (time_t)(due / 1000000000u);
	at.tv_nsec = (long)(due % 1000000000u);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static inline void bench_sample(struct bench *bench, uint64_t ns, uint64_t calls)
{
	double call_ns = (double)ns / (double)calls;

	if (bench->fastest_ns == 0 || call_ns < bench->fastest_ns)
		bench->fastest_ns = call_ns;
}

/* One line of JSON: the fastest batch, and what was done in which time. */
static inline void bench_finish(struct bench *bench, uint64_t calls)
{
	uint64_t elapsed_ns = bench_now_ns() - bench->started_ns;

	printf("{\"ns_per_call\": %.2f, \"calls\": %llu, \"seconds\": %.6f}\n", bench->fastest_ns,
	       (unsigned long long)calls, (double)elapsed_ns / 1e9);
	fflush(stdout);
}

#endif
