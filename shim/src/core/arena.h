/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANAROS_ARENA_H
#define ANAROS_ARENA_H

#include "anaros/control.h"

/* Takes the mapped arena into use; `control` is the read-only mapping. */
void anaros_arena_attach(const struct anaros_control *control, void *base, uint64_t pid_namespace);
/* A forked child may be in another one than its parent. */
void anaros_arena_in(uint64_t pid_namespace);
/* Ends the lanes that an exec of this pid left behind. */
void anaros_arena_end_lanes_of(uint32_t pid);
/* Nothing is recorded from here on; who is in the midst of it writes where nobody reads. */
void anaros_arena_empty(void);
void anaros_arena_where(uint64_t *start, uint64_t *bytes);
/* Nobody is in the midst of it. */
void anaros_arena_gone(void);

#endif
