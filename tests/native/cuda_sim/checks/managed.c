// SPDX-License-Identifier: Apache-2.0
/* Managed memory: every move of it is counted, and what does not fit goes. */
#include "check.h"

#define MIB ((size_t)1 << 20)

static void *module, *stream;

static size_t used(void)
{
	size_t unused, total;

	OK(cuMemGetInfo_v2(&unused, &total));
	return total - unused;
}

static uint64_t moved(const char *name)
{
	return anaros_sim_total("memory", name);
}

static void managed(void)
{
	uint32_t count = 1024;
	uint64_t address, h2d = moved("migrated_h2d_bytes"), d2h = moved("migrated_d2h_bytes");
	float factor = 1;
	void *params[] = {&factor, &address, &address, &count};
	int where;

	OK(cuMemAllocManaged(&address, MIB, 1));
	OK(cuMemRangeGetAttribute(&where, sizeof(where), 4, address, MIB));
	EQUAL(where, -2);
	OK(cuMemPrefetchAsync(address, MIB, -1, stream));
	OK(cuMemPrefetchAsync(address, MIB, 0, stream));
	OK(cuStreamSynchronize(stream));
	OK(cuMemRangeGetAttribute(&where, sizeof(where), 4, address, MIB));
	EQUAL(where, 0);
	EQUAL(moved("migrated_h2d_bytes") - h2d, MIB);
	EQUAL(used(), MIB);
	OK(cuMemPrefetchAsync_v2(address, MIB, (struct sim_location){2, 0}, 0, stream));
	OK(cuStreamSynchronize(stream));
	EQUAL(moved("migrated_d2h_bytes") - d2h, MIB);
	/* A kernel takes what it points into. */
	check_launch(check_kernel(module, "saxpy"), stream, params);
	OK(cuStreamSynchronize(stream));
	EQUAL(moved("migrated_h2d_bytes") - h2d, 2 * MIB);
	/* What is discarded does not come back. */
	OK(cuMemDiscardBatchAsync(&address, &(size_t){MIB}, 1, 0, stream));
	OK(cuStreamSynchronize(stream));
	EQUAL(moved("discarded_bytes"), MIB);
	EQUAL(used(), 0);
	OK(cuMemFree_v2(address));
	EQUAL(cuMemPrefetchAsync(address, MIB, 0, stream), 1);
}

/* Device 1 has 2 GiB: what does not fit makes the oldest go. */
static void oversubscribed(void)
{
	size_t half = 1024 * MIB, page = 65536;
	uint64_t managed_memory[3], device_memory;
	void *context, *first;

	OK(cuDevicePrimaryCtxRetain(&first, 0));
	OK(cuDevicePrimaryCtxRetain(&context, 1));
	OK(cuCtxSetCurrent(context));
	for (int i = 0; i < 3; i++)
		OK(cuMemAllocManaged(&managed_memory[i], half, 1));
	OK(cuMemPrefetchAsync(managed_memory[0], half, 1, NULL));
	OK(cuMemPrefetchAsync(managed_memory[1], half, 1, NULL));
	OK(cuStreamSynchronize(NULL));
	EQUAL(moved("evictions"), 0);
	OK(cuMemPrefetchAsync(managed_memory[2], 16 * MIB, 1, NULL));
	OK(cuStreamSynchronize(NULL));
	EQUAL(moved("evictions"), 16 * MIB / page);
	EQUAL(moved("evicted_bytes"), 16 * MIB);
	/* An allocation pushes managed memory out as well. */
	OK(cuMemAlloc_v2(&device_memory, 32 * MIB));
	EQUAL(moved("evicted_bytes"), 48 * MIB);
	OK(cuMemFree_v2(device_memory));
	for (int i = 0; i < 3; i++)
		OK(cuMemFree_v2(managed_memory[i]));
	EQUAL(used(), 0);
	OK(cuDevicePrimaryCtxRelease_v2(1));
	OK(cuCtxSetCurrent(first));
}

int main(void)
{
	module = check_start();
	OK(cuStreamCreate(&stream, 1));
	managed();
	oversubscribed();
	return 0;
}
