// SPDX-License-Identifier: Apache-2.0
/*
 * Semaphores that a thread really slept on. CPython's locks are semaphores,
 * and its queues hand work from thread to thread by posting one: the address
 * joins the thread that posted to the thread that woke.
 */
#define _GNU_SOURCE
#include <semaphore.h>

#include "core/shim.h"

/*
 * A post is worth a record when somebody sleeps. glibc keeps the number of
 * sleepers in the upper half of the semaphore's first 64 bits (since 2.21);
 * elsewhere every post is recorded.
 */
static bool has_sleepers(const sem_t *semaphore)
{
#if defined(__GLIBC__) && __SIZEOF_POINTER__ == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const uint64_t *word = (const uint64_t *)(const void *)semaphore;

	return __atomic_load_n(word, __ATOMIC_RELAXED) >> 32 != 0;
#else
	(void)semaphore;
	return true;
#endif
}

/* The semaphore may be gone after the call: only its address is used. */
static void used(const struct anaros_call *call, uint16_t kind, const sem_t *semaphore, int result)
{
	anaros_record(call, &(struct anaros_fields){
				.kind = kind,
				.status = anaros_status(result),
				.object = (uintptr_t)semaphore,
			    });
}

WRAP_IF(has_sleepers(semaphore), int, sem_post, (sem_t * semaphore), (semaphore),
	used(&call, ANAROS_KIND_SYNC_WAKE, semaphore, result))

/* Value 0: the call would sleep. Above: it would not, so no record. */
static bool would_sleep(const sem_t *semaphore)
{
	return __atomic_load_n((const uint32_t *)(const void *)semaphore, __ATOMIC_RELAXED) == 0;
}

#define SLEEP(name, parameters, arguments)                                                         \
	WRAPPER(REQUIRE(name), would_sleep(semaphore), int, name, parameters, arguments,           \
		used(&call, ANAROS_KIND_SYNC_WAIT, semaphore, result))

SLEEP(sem_wait, (sem_t * semaphore), (semaphore))
SLEEP(sem_timedwait, (sem_t *restrict semaphore, const struct timespec *restrict until),
      (semaphore, until))
SLEEP(sem_clockwait,
      (sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until),
      (semaphore, clock, until))
