/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every wrapper is made of:
 *
 *	struct anaros_call call;
 *	ssize_t result;
 *
 *	if (!anaros_enter(&call))
 *		return REAL(pread)(fd, buffer, size, offset);
 *	result = REAL(pread)(fd, buffer, size, offset);
 *	anaros_done_io(&call, ANAROS_KIND_FILE_READ, fd, result, buffer);
 *	return result;
 *
 * enter() tells whether this thread may record now and takes the start time.
 * Nothing here calls libc or changes errno, so the errno of the real call
 * reaches the caller untouched; what must call libc saves and restores it.
 */
#ifndef ANAROS_SHIM_H
#define ANAROS_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "anaros/control.h"
#include "anaros/kinds.h"
#include "anaros/record.h"
#include "core/lock.h"
#include "libc/hooks.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define EXPORT      __attribute__((visibility("default")))
#define COLD        __attribute__((cold, noinline))
#define INLINE      static inline __attribute__((always_inline))

/*
 * One for each thread, in the initial-exec TLS block: a preload library is
 * loaded at start, so the space is there, and an access costs one load.
 * `epoch` starts as a value that no process has.
 */
struct anaros_thread {
	struct anaros_record *cursor;      /* the next record to fill */
	struct anaros_record *limit;       /* end of the chunk */
	struct anaros_chunk_header *chunk; /* NULL: none held */
	struct anaros_lane *lane;          /* NULL: none held */
	uint32_t epoch;                    /* process->epoch when attached */
	uint32_t tid;
	uint32_t guard; /* ANAROS_GUARD_*; 0 = may record */
	uint32_t pid;
};

enum anaros_guard {
	ANAROS_GUARD_BUSY = 1,    /* inside the shim: a signal handler interrupted it */
	ANAROS_GUARD_VFORK = 2,   /* vfork was called: who are we? */
	ANAROS_GUARD_RUNTIME = 4, /* inside a runtime call that reaches a driver call */
	ANAROS_GUARD_REBIND = 8,  /* a library was loaded past the shim: see rebind.c */
	ANAROS_GUARD_SCAN = 16,   /* slots of objects are being changed */
};

/*
 * Lies in a page with MADV_WIPEONFORK: a child made by any kind of fork, raw
 * clone included, finds zeros here and so leaves the fast path.
 */
struct anaros_process {
	uint32_t epoch; /* the pid; 0 = not attached */
	uint32_t pid;
	uint32_t locks[ANAROS_LOCK_COUNT];
};

extern __thread struct anaros_thread anaros_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
extern struct anaros_process *anaros_process __attribute__((visibility("hidden")));
extern const struct anaros_control *anaros_control __attribute__((visibility("hidden")));
extern struct anaros_shared *anaros_shared __attribute__((visibility("hidden")));

/* arena.c */
bool anaros_enter_slow(void) COLD;
bool anaros_more_room(uint32_t records) COLD;
void anaros_count_drop(void) COLD;
void anaros_leave_thread(void);
/* init.c */
void anaros_init(void);
void anaros_init_off(void) COLD;
void anaros_announce(void) COLD;
const char *anaros_library_path(void); /* as LD_PRELOAD should name it; "" = none */
/* resolve.c */
void *anaros_resolve(enum anaros_hook hook) COLD;
void anaros_resolve_all(void);
/* For a shim that was loaded last: what the program reaches is what the global scope has. */
void anaros_resolve_anew(void) COLD;
void *anaros_real_dlsym(void *handle, const char *name);
/* scope.c: whether an object would find a name without the shim. */
bool anaros_scope_has(const char *name, const void *address) COLD;
/* What the program would reach without the shim: another interposer's, or the C library's. */
void *anaros_behind(const char *name, void **next, void **kept);
void *anaros_next_dlsym(void *handle, const char *name);
/* Of the C library, by version; what was found is kept. NULL: it has none. */
void *anaros_versioned(const char *name, void **kept) COLD;
/*
 * What the wrapper of this name calls; NULL: it has none, or not one for all
 * callers. Asks nothing of the loader: it may hold its lock.
 */
void *anaros_real_named(const char *name) COLD;
/* The C library's, known from the first call of each, and before a deep binding. */
extern void *anaros_kept_dlsym __attribute__((visibility("hidden")));
extern void *anaros_kept_dlopen __attribute__((visibility("hidden")));
/* unload.c: before something is loaded, which may lie where something was. */
void anaros_forget_unloaded(void);
/* names.c */
void anaros_name(uint16_t name_class, uint64_t object, const void *text, size_t size);
/* True once for each pair: the caller sends the name. False: it is known. */
bool anaros_name_is_new(uint64_t object, uint64_t text_hash);

extern void *anaros_real_table[ANAROS_HOOK_COUNT] __attribute__((visibility("hidden")));

static inline void *anaros_real(enum anaros_hook hook)
{
	void *function = __atomic_load_n(&anaros_real_table[hook], __ATOMIC_RELAXED);

	return likely(function != NULL) ? function : anaros_resolve(hook);
}

/* The function that the caller would have reached without us. */
#define REAL(name) ((__typeof__(&name))anaros_real(ANAROS_HOOK_##name))

/* A LATER hook on a glibc that lacks it answers as that kernel would. */
#define REQUIRE(name)                                                                              \
	do {                                                                                       \
		if (unlikely(anaros_real(ANAROS_HOOK_##name) == NULL)) {                           \
			errno = ENOSYS;                                                            \
			return -1;                                                                 \
		}                                                                                  \
	} while (0)

struct anaros_call {
	uint64_t start_ns;
};

static inline uint64_t anaros_vdso_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t anaros_now_ns(void)
{
#if defined(__x86_64__)
	const struct anaros_clock *clock = &anaros_control->clock;
	uint64_t sequence, ns, mult;

	do {
		const struct anaros_clock_line *line;

		sequence = __atomic_load_n(&clock->sequence, __ATOMIC_ACQUIRE);
		line = &clock->line[sequence & 1];
		mult = line->mult;
		if (unlikely(mult == 0))
			return anaros_vdso_ns();
		/* Signed: another CPU may have taken the base a moment later. */
		ns = line->base_ns +
		     (uint64_t)((__int128)(int64_t)(__rdtsc() - line->base_tsc) * (int64_t)mult >>
				32);
		/* Torn only if the writer came round twice meanwhile. */
	} while (unlikely(__atomic_load_n(&clock->sequence, __ATOMIC_ACQUIRE) - sequence > 1));
	return ns;
#else
	return anaros_vdso_ns();
#endif
}

/* Whether this thread may record; false is the whole cost of being off. */
static inline bool anaros_may_record(void)
{
	struct anaros_thread *thread = &anaros_thread;

	if (unlikely((thread->epoch ^ anaros_process->epoch) | thread->guard))
		return anaros_enter_slow();
	return likely(anaros_control->recording != 0);
}

static inline bool anaros_enter(struct anaros_call *call)
{
	if (!anaros_may_record())
		return false;
	/* The drain has read what lies there: the line comes back during the call. */
	__builtin_prefetch(anaros_thread.cursor, 1);
	call->start_ns = anaros_now_ns();
	return true;
}

struct anaros_fields {
	uint16_t kind;
	uint16_t flags;
	int32_t status;
	uint64_t object;
	uint64_t size_bytes;
	uint64_t address;
	uint64_t context;
};

/*
 * Publishes one record, of this thread or of another that it is about. The
 * guard keeps a signal handler that comes while the record is half written
 * from writing into the same slot: its own record is counted as dropped
 * instead. Only compiler barriers: guard and cursor are this thread's own.
 */
INLINE void anaros_record_here(uint32_t tid, uint64_t start_ns, uint64_t end_ns,
			       const struct anaros_fields *fields)
{
	struct anaros_thread *thread = &anaros_thread;
	struct anaros_record *record;

	/* The epoch differs where a handler forked and returned in the child. */
	if (unlikely((thread->epoch ^ anaros_process->epoch) |
		     (thread->guard & ANAROS_GUARD_BUSY))) {
		anaros_count_drop();
		return;
	}
	thread->guard |= ANAROS_GUARD_BUSY;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(thread->cursor == thread->limit) && !anaros_more_room(1))
		goto out;
	record = thread->cursor;
	record->start_ns = start_ns;
	record->duration_ns = end_ns - start_ns;
	record->pid = thread->pid;
	record->tid = tid;
	record->kind = fields->kind;
	record->flags = fields->flags;
	record->status = fields->status;
	record->object = fields->object;
	record->size_bytes = fields->size_bytes;
	record->address = fields->address;
	record->context = fields->context;
	thread->cursor = record + 1;
	/* Release: whoever sees the count sees the record, even after SIGKILL. */
	__atomic_store_n(&thread->chunk->committed, thread->chunk->committed + 1, __ATOMIC_RELEASE);
out:
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->guard &= ~(uint32_t)ANAROS_GUARD_BUSY;
}

static inline void anaros_record_of(uint32_t tid, uint64_t start_ns, uint64_t end_ns,
				    const struct anaros_fields *fields)
{
	anaros_record_here(tid, start_ns, end_ns, fields);
}

static inline void anaros_record_at(uint64_t start_ns, uint64_t end_ns,
				    const struct anaros_fields *fields)
{
	anaros_record_of(anaros_thread.tid, start_ns, end_ns, fields);
}

static inline void anaros_record(const struct anaros_call *call, const struct anaros_fields *fields)
{
	anaros_record_at(call->start_ns, anaros_now_ns(), fields);
}

/* -errno of a call that failed with -1, else 0. */
static inline int32_t anaros_status(long result)
{
	return result < 0 ? -errno : 0;
}

/*
 * The shape of a wrapper that only looks on: parameters with their types, the
 * arguments, and the expression that records `result`, where `call` has the
 * start. It must leave errno alone.
 */
#define WRAPPER(require, wanted, type, name, parameters, arguments, record)                        \
	EXPORT type name parameters                                                                \
	{                                                                                          \
		struct anaros_call call;                                                           \
		type result;                                                                       \
                                                                                                   \
		require;                                                                           \
		if (!(wanted) || !anaros_enter(&call))                                             \
			return REAL(name) arguments;                                               \
		result = REAL(name) arguments;                                                     \
		record;                                                                            \
		return result;                                                                     \
	}
#define WRAP(type, name, parameters, arguments, record)                                            \
	WRAPPER((void)0, true, type, name, parameters, arguments, record)
#define WRAP_IF(wanted, type, name, parameters, arguments, record)                                 \
	WRAPPER((void)0, wanted, type, name, parameters, arguments, record)
/* For LATER hooks. */
#define WRAP_LATER(type, name, parameters, arguments, record)                                      \
	WRAPPER(REQUIRE(name), true, type, name, parameters, arguments, record)

#endif
