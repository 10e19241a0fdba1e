/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena: one shared-memory file for each run. The supervisor makes it,
 * every process of the workload maps it, and it outlives both.
 *
 *   control page   the supervisor writes, the shim maps it read-only
 *   shared page    counters and the wake-up word, both write
 *   lanes          one for each live thread: who it is, what it lost
 *   owners         one word for each chunk: 0 = free, else lane index + 1
 *   chunks         64 KiB each: a header and 1023 records, one writer each
 *
 * A thread takes a chunk with one compare-and-swap on its owner word, fills
 * it alone, and publishes each record with a release store of `committed`.
 * The drain reads up to `committed`, and sets a sealed chunk free. So a
 * SIGKILL at any instruction leaves every published record readable, and a
 * busy thread takes as many chunks as it needs while an idle one holds one.
 *
 * The workload can write all of this but the control page: the supervisor
 * treats what it reads here as hostile (indices are masked or checked).
 */
#ifndef ANAROS_CONTROL_H
#define ANAROS_CONTROL_H

#include "anaros/record.h"

#define ANAROS_MAGIC          0x31736f72616e61ull /* "anaros1" */
#define ANAROS_ARENA_VERSION  1u
#define ANAROS_PAGE           4096u
#define ANAROS_LANES          4096u
#define ANAROS_CHUNK_BYTES    65536u
#define ANAROS_CHUNK_RECORDS  (ANAROS_CHUNK_BYTES / 64u - 1u)
#define ANAROS_CHUNKS_DEFAULT 2048u
#define ANAROS_CHUNKS_MAX     16384u
#define ANAROS_DEVICES_MAX    32u
#define ANAROS_PROBES_MAX     16u

/* How time stamps are made: ns = base_ns + ((tsc - base_tsc) * mult >> 32). */
struct anaros_clock_line {
	anaros_u64 base_tsc;
	anaros_u64 base_ns;
	anaros_u64 mult; /* 0: do not use the TSC, ask the vDSO */
	anaros_u64 reserved;
};

/*
 * A latch: `line[sequence & 1]` is the valid one. The writer fills the other
 * line and then raises `sequence`, so a reader never waits, even for a
 * supervisor that was killed while it wrote.
 */
struct anaros_clock {
	anaros_u64 sequence;
	anaros_u64 reserved[7];
	struct anaros_clock_line line[2];
};

/* The devices that the workload may see, and in which order. */
struct anaros_device_map {
	anaros_u32 active; /* 0: the runtime's own list passes unchanged */
	anaros_u32 count;
	anaros_u8 order[ANAROS_DEVICES_MAX]; /* runtime ordinals */
};

/*
 * How far the kernel plane came: for whoever looks on, and for whoever
 * finishes the run after the supervisor was killed.
 */
struct anaros_kernel_state {
	anaros_u64 consumed_ns;              /* when its ring was emptied last; 0: never */
	anaros_u64 drops[ANAROS_PROBES_MAX]; /* in the supervisor's order of probes */
};

/* Where the times come from at which a device worked. */
enum anaros_device_time {
	ANAROS_DEVICE_TIME_OFF = 0,
	ANAROS_DEVICE_TIME_QUEUE = 1,  /* bounded by what the program enqueues and waits for */
	ANAROS_DEVICE_TIME_KERNEL = 2, /* told by the vendor's profiling library */
};

struct anaros_control {
	anaros_u64 magic;
	anaros_u32 version;
	anaros_u32 chunk_count;
	anaros_u64 arena_bytes;
	anaros_u64 generation; /* raised after each change of a table below */
	anaros_u32 recording;  /* 0: pass every call through */
	anaros_u32 hide_names;
	anaros_u32 wake_chunks; /* wake the drain when this many are in use */
	anaros_u32 supervisor_pid;
	anaros_u32 device_time; /* enum anaros_device_time */
	anaros_u32 reserved0;
	anaros_u64 reserved[1];
	struct anaros_clock clock;
	struct anaros_device_map cuda;
	struct anaros_device_map opencl;
	struct anaros_kernel_state kernel;
};

_Static_assert(sizeof(struct anaros_control) <= ANAROS_PAGE, "one page");
_Static_assert(__builtin_offsetof(struct anaros_control, clock) == 64, "cache line");

struct anaros_shared {
	anaros_u32 wake;    /* futex word, raised to wake the drain */
	anaros_u32 waiting; /* the drain sleeps on it */
	anaros_u32 chunks_in_use;
	anaros_u32 processes;  /* shims that started */
	anaros_u32 lanes_used; /* high-water mark: no lane beyond was ever taken */
	anaros_u32 reserved0;
	anaros_u64 drops_no_lane;         /* records lost: no lane was free */
	anaros_u64 environments_restored; /* exec with the preload added back */
	anaros_u64 environments_lost;     /* exec that will not carry the shim */
	anaros_u64 names_dropped;
	anaros_u64 vfork_calls;   /* calls in a vfork child, passed through */
	anaros_u64 unhooked;      /* entry points resolved past the shim */
	anaros_u64 drops_retired; /* of lanes that were set free; the drain adds */
	anaros_u64 records_drained;
	anaros_u64 device_times_unread;      /* device commands whose times nobody asked in time */
	anaros_u64 device_times_lost;        /* that the profiling library had no room for */
	anaros_u64 device_clock_residual_ns; /* at most, of the device clocks' lines */
	anaros_u32 device_timers;            /* processes whose device time was told */
	anaros_u32 device_timers_off;        /* processes where it was refused or given up */
	anaros_u64 device_calls_beneath; /* by one device library for a recorded call of another */
	anaros_u64 captures_lost;        /* ends of captures, and members, nobody could note */
};

enum anaros_lane_state {
	ANAROS_LANE_FREE = 0,
	ANAROS_LANE_LIVE = 1,
	ANAROS_LANE_ENDED = 2,   /* the thread left; the drain sets it free */
	ANAROS_LANE_CLAIMED = 3, /* being filled in */
};

struct anaros_lane {
	anaros_u32 state;
	anaros_u32 pid;
	anaros_u32 tid;
	anaros_u32 reserved0;
	anaros_u64 pid_namespace; /* inode; lets the drain judge who is dead */
	anaros_u64 process_start; /* field 22 of /proc/PID/stat, 0 = unknown */
	anaros_u64 drops;         /* records lost: no chunk was free, or nested */
	anaros_u64 reserved[3];
};

_Static_assert(sizeof(struct anaros_lane) == 64, "one cache line a lane");

struct anaros_chunk_header {
	anaros_u32 committed; /* records that may be read; the writer raises it */
	anaros_u32 drained;   /* records that were read; the drain raises it */
	anaros_u32 sealed;    /* the writer will not come back */
	anaros_u32 lane;
	anaros_u32 pid;
	anaros_u32 reserved[11];
};

_Static_assert(sizeof(struct anaros_chunk_header) == 64, "as a record");

struct anaros_chunk {
	struct anaros_chunk_header header;
	struct anaros_record records[ANAROS_CHUNK_RECORDS];
};

_Static_assert(sizeof(struct anaros_chunk) == ANAROS_CHUNK_BYTES, "layout");

#define ANAROS_SHARED_OFFSET ANAROS_PAGE
#define ANAROS_LANES_OFFSET  (2u * ANAROS_PAGE)
#define ANAROS_OWNERS_OFFSET (ANAROS_LANES_OFFSET + ANAROS_LANES * 64u)

/* Chunks start on a chunk boundary behind the owner words. */
static inline anaros_u64 anaros_chunks_offset(anaros_u32 chunk_count)
{
	anaros_u64 end = ANAROS_OWNERS_OFFSET + 4ull * chunk_count;

	return (end + ANAROS_CHUNK_BYTES - 1) & ~(anaros_u64)(ANAROS_CHUNK_BYTES - 1);
}

static inline anaros_u64 anaros_arena_bytes(anaros_u32 chunk_count)
{
	return anaros_chunks_offset(chunk_count) + (anaros_u64)chunk_count * ANAROS_CHUNK_BYTES;
}

#endif
