// SPDX-License-Identifier: Apache-2.0
/*
 * Functions of the program that a device library calls. Some libraries call
 * them on a thread of their own, others in the midst of a call: there the
 * program's own device calls are not part of that call, and are recorded.
 *
 * A library is given one of these in place of each such function, and the
 * program's own data as it is: so nothing is allocated, nothing has to be
 * freed, and it may be called as often as the library likes. Where there are
 * more functions than these, the rest is given out as it is: then what they
 * call in the midst of a call is counted as part of it.
 */
#include "core/inject.h"
#include "core/inside.h"
#include "cuda/cuda.h"

#define CALLBACKS 64u

__thread bool anaros_device_inside;

static void *functions[CALLBACKS];

typedef void (*function_type)(uintptr_t, uintptr_t, uintptr_t, uintptr_t);

/* All are passed in registers, so those that it does not have do no harm. */
static void call(unsigned int at, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)
{
	function_type function =
	    (function_type)(uintptr_t)__atomic_load_n(&functions[at], __ATOMIC_RELAXED);
	bool inside = anaros_device_inside;

	anaros_device_inside = false;
	function(a, b, c, d);
	anaros_device_inside = inside;
}

#define EIGHT(each, at)                                                                            \
	each(at##0) each(at##1) each(at##2) each(at##3) each(at##4) each(at##5) each(at##6)        \
	    each(at##7)
/* Octal. */
#define ALL(each)                                                                                  \
	EIGHT(each, 00)                                                                            \
	EIGHT(each, 01)                                                                            \
	EIGHT(each, 02)                                                                            \
	EIGHT(each, 03)                                                                            \
	EIGHT(each, 04)                                                                            \
	EIGHT(each, 05)                                                                            \
	EIGHT(each, 06)                                                                            \
	EIGHT(each, 07)

#define CALLS(at)                                                                                  \
	static void calls_##at(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)                 \
	{                                                                                          \
		call(at, a, b, c, d);                                                              \
	}
ALL(CALLS)

static const function_type callers[CALLBACKS] = {
#define CALLER(at) calls_##at,
    ALL(CALLER)};

void *anaros_device_callback(void *function)
{
	unsigned int start = (unsigned int)(((uintptr_t)function * 0x9e3779b97f4a7c15ull) >> 58);

	if (function == NULL || anaros_cuda_in_shim(function))
		return function;
	anaros_given_out();
	for (unsigned int i = 0; i < CALLBACKS; i++) {
		unsigned int at = (start + i) % CALLBACKS;
		void *held = NULL;

		if (__atomic_compare_exchange_n(&functions[at], &held, function, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
		    held == function)
			return (void *)(uintptr_t)callers[at];
	}
	return function;
}
