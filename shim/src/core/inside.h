/* SPDX-License-Identifier: Apache-2.0 */
/* One device library at work for another: see docs/devices.md. */
#ifndef ANAROS_INSIDE_H
#define ANAROS_INSIDE_H

#include <stdbool.h>

#include "core/shim.h"

/*
 * In a call that is recorded, or that we ourselves make for a record: what it
 * calls of any family is part of it. While a function of the program runs that
 * the library was given, it is false again: see callback.c.
 */
extern __thread bool anaros_device_inside
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* False: a library calls on behalf of a call that is recorded. That is counted, and passes. */
static inline bool anaros_device_outermost(void)
{
	if (likely(!anaros_device_inside))
		return true;
	__atomic_fetch_add(&anaros_shared->device_calls_beneath, 1, __ATOMIC_RELAXED);
	return false;
}

/*
 * callback.c: what to give to a library in place of a function of the program
 * that it may call in the midst of a call, with up to four arguments that are
 * no more than pointers; NULL for NULL. Not for a function that the program
 * can ask for again.
 */
void *anaros_device_callback(void *function) COLD;

#define ANAROS_CALLBACK(function)                                                                  \
	((__typeof__(function))(uintptr_t)anaros_device_callback((void *)(uintptr_t)(function)))

#endif
