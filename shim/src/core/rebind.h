/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that bind past the shim: see rebind.c. */
#ifndef ANAROS_REBIND_H
#define ANAROS_REBIND_H

#include "anaros/inject.h"

/* This thread is about to load one. */
void anaros_deepbind_begins(void);
/* Called where ANAROS_GUARD_REBIND is set: looks, and takes it off. */
void anaros_rebind(void);
/* For a shim that was loaded last: all that are there, and back again. */
void anaros_rebind_all(struct anaros_injection *told) __attribute__((cold));
void anaros_rebind_undo(struct anaros_ejection *told) __attribute__((cold));

#endif
