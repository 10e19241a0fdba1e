/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries that are loaded with RTLD_DEEPBIND: see rebind.c. */
#ifndef ANAROS_REBIND_H
#define ANAROS_REBIND_H

/* This thread is about to load one. */
void anaros_deepbind_begins(void);
/* Called where ANAROS_GUARD_REBIND is set: looks, and takes it off. */
void anaros_rebind(void);

#endif
