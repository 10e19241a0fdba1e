/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CUDA driver family. A driver function reaches a program in two ways,
 * and each has a wrapper and a slot for the real function of its own:
 *
 *   next    the program calls the exported name, so without the shim it
 *           would reach the next object that defines it;
 *   found   the program asked dlsym or cuGetProcAddress, and the answer was
 *           this address inside the driver.
 *
 * They differ where a second interposer is loaded; one slot for both would
 * let it skip its turn, or call itself for ever.
 *
 * No wrapper of work calls CUDA: that is not allowed during stream capture,
 * and can deadlock in a callback. (device.c asks for counts, and only
 * where a policy changes the enumeration.)
 */
#ifndef ANAROS_CUDA_H
#define ANAROS_CUDA_H

#include "cuda/hooks.h"
#include "core/device.h"

#define CUDA_SUCCESS                       0
#define CUDA_ERROR_INVALID_DEVICE          101
#define CUDA_ERROR_SHARED_OBJECT_NO_SYMBOL 302

/* What a NULL stream stands for, as the driver numbers it. */
#define CUDA_STREAM_LEGACY     1u
#define CUDA_STREAM_PER_THREAD 2u

enum anaros_cuda_hook {
#define ANAROS_CUDA_ONE(symbol)      ANAROS_CUDA_##symbol,
#define ANAROS_CUDA_TWO(symbol, end) ANAROS_CUDA_##symbol, ANAROS_CUDA_##symbol##end,
	ANAROS_CUDA_HOOKS(ANAROS_CUDA_ONE, ANAROS_CUDA_TWO)
#undef ANAROS_CUDA_ONE
#undef ANAROS_CUDA_TWO
	    ANAROS_CUDA_COUNT
};

extern void *anaros_cuda_next[ANAROS_CUDA_COUNT] __attribute__((visibility("hidden")));
extern void *anaros_cuda_found[ANAROS_CUDA_COUNT] __attribute__((visibility("hidden")));

/* table.c */
void *anaros_cuda_resolve(enum anaros_cuda_hook hook) COLD;
bool anaros_cuda_wraps(const char *symbol);
bool anaros_cuda_may_have(const char *symbol);
void *anaros_cuda_from_dlsym(void *handle, const char *symbol) COLD;
void *anaros_cuda_from_resolver(const char *base, void *function, int version,
				bool per_thread) COLD;

/* The wrapper for what an object holds under this name, NULL: none; of a driver if `function` is.
 */
void *anaros_cuda_wrapper_of(const char *symbol, void *function) COLD;
/* Counts and names what was passed by, and gives it back. */
void *anaros_cuda_pass(const char *name, enum anaros_way way, int version, void *function) COLD;
bool anaros_cuda_in_shim(const void *function) COLD;
void anaros_cuda_note(const struct anaros_call *call, const struct anaros_fields *fields) COLD;

/* object.c: what is returned is good while the driver is loaded. */
/* The driver that an address lies in, or any where it is NULL; false: none. */
bool anaros_cuda_driver_of(const void *address, struct anaros_object *driver) COLD;
void *anaros_cuda_driver_symbol(const char *symbol) COLD;
/* The first object but the shim that exports a function; NULL: none. */
void *anaros_cuda_exporter(const char *symbol) COLD;
/* Where the object lies that has an address. */
bool anaros_cuda_object_of(const void *address, uintptr_t *start, uintptr_t *size) COLD;

/* resolve.c: puts the wrapper in place of what a resolver gave. */
#define ANAROS_CUDA_VERSION_UNTOLD 0
void anaros_cuda_exchange(int result, const char *name, void **function, int version,
			  uint64_t flags, bool twin);

/* runtime.c: what the call of the runtime knows that led to this one. */
struct anaros_cuda_hint {
	const void *function; /* that is launched, as the program names it */
	uint16_t copy_kind;   /* 0: not told */
	const void *caller;   /* for whom the runtime's function is looked up */
};
extern __thread struct anaros_cuda_hint anaros_cuda_hint
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
const char *anaros_cuda_function_name(const void *address) COLD;
void anaros_cuda_remember(const void *address, const char *name);

static inline void *anaros_cuda_real_next(enum anaros_cuda_hook hook)
{
	void *function = __atomic_load_n(&anaros_cuda_next[hook], __ATOMIC_RELAXED);

	return likely(function != NULL) ? function : anaros_cuda_resolve(hook);
}

/* A found wrapper is only handed out after its slot was filled. */
static inline void *anaros_cuda_real_found(enum anaros_cuda_hook hook)
{
	return __atomic_load_n(&anaros_cuda_found[hook], __ATOMIC_RELAXED);
}

#define CUDA_ENTRY(linkage, function, real_of, symbol, parameters, arguments, twin, before, ...)   \
	DEVICE_ENTRY(linkage, function, real_of(ANAROS_CUDA_##symbol),                             \
		     CUDA_ERROR_SHARED_OBJECT_NO_SYMBOL, parameters, arguments, twin, before,      \
		     __VA_ARGS__)

#define CUDA_BOTH(symbol, parameters, arguments, twin, before, ...)                                \
	CUDA_ENTRY(EXPORT, symbol, anaros_cuda_real_next, symbol, parameters, arguments, twin,     \
		   before, __VA_ARGS__)                                                            \
	CUDA_ENTRY(, anaros_found_##symbol, anaros_cuda_real_found, symbol, parameters, arguments, \
		   twin, before, __VA_ARGS__)

/* Expands CUDA_ABI_symbol to parameters and arguments. */
#define CUDA_WITH_ABI(symbol, twin, abi, before, ...)                                              \
	CUDA_BOTH(symbol, abi, twin, before, __VA_ARGS__)

/*
 * The last arguments are what happens after the call: `call`, `result` and
 * the parameters by the names that abi.h has for them.
 */
#define CUDA_WRAP(symbol, ...) CUDA_AROUND(symbol, (void)0, __VA_ARGS__)

/* A function and its per-thread-default-stream twin. */
#define CUDA_PAIR(symbol, suffix, ...) CUDA_PAIR_AROUND(symbol, suffix, (void)0, __VA_ARGS__)

/* For what a call overwrites, or is not given as it is: before it, if it will be recorded. */
#define CUDA_AROUND(symbol, before, ...)                                                           \
	CUDA_WITH_ABI(symbol, 0, CUDA_ABI_##symbol, before, __VA_ARGS__)
#define CUDA_PAIR_AROUND(symbol, suffix, before, ...)                                              \
	CUDA_WITH_ABI(symbol, 0, CUDA_ABI_##symbol, before, __VA_ARGS__)                           \
	CUDA_WITH_ABI(symbol##suffix, 1, CUDA_ABI_##symbol, before, __VA_ARGS__)

#define CUDA_RECORD(...)                                                                           \
	anaros_cuda_record(&call, &(struct anaros_fields){.status = result, __VA_ARGS__})

/*
 * The same for launches, of which a program makes most: written in each of
 * them, so that what is known there is not put into memory and read again.
 */
#define CUDA_RECORD_HERE(...)                                                                      \
	anaros_cuda_record_here(&call, &(struct anaros_fields){.status = result, __VA_ARGS__})

/* The same for calls that are rare or slow: not worth a copy of the code each. */
#define CUDA_NOTE(...)                                                                             \
	anaros_cuda_note(&call, &(struct anaros_fields){.status = result, __VA_ARGS__})

/* What the call put there, if it did. */
#define CUDA_OUT(pointer) (result == CUDA_SUCCESS && (pointer) != NULL ? *(pointer) : 0)

/* Which stream; 0 would mean the device. */
#define CUDA_STREAM(stream)                                                                        \
	((stream) != NULL ? (uint64_t)(uintptr_t)(stream)                                          \
			  : (PER_THREAD ? CUDA_STREAM_PER_THREAD : CUDA_STREAM_LEGACY))

/* array.c: of an element of an array; 1 where it is not known. */
uint64_t anaros_cuda_element_bytes(const void *array);
void anaros_cuda_array_made(uint64_t handle, uint64_t element_bytes);
/* Of a channel; 0: a format in blocks or planes, where it is no whole number. */
uint64_t anaros_cuda_format_bytes(unsigned int format);

static inline uint64_t anaros_cuda_threads(const unsigned int *grid, const unsigned int *block)
{
	return (uint64_t)grid[0] * grid[1] * grid[2] * block[0] * block[1] * block[2];
}

/*
 * module.c: names a kernel by the function that the runtime was given,
 * unless it was the last of its slot that got a name.
 */
#define CUDA_NAMED 1024u
extern uint64_t anaros_cuda_named[CUDA_NAMED] __attribute__((visibility("hidden")));
void anaros_cuda_name_launched(const void *kernel) COLD;
/* A kernel that the program has got without launching it. */
void anaros_cuda_name_function(const void *handle, const char *name) COLD;

static inline uint64_t *anaros_cuda_named_slot(uint64_t handle)
{
	return &anaros_cuda_named[(handle * 0x9e3779b97f4a7c15ull) >> 54];
}

static inline void anaros_cuda_launched(const void *kernel)
{
	uint64_t handle = (uintptr_t)kernel;

	if (unlikely(anaros_cuda_hint.function != NULL) &&
	    unlikely(__atomic_load_n(anaros_cuda_named_slot(handle), __ATOMIC_RELAXED) != handle))
		anaros_cuda_name_launched(kernel);
}

/* capture.c: streams in capture, where a call records and does not run. */
extern uint32_t anaros_cuda_captures __attribute__((visibility("hidden")));
bool anaros_cuda_captured(uint64_t handle) COLD;
void anaros_cuda_capture_begins(int result, uint64_t stream);
/* It is over even where the driver says that it went wrong. */
void anaros_cuda_capture_ends(uint64_t stream);
/* What was done on one member of a capture makes the other one a member. */
void anaros_cuda_joins(int result, uint64_t joining, uint64_t member);

static inline uint16_t anaros_cuda_flags(uint64_t stream, uint16_t flags)
{
	if (unlikely(__atomic_load_n(&anaros_cuda_captures, __ATOMIC_RELAXED) != 0) &&
	    anaros_cuda_captured(stream))
		flags |= ANAROS_FLAG_CAPTURE;
	return flags;
}

#define CUDA_FLAGS(stream, flags) anaros_cuda_flags(CUDA_STREAM(stream), (flags))

/* Counts what goes into a graph as a node of it. */
void anaros_cuda_put_in_graph(const struct anaros_fields *fields) COLD;

/*
 * A function of the program that a stream calls. In a capture it goes into the
 * graph, which the program may ask for it: there it stays as it is.
 */
#define CUDA_CALLED(stream, function)                                                              \
	((CUDA_FLAGS(stream, 0) & ANAROS_FLAG_CAPTURE) != 0 ? (function)                           \
							    : ANAROS_CALLBACK(function))

INLINE void anaros_cuda_record_here(const struct anaros_call *call,
				    const struct anaros_fields *fields)
{
	if (unlikely((fields->flags & ANAROS_FLAG_CAPTURE) != 0)) {
		struct anaros_fields node = *fields;

		anaros_cuda_put_in_graph(&node);
	}
	anaros_record_here(anaros_thread.tid, call->start_ns, anaros_now_ns(), fields);
}

static inline void anaros_cuda_record(const struct anaros_call *call,
				      const struct anaros_fields *fields)
{
	anaros_cuda_record_here(call, fields);
}

#endif
