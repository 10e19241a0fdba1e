/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks that are held for a few instructions. Nobody waits for one without
 * end: whoever holds it may have been stopped. Who does not get it leaves
 * out what it was for, and says so where that changes what is told.
 */
#ifndef ANAROS_LOCK_H
#define ANAROS_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sys.h"

#define ANAROS_LOCK_TRIES 200u

/* For the path of each call: false after some microseconds. */
static inline bool anaros_lock_soon(uint32_t *word)
{
	for (uint32_t i = 0; i < ANAROS_LOCK_TRIES; i++) {
		if (!__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
			return true;
		if (i > ANAROS_LOCK_TRIES / 2)
			SYS3(SYS_sched_yield, 0, 0, 0);
	}
	return false;
}

static inline void anaros_unlock(uint32_t *word)
{
	__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

/*
 * The locks of the tables. They lie in the page that a child of fork finds
 * empty: there who held one is a thread that the child does not have. So a
 * table is written in an order in which a half of it does no harm.
 */
enum anaros_lock {
	ANAROS_LOCK_SPANS,
	ANAROS_LOCK_OPENCL_SITES,
	ANAROS_LOCK_OPENCL_FOUND,
	ANAROS_LOCK_CUDA_CAPTURES,
	ANAROS_LOCK_CUDA_CALLERS,
	ANAROS_LOCK_COUNT
};

/* For what is rare: waits for some milliseconds. NULL: it is still held; else give it back. */
uint32_t *anaros_lock(enum anaros_lock lock) __attribute__((cold, noinline));

#endif
