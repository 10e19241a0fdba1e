// SPDX-License-Identifier: Apache-2.0
/* Description: each thread's own stream stays its own, and is recorded as such. */
#include "hip_test.h"

#include <pthread.h>

#define THREADS 4
#define COPIES  100
#define BYTES   256u

static void *library;

static void *work(void *context)
{
	char fill = (char)(1 + (intptr_t)context), host[BYTES], back[BYTES] = {0};
	void *device;

	memset(host, fill, sizeof(host));
	OK(HIP(library, hipMalloc, void **, size_t)(&device, BYTES));
	for (int i = 0; i < COPIES; i++) {
		OK(HIP(library, hipMemcpyAsync_spt, void *, const void *, size_t, int,
		       void *)(device, host, BYTES, H2D, NULL));
		/* Another handle of the same stream. */
		OK(HIP(library, hipMemcpyAsync, void *, const void *, size_t, int,
		       void *)(back, device, BYTES, D2H, (void *)2));
	}
	OK(HIP(library, hipStreamSynchronize_spt, void *)(NULL));
	CHECK(memcmp(host, back, BYTES) == 0);
	return NULL;
}

int main(void)
{
	struct harness harness = harness_open();
	struct wanted own = {.kind = ANAROS_KIND_GPU_COPY_H2D, .object = 2};
	pthread_t threads[THREADS];

	library = hip_open();
	for (intptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK_EQUAL(harness_count(&harness, own), THREADS * COPIES);
	CHECK_EQUAL(harness_find(&harness, own).bytes, sim_bytes(library, SIM_H2D));
	own.kind = ANAROS_KIND_GPU_COPY_D2H;
	CHECK_EQUAL(harness_count(&harness, own), THREADS * COPIES);
	own.kind = ANAROS_KIND_GPU_SYNC;
	CHECK_EQUAL(harness_count(&harness, own), THREADS);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
