/* SPDX-License-Identifier: Apache-2.0 */
/* The shim in a process that ran already: see inject.c. */
#ifndef ANAROS_CORE_INJECT_H
#define ANAROS_CORE_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "anaros/inject.h"

/* Loaded later, and at work: it lies in no scope that the program's objects search. */
extern uint32_t anaros_injected __attribute__((visibility("hidden")));
/* Keeps what a slot held; false: there is no room, it must not be changed. */
bool anaros_slot_note(void **slot, void *held, void *wrapper) __attribute__((cold));
/* What a slot held that has `wrapper` now; NULL: not by us. */
void *anaros_slot_held(void **slot, const void *wrapper) __attribute__((cold));
/* The program has the address of a wrapper, other than in a slot. */
void anaros_given_out(void) __attribute__((cold));

#endif
