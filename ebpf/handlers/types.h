/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers keep, whichever loader brought them into the kernel.
 *
 * A probe is written once, in this folder, and has two fronts: common.bpf.h with
 * the .bpf.c files (libbpf, CO-RE), and bcc/ (compiled at run time where the
 * kernel has no BTF). A front declares the maps and says how a thread is told
 * to be the target's and what is known of it; the handlers say what becomes of
 * an event. No handler reads a structure of the kernel.
 */
#ifndef ANAROS_EBPF_HANDLERS_TYPES_H
#define ANAROS_EBPF_HANDLERS_TYPES_H

#include <anaros/kinds.h>
#include <anaros/record.h>
#include <anaros/switch.h>
#include "../config.h"

#define ANAROS_TEXT_MAX 4096
#define ANAROS_COMM_MAX 16

/* The waker of a thread, as far as it is known. */
enum anaros_waker {
	ANAROS_WAKER_TARGET = 1,  /* a thread of the target */
	ANAROS_WAKER_SOFTIRQ = 2, /* in a soft interrupt on that thread's time */
	ANAROS_WAKER_FRESH = 4,   /* its creator: it was not seen on a CPU yet */
};

/* Is `current` the cause of an event, or a bystander that was interrupted? */
enum anaros_context {
	ANAROS_CONTEXT_TASK,
	ANAROS_CONTEXT_SOFTIRQ,
	ANAROS_CONTEXT_INTERRUPT, /* hard interrupt or NMI; any interrupt where they look alike */
};

/* status of proc.io and proc.cpu: the thread ... */
enum anaros_usage {
	ANAROS_USAGE_SO_FAR = 0,  /* goes on */
	ANAROS_USAGE_AT_EXEC = 1, /* becomes another program */
	ANAROS_USAGE_AT_END = 2,
};

/* What the tree knows of a process. */
enum anaros_process {
	ANAROS_MEMBER = 1,
	ANAROS_BARE = 2, /* its program is without the shim (bare.bpf.h) */
};

/*
 * What is kept of a thread, on one cache line: each switch and each wake-up asks
 * for it, and finds it in no cache of a machine that is busy.
 */
struct anaros_task {
	u64 off_ns;    /* left the CPU; 0 = it runs, or was never seen to leave */
	u64 waking_ns; /* last wake-up since it came in; 0 = none */
	u64 argument;  /* of what it sleeps in */
	u64 moved_ns;  /* to another CPU, since it was on one; 0 = not */
	u32 waker_pid;
	u32 waker_tid;
	u32 over_pid;
	u32 over_tid;   /* took the CPU when this thread was preempted */
	u16 moved_from; /* CPUs */
	u16 moved_to;
	u16 cause; /* of anaros/switch.h */
	u8 state;  /* left with; 0 = preempted */
	u8 waker;  /* enum anaros_waker */
	u8 iowait;
	u8 over_foreign;
	u8 throttled; /* its cgroup has used up its quota */
	u8 padding;
	u32 tid; /* whose this is; kept by the front */
};

_Static_assert(sizeof(struct anaros_task) == 64, "one cache line");

/* Whose a request to a block device is. */
enum owner {
	OWNER_UNKNOWN = 0,
	OWNER_TARGET = 1,
	OWNER_OTHER = 2,
};

struct io {
	u64 insert_ns; /* 0: it went to the driver without waiting */
	u64 issue_ns;
	u64 sector;
	u32 device;
	u32 size_bytes;
	u32 left_bytes;
	u32 operation;
	u32 pid;
	u32 tid;
	u32 owner;
	u32 padding;
};

struct device {
	u64 last_ns; /* the target's last request began or ended */
	u64 in_flight;
};

/* A process as long as it lives: its pid and what tells it from a later one. */
struct anaros_named {
	u64 start_time; /* or the beginning of its command, where that is not known */
	u32 pid;
	u32 padding;
};

struct anaros_text {
	struct anaros_record record;
	char text[ANAROS_TEXT_MAX];
};

#define ANAROS_READ_ONCE(value) (*(const volatile typeof(value) *)&(value))

#endif
