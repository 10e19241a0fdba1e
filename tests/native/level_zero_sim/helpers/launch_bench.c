// SPDX-License-Identifier: Apache-2.0
/*
 * What the shim adds to one launch of a kernel, in ns:
 *
 *	record libanaros.so launch_bench [BATCHES]
 *
 * prints the medians "bare wrapped added" for an immediate list, for one where
 * each launch signals an event, and for a regular list. Batches of bare and
 * wrapped calls take turns in one process, so that both meet the same machine.
 * Full chunks are set free as the drain does; else the cost of first touches
 * is measured.
 */
#include "level_zero_test.h"

#include <time.h>

#define BATCH 200 /* what a list holds */

typedef int (*launch)(void *, void *, const struct group *, void *, uint32_t, void **);

static void *library, *kernel, *event;

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

static double batch_ns(launch append, void *list, void *signal)
{
	const struct group none = {0, 0, 0};
	uint64_t start_ns = now_ns(), took_ns;

	for (int i = 0; i < BATCH; i++)
		OK(append(list, kernel, &none, signal, 0, NULL));
	took_ns = now_ns() - start_ns;
	OK(ZE(library, zeCommandListHostSynchronize, void *, uint64_t)(list, UINT64_MAX));
	OK(ZE(library, zeCommandListReset, void *)(list));
	return (double)took_ns / BATCH;
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

static void measure(const struct harness *harness, int batches, const char *what, void *list,
		    void *signal)
{
	double *bare = calloc((size_t)batches, sizeof(*bare));
	double *wrapped = calloc((size_t)batches, sizeof(*wrapped));
	launch real = (launch)((void *(*)(void))ze_symbol(library, "anaros_sim_launch"))();
	launch found = (launch)ze_symbol(library, "zeCommandListAppendLaunchKernel");

	CHECK(lies_in((void *)real, "libze_loader") && lies_in((void *)found, "libanaros"));
	for (int i = 0; i < batches; i++) {
		bare[i] = batch_ns(real, list, signal);
		wrapped[i] = batch_ns(found, list, signal);
		set_free(harness);
	}
	qsort(bare, (size_t)batches, sizeof(*bare), ascending);
	qsort(wrapped, (size_t)batches, sizeof(*wrapped), ascending);
	printf("%s %.1f %.1f %.1f\n", what, bare[batches / 2], wrapped[batches / 2],
	       wrapped[batches / 2] - bare[batches / 2]);
	free(bare);
	free(wrapped);
}

int main(int argc, char **argv)
{
	struct harness harness = harness_open();
	int batches = argc > 1 ? atoi(argv[1]) : 2000;
	struct described_queue described = {0};
	struct {
		int type;
		const void *next;
		uint32_t flags;
		const char *name;
	} desc = {.name = "vector_add"};
	void *module, *immediate, *regular;

	library = ze_open();
	OK(ZE(library, zeInit, uint32_t)(0));
	OK(ZE(library, zeEventCreate, void *, const void *, void **)(NULL, NULL, &event));
	OK(ZE(library, zeModuleCreate, void *, void *, const void *, void **,
	      void **)(NULL, NULL, NULL, &module, NULL));
	OK(ZE(library, zeKernelCreate, void *, const void *, void **)(module, &desc, &kernel));
	OK(ZE(library, zeKernelSetGroupSize, void *, uint32_t, uint32_t, uint32_t)(kernel, 64, 1,
										   1));
	OK(ZE(library, zeCommandListCreateImmediate, void *, void *, const void *,
	      void **)(NULL, NULL, &described, &immediate));
	OK(ZE(library, zeCommandListCreate, void *, void *, const void *,
	      void **)(NULL, NULL, &described, &regular));
	measure(&harness, batches, "immediate", immediate, NULL);
	measure(&harness, batches, "signals", immediate, event);
	measure(&harness, batches, "regular", regular, NULL);
	return 0;
}
