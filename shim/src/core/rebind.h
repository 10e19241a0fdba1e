/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that bind past the shim: see rebind.c. */
#ifndef ANAROS_REBIND_H
#define ANAROS_REBIND_H

#include <elf.h>

#include "anaros/inject.h"
#include "core/object.h"

#if defined(__x86_64__)
#define ANAROS_IS_SLOT(type)    ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#define ANAROS_IS_POINTER(type) ((type) == R_X86_64_64)
#else
#define ANAROS_IS_SLOT(type)    ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#define ANAROS_IS_POINTER(type) ((type) == R_AARCH64_ABS64)
#endif

/* This thread is about to load one; deep: past us. */
void anaros_load_begins(bool deep);
/* Called where ANAROS_GUARD_REBIND is set: looks, and takes it off. */
void anaros_rebind(void);
/* False: the sandbox forbids it, or another thread was there first. */
bool anaros_write_slot(const struct anaros_object *object, void **slot, void *held, void *function);
/* weak.c: of all objects from this one on. */
void anaros_weak_clear(uint32_t first);
/* For a shim that was loaded last: all that are there, and back again. */
void anaros_rebind_all(struct anaros_injection *told) __attribute__((cold));
void anaros_rebind_undo(struct anaros_ejection *told) __attribute__((cold));

#endif
