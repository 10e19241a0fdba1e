// SPDX-License-Identifier: Apache-2.0
/* Description: a thread that ends gives its lane back and seals its chunk. */
#include <pthread.h>

#include "harness.h"

static int fd;

static void *reads(void *tid)
{
	char byte;

	*(uint32_t *)tid = (uint32_t)syscall(SYS_gettid);
	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	return NULL;
}

static void *waits(void *tid)
{
	char byte;
	int fds[2];

	CHECK(pipe(fds) == 0);
	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	__atomic_store_n((uint32_t *)tid, (uint32_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	read(fds[0], &byte, 1);
	return NULL;
}

static void gone(const struct harness *harness, uint32_t tid)
{
	for (uint32_t i = 0; i < harness->shared->lanes_used; i++)
		if (harness->lanes[i].tid == tid)
			CHECK_EQUAL(harness->lanes[i].state, ANAROS_LANE_ENDED);
	for (uint32_t i = 0; i < harness->control->chunk_count; i++)
		if (harness->owners[i] != 0 && harness->chunks[i].records[0].tid == tid)
			CHECK_EQUAL(harness->chunks[i].header.sealed, 1);
}

int main(void)
{
	struct harness harness = harness_open();
	pthread_t thread;
	uint32_t tid;

	fd = harness_file(16);
	CHECK(pthread_create(&thread, NULL, reads, &tid) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	gone(&harness, tid);
	/* Cancelled inside a wrapped call: unwound, and the process lives on. */
	__atomic_store_n(&tid, 0, __ATOMIC_RELEASE);
	CHECK(pthread_create(&thread, NULL, waits, &tid) == 0);
	while (__atomic_load_n(&tid, __ATOMIC_ACQUIRE) == 0)
		usleep(1000);
	harness_until_asleep(tid);
	CHECK(pthread_cancel(thread) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ}), 2);
	return 0;
}
