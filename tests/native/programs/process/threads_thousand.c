// SPDX-License-Identifier: Apache-2.0
/* Description: 1,000 threads at once, every call of each is recorded once. */
#include <pthread.h>

#include "harness.h"

#define THREADS 1000
#define CALLS   20

static int fd;
static pthread_barrier_t barrier;

static void *reads(void *unused)
{
	char byte;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < CALLS; i++)
		CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	pthread_barrier_wait(&barrier);
	return unused;
}

int main(void)
{
	struct harness harness = harness_open();
	pthread_t threads[THREADS];
	pthread_attr_t small;

	fd = harness_file(16);
	pthread_barrier_init(&barrier, NULL, THREADS);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], &small, reads, NULL) != 0)
			harness_skip("this machine does not allow 1,000 threads");
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ}),
		    THREADS * CALLS);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
