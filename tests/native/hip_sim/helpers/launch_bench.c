// SPDX-License-Identifier: Apache-2.0
/*
 * What the shim adds to one hipEventRecord, in ns:
 *
 *	record libanaros.so launch_bench [BATCHES]
 *
 * prints the medians "bare wrapped added". Batches of bare and wrapped calls
 * take turns in one process, so that both meet the same machine. Full chunks
 * are set free as the drain does; else the cost of first touches is measured.
 */
#include "hip_test.h"

#include <time.h>

#define BATCH 1000

typedef int (*record_function)(void *, void *);

static void *event;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double batch_ns(record_function record)
{
	uint64_t start_ns = now_ns();

	for (int i = 0; i < BATCH; i++)
		CHECK_EQUAL(record(event, NULL), 0);
	return (double)(now_ns() - start_ns) / BATCH;
}

static void set_free(const struct harness *harness)
{
	for (uint32_t i = 0; i < harness->control->chunk_count; i++) {
		struct anaros_chunk_header *header = &harness->chunks[i].header;

		if (harness->owners[i] == 0 || !__atomic_load_n(&header->sealed, __ATOMIC_ACQUIRE))
			continue;
		header->committed = header->drained = header->sealed = 0;
		__atomic_store_n(&harness->owners[i], 0, __ATOMIC_RELEASE);
		__atomic_fetch_sub(&harness->shared->chunks_in_use, 1, __ATOMIC_RELAXED);
	}
}

int main(int argc, char **argv)
{
	struct harness harness = harness_open();
	int batches = argc > 1 ? atoi(argv[1]) : 400;
	double *bare = calloc((size_t)batches, sizeof(*bare));
	double *wrapped = calloc((size_t)batches, sizeof(*wrapped));
	void *library = hip_open(), *real;

	/* dlvsym is not the shim's. */
	real = dlvsym(library, "hipEventRecord", "hip_4.2");
	CHECK(real != NULL && lies_in(real, "libamdhip64"));
	OK(HIP(library, hipEventCreate, void **)(&event));
	for (int i = 0; i < batches; i++) {
		bare[i] = batch_ns((record_function)real);
		wrapped[i] = batch_ns((record_function)hip_symbol(library, "hipEventRecord"));
		set_free(&harness);
	}
	qsort(bare, (size_t)batches, sizeof(*bare), ascending);
	qsort(wrapped, (size_t)batches, sizeof(*wrapped), ascending);
	printf("%.1f %.1f %.1f\n", bare[batches / 2], wrapped[batches / 2],
	       wrapped[batches / 2] - bare[batches / 2]);
	return 0;
}
