/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device time from CUPTI: what of its ABI we use. The library is never linked
 * and its headers are not needed to build.
 *
 * From CUDA 12.0 on a record only grew at its end: what stands here lies where
 * it lay, and the walk from record to record is the library's own. A major
 * version that was not looked at is left alone.
 */
#ifndef ANAROS_CUPTI_H
#define ANAROS_CUPTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/shim.h"
#include "cupti/hooks.h"

/* A count up to CUDA 12, of which 19 is the first; from 13.0 on it is as 130500. */
#define CUPTI_OLDEST    19u
#define CUPTI_COUNTED   100u
#define CUPTI_13        130000u
#define CUPTI_TOO_NEW   140000u
#define CUPTI_SEAT_HELD 39 /* there may be one subscriber */

static inline bool cupti_is_known(uint32_t version)
{
	return (version >= CUPTI_OLDEST && version < CUPTI_COUNTED) ||
	       (version >= CUPTI_13 && version < CUPTI_TOO_NEW);
}

enum cupti_activity {
	CUPTI_MEMCPY = 1,
	CUPTI_MEMSET = 2,
	CUPTI_KERNEL = 3,
	CUPTI_DRIVER = 4,
	CUPTI_RUNTIME = 5,
	CUPTI_CONCURRENT_KERNEL = 10,
	CUPTI_MEMCPY_PEER = 22,
	CUPTI_MANAGED = 25,
};

enum cupti_domain { CUPTI_DOMAIN_DRIVER = 1, CUPTI_DOMAIN_RUNTIME = 2 };
enum cupti_site { CUPTI_ENTER = 0, CUPTI_EXIT = 1 };
enum cupti_memory { CUPTI_PINNED = 2 };
/* Counters of managed memory that are moves. */
enum cupti_counter { CUPTI_TO_DEVICE = 1, CUPTI_TO_HOST = 2, CUPTI_BETWEEN_DEVICES = 8 };

/* The heads of the records, as far as they are read. */
struct cupti_kernel {
	uint32_t kind;
	uint32_t skipped0[3];
	uint64_t start, end;
	uint32_t skipped1[2];
	uint32_t device, context, stream;
	int32_t grid[3], block[3];
	uint32_t skipped2[4];
	uint32_t correlation;
	uint64_t grid_id;
	const char *name;
};

struct cupti_copy {
	uint32_t kind;
	uint8_t copy_kind, from, to, flags;
	uint64_t bytes, start, end;
	uint32_t device, context, stream;
	uint32_t correlation, runtime_correlation;
};

struct cupti_copy_peer {
	struct cupti_copy head; /* its correlations are devices */
	uint32_t skipped;
	uint32_t correlation;
};

struct cupti_fill {
	uint32_t kind, value;
	uint64_t bytes, start, end;
	uint32_t device, context, stream, correlation;
};

struct cupti_api {
	uint32_t kind, callback;
	uint64_t start, end;
	uint32_t pid, tid, correlation, result;
};

struct cupti_move {
	uint32_t kind, counter;
	uint64_t bytes, start, end, address;
	uint32_t from, to; /* devices, UINT32_MAX the host */
};

_Static_assert(offsetof(struct cupti_kernel, start) == 16, "kernel");
_Static_assert(offsetof(struct cupti_kernel, stream) == 48, "kernel");
_Static_assert(offsetof(struct cupti_kernel, correlation) == 92, "kernel");
_Static_assert(offsetof(struct cupti_kernel, name) == 104, "kernel");
_Static_assert(offsetof(struct cupti_copy, correlation) == 44, "copy");
_Static_assert(offsetof(struct cupti_copy_peer, correlation) == 60, "copy between devices");
_Static_assert(offsetof(struct cupti_fill, correlation) == 44, "fill");
_Static_assert(offsetof(struct cupti_api, correlation) == 32, "call");
_Static_assert(offsetof(struct cupti_move, to) == 44, "managed memory");

/* How the seat is taken with a name: what 13.0 has, and later ones take too. */
struct cupti_subscription {
	size_t bytes;
	const char *name;
	char *holder;
	size_t holder_bytes;
};

struct cupti_counter_config {
	uint32_t scope, counter, device, enable;
};

#define CUPTI_ALL_DEVICES 2

/* REQUIRED(name, parameters), or OPTIONAL for what not every version has. */
#define CUPTI_FUNCTIONS(REQUIRED, OPTIONAL)                                                        \
	REQUIRED(GetVersion, (uint32_t *))                                                         \
	REQUIRED(Subscribe, (void **, void (*)(void *, int, uint32_t, const void *), void *))      \
	REQUIRED(Unsubscribe, (void *))                                                            \
	REQUIRED(EnableDomain, (uint32_t, void *, int))                                            \
	REQUIRED(Finalize, (void))                                                                 \
	REQUIRED(GetTimestamp, (uint64_t *))                                                       \
	REQUIRED(GetCallbackName, (int, uint32_t, const char **))                                  \
	REQUIRED(ActivityRegisterCallbacks,                                                        \
		 (void (*)(uint8_t **, size_t *, size_t *),                                        \
		  void (*)(void *, uint32_t, uint8_t *, size_t, size_t)))                          \
	REQUIRED(ActivityEnable, (int))                                                            \
	REQUIRED(ActivityDisable, (int))                                                           \
	REQUIRED(ActivityFlushAll, (uint32_t))                                                     \
	REQUIRED(ActivityGetNextRecord, (uint8_t *, size_t, uint8_t **))                           \
	REQUIRED(ActivityGetNumDroppedRecords, (void *, uint32_t, size_t *))                       \
	OPTIONAL(Subscribe_v2, (void **, void (*)(void *, int, uint32_t, const void *), void *,    \
				struct cupti_subscription *))                                      \
	OPTIONAL(ActivityEnableDriverApi, (uint32_t, uint8_t))                                     \
	OPTIONAL(ActivityEnableRuntimeApi, (uint32_t, uint8_t))                                    \
	OPTIONAL(ActivityConfigureUnifiedMemoryCounter, (struct cupti_counter_config *, uint32_t))

struct anaros_cupti {
#define CUPTI_MEMBER(name, parameters) int(*name) parameters;
	CUPTI_FUNCTIONS(CUPTI_MEMBER, CUPTI_MEMBER)
#undef CUPTI_MEMBER
};

extern struct anaros_cupti anaros_cupti __attribute__((visibility("hidden")));

/* library.c: finds it and fills anaros_cupti; returns why it did not, or NULL. */
const char *anaros_cupti_open(void) COLD;

/* why.c: a text for the report, until the next one is made. */
__attribute__((format(printf, 1, 2))) const char *anaros_cupti_why(const char *format, ...) COLD;
/* A path as it may be told: the last part of it where names are hidden. */
const char *anaros_cupti_shown(const char *path) COLD;
/* The file that CUPTI is of. */
const char *anaros_cupti_file(void) COLD;
/* Who holds the seat: by the name that CUPTI has, or by the library that is loaded. */
const char *anaros_cupti_holder(const char *told) COLD;

/* cupti.c: gives the seat to another tool, whose code lies at an address. */
void anaros_cupti_yield(const void *caller) COLD;

/* yield.c: the functions that another tool takes CUPTI with. */
bool anaros_cupti_wraps(const char *name) COLD;
void *anaros_cupti_from_dlsym(void *handle, const char *name) COLD;

/* records.c */
bool anaros_cupti_make_pool(void);
void anaros_cupti_request(uint8_t **buffer, size_t *bytes, size_t *most_records);
void anaros_cupti_complete(void *context, uint32_t stream, uint8_t *buffer, size_t bytes,
			   size_t valid);
/* What still waits for its call goes without it. */
void anaros_cupti_end_pending(void);

/* clock.c */
void anaros_cupti_sample_clock(void);
/* A time of CUPTI's in CLOCK_MONOTONIC. */
uint64_t anaros_cupti_time(uint64_t device_ns);

#endif
