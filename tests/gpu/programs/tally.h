/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program of the GPU check knows of itself: what it asked for, what the
 * device had to do for it, and a digest of what came out. The last line of its
 * output is that, in JSON.
 */
#ifndef ANAROS_GPU_TALLY_H
#define ANAROS_GPU_TALLY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct tally {
	uint64_t launches;   /* kernels that a call enqueued */
	uint64_t graphs;     /* graphs that a call enqueued */
	uint64_t copies;     /* that a call enqueued or made */
	uint64_t copy_bytes; /* of them */
	uint64_t fills;
	uint64_t kernels;   /* that the device ran, in graphs too */
	uint64_t transfers; /* copies and fills that the device made, in graphs too */
	uint64_t digest;
};

static inline void tally_digest(struct tally *tally, const void *data, size_t bytes)
{
	const uint8_t *at = (const uint8_t *)data;

	if (tally->digest == 0)
		tally->digest = 14695981039346656037u;
	for (size_t i = 0; i < bytes; i++)
		tally->digest = (tally->digest ^ at[i]) * 1099511628211u;
}

static inline void tally_print(const struct tally *tally)
{
	printf("{\"launches\": %llu, \"graphs\": %llu, \"copies\": %llu, \"copy_bytes\": %llu, "
	       "\"fills\": %llu, \"kernels\": %llu, \"transfers\": %llu, "
	       "\"digest\": \"%016llx\"}\n",
	       (unsigned long long)tally->launches, (unsigned long long)tally->graphs,
	       (unsigned long long)tally->copies, (unsigned long long)tally->copy_bytes,
	       (unsigned long long)tally->fills, (unsigned long long)tally->kernels,
	       (unsigned long long)tally->transfers, (unsigned long long)tally->digest);
	fflush(stdout);
}

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void expect(const char *call, int result)
{
	if (result == 0)
		return;
	fprintf(stderr, "%s returned %d\n", call, result);
	exit(1);
}

#endif
