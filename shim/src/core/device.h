/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the families of device functions share: the wrapper of a call, which
 * CUDA has too, and of those that one library exports, HIP and Level Zero, the
 * rest. As in cuda/cuda.h a function has two wrappers and two slots for the
 * real one: `next` is what the program reaches by the exported name, `found`
 * is what it was given by dlsym, by a resolver or in a table.
 *
 * One such library may stand on another, HIP on Level Zero, OpenCL or CUDA for
 * one, or come back to its own exported names. Only the outermost call is
 * recorded: it is what the program asked for.
 */
#ifndef ANAROS_DEVICE_H
#define ANAROS_DEVICE_H

#include "core/inside.h"
#include "core/object.h"
#include "core/shim.h"

/* What is known of a family; all of it is written once, by the linker. */
struct anaros_family {
	const char *names;       /* one text: nothing to relocate at start */
	const uint16_t *offsets; /* of the names in it, sorted by name */
	const uint16_t *hooks;   /* of the same names; from hook_count on: passed on purpose */
	uint16_t count;
	uint16_t hook_count;
	void **next;
	void **found;
	int (*const *wrappers)(void); /* NULL: given out as it is */
	/* The object that exports both is the library. */
	const char *mark[2];
};

extern const struct anaros_family anaros_hip __attribute__((visibility("hidden")));
extern const struct anaros_family anaros_level_zero __attribute__((visibility("hidden")));

/* device_library.c */
/*
 * Whether a slot is this function's now. One that holds another function keeps
 * it for as long as that is loaded: two answers for one name mean a second
 * interposer or library, and each keeps its own way.
 */
bool anaros_device_claim(void **slot, void *function) COLD;
void *anaros_device_resolve(const struct anaros_family *family, unsigned int hook) COLD;
/* The family whose functions are named like this; NULL: none. */
const struct anaros_family *anaros_device_family(const char *name);
bool anaros_device_wraps(const struct anaros_family *family, const char *name) COLD;
/*
 * The wrapper for what an object holds under this name, which is NULL where
 * that is not bound yet; NULL: none can stand for it.
 */
void *anaros_device_wrapper_of(const struct anaros_family *family, const char *name,
			       void *function) COLD;
bool anaros_device_is_library(const struct anaros_object *object) COLD;
/* Whether an address lies in an object that exports a function. */
bool anaros_device_exports(const void *address, const char *name) COLD;
void *anaros_device_from_dlsym(void *handle, const char *name) COLD;
/*
 * What to give out for a function that a resolver or a table gave. A second
 * name, or NULL, is of its twin; the function itself tells which of them it is.
 */
void *anaros_device_exchange(const struct anaros_family *family, const char *name, const char *twin,
			     void *function) COLD;
/* Sends the name of a kernel once. */
void anaros_device_name(uint64_t handle, const char *name) COLD;
void anaros_device_note(const struct anaros_call *call, const struct anaros_fields *fields) COLD;

/*
 * `before` is what is done before a call that will be recorded, the last
 * arguments are what happens after it.
 */
#define DEVICE_ENTRY(linkage, entry, real_function, missing, parameters, arguments, twin, before,  \
		     ...)                                                                          \
	linkage int entry parameters;                                                              \
	linkage int entry parameters                                                               \
	{                                                                                          \
		int(*real) parameters = (__typeof__(real))(real_function);                         \
		enum { PER_THREAD = (twin) };                                                      \
		struct anaros_call call;                                                           \
		int result;                                                                        \
                                                                                                   \
		if (unlikely(real == NULL))                                                        \
			return (missing);                                                          \
		if (!anaros_device_outermost() || !anaros_enter(&call))                            \
			return real arguments;                                                     \
		before;                                                                            \
		anaros_device_inside = true;                                                       \
		result = real arguments;                                                           \
		anaros_device_inside = false;                                                      \
		__VA_ARGS__;                                                                       \
		return result;                                                                     \
	}

#define DEVICE_RECORD(...)                                                                         \
	anaros_record(&call, &(struct anaros_fields){.status = result, __VA_ARGS__})
/* For calls that are rare or slow: not worth a copy of the code each. */
#define DEVICE_NOTE(...)                                                                           \
	anaros_device_note(&call, &(struct anaros_fields){.status = result, __VA_ARGS__})

/* What the call put there, if it did. */
#define DEVICE_OUT(pointer) (result == 0 && (pointer) != NULL ? *(pointer) : 0)

#endif
