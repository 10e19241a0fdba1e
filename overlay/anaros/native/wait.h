/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANAROS_NATIVE_WAIT_H
#define ANAROS_NATIVE_WAIT_H

#include <stdint.h>

#include "anaros/switch.h"

/* What the thread of a slot slept in. */
enum anaros_wait anaros_wait_of(const struct anaros_switch *slot);

/* The same with the number of the system call, as sched.offcpu holds it. */
uint64_t anaros_wait_word(enum anaros_wait wait, const struct anaros_switch *slot);

#endif
