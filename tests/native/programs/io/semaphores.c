// SPDX-License-Identifier: Apache-2.0
/* Description: a post that wakes a sleeper, and its wait, share the address. */
#include <pthread.h>
#include <semaphore.h>

#include "harness.h"

static sem_t semaphore;

static void *waits(void *tid)
{
	__atomic_store_n((uint32_t *)tid, (uint32_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	CHECK(sem_wait(&semaphore) == 0);
	return NULL;
}

int main(void)
{
	struct harness harness = harness_open();
	struct wanted wake = {
	    .kind = ANAROS_KIND_SYNC_WAKE, .address = 0, .object = (uintptr_t)&semaphore};
	struct wanted wait = {.kind = ANAROS_KIND_SYNC_WAIT, .object = (uintptr_t)&semaphore};
	struct anaros_record woke, waited;
	pthread_t thread;
	uint32_t tid = 0;

	CHECK(sem_init(&semaphore, 0, 0) == 0);
	/* Nobody sleeps: neither the post nor the wait is worth a record. */
	CHECK(sem_post(&semaphore) == 0);
	CHECK(sem_wait(&semaphore) == 0);
	CHECK_EQUAL(harness_count(&harness, wake) + harness_count(&harness, wait), 0);
	CHECK(pthread_create(&thread, NULL, waits, &tid) == 0);
	while (__atomic_load_n(&tid, __ATOMIC_ACQUIRE) == 0)
		usleep(1000);
	harness_until_asleep(tid);
	usleep(50000);
	CHECK(sem_post(&semaphore) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_EQUAL(harness_count(&harness, wake), 1);
	CHECK_EQUAL(harness_count(&harness, wait), 1);
	woke = harness_find(&harness, wake).last;
	waited = harness_find(&harness, wait).last;
	CHECK_EQUAL(woke.tid, (uint32_t)syscall(SYS_gettid));
	CHECK_EQUAL(waited.tid, tid);
	CHECK(waited.duration_ns > 20000000);
	CHECK(waited.start_ns + waited.duration_ns >= woke.start_ns);
	return 0;
}
