/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said between the supervisor and a shim that was loaded into a
 * process that ran already. The supervisor lays one of these on the stack of
 * the thread that it borrows, and reads it back after the call.
 */
#ifndef ANAROS_INJECT_H
#define ANAROS_INJECT_H

#include "anaros/record.h"

/* anaros_inject: records from now on. */
struct anaros_injection {
	anaros_u32 recording;     /* 0: the arena was not found, nothing was changed */
	anaros_u32 slots;         /* changed */
	anaros_u32 slots_refused; /* that could not be written, or not noted */
	anaros_u32 pointers;      /* addresses of wrapped functions in the data of objects */
	anaros_u64 handle;        /* for dlclose */
};

/* anaros_eject: nothing is recorded any more, and nobody new comes in. */
struct anaros_ejection {
	anaros_u32 restored;  /* slots that hold again what they held */
	anaros_u32 gone;      /* slots whose library was unloaded, or that others changed */
	anaros_u32 left;      /* slots that lead into the shim still */
	anaros_u32 given_out; /* 1: the program has addresses of wrappers that stay with it */
	anaros_u64 notes;     /* struct anaros_slot_note[count], until the arena is given back */
	anaros_u64 count;
	anaros_u64 arena; /* where it lay; empty now */
	anaros_u64 arena_bytes;
	anaros_u64 handle; /* for dlclose */
};

struct anaros_slot_note {
	anaros_u64 slot;
	anaros_u64 held; /* before */
	anaros_u64 wrapper;
};

#endif
