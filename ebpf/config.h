/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loader tells the programs before they are verified, and what they
 * count. overlay/anaros/capture/libbpf_build.py mirrors both; the loader
 * compares the sizes and refuses an object that does not fit.
 *
 * The values are constants to the verifier: a branch that a setting turns off
 * is not in the program that runs.
 */
#ifndef ANAROS_EBPF_CONFIG_H
#define ANAROS_EBPF_CONFIG_H

#include <anaros/record.h>

struct anaros_config {
	anaros_u64 ring_wake_bytes; /* wake the consumer when so much lies unread */
	anaros_u64 runqueue_min_ns; /* a shorter wait for a CPU is counted, not shipped */
	anaros_u64 queue_min_ns;    /* a shorter wait for the driver is counted, not shipped */
	anaros_u64 block_recent_ns; /* a device counts as the target's for so long */
	anaros_u64 net_recent_ns;   /* the network counts as the target's for so long */
	anaros_u32 switch_slots;    /* in the ring of each CPU, a power of two */
	anaros_u32 backlog_min;     /* packets that make a poll without a device worth a record */
	anaros_u8 switch_has_state; /* sched_switch passes the state as its fourth argument */
	anaros_u8 drop_has_socket;  /* kfree_skb passes the receiving socket as its fourth */
	anaros_u8 page_shift;
	anaros_u8 thread_bits; /* of a tid: its place in the map threads */
	anaros_u8 padding[4];
	anaros_u64 irq_min_ns; /* a shorter interrupt is added up, not shipped */
	anaros_u64
	    lock_min_ns; /* a shorter wait for a lock of the kernel is added up, not shipped */
};

_Static_assert(sizeof(struct anaros_config) == 72, "mirrored by the loader");

enum anaros_probe {
	ANAROS_PROBE_SCHED = 0,
	ANAROS_PROBE_PROCESS = 1,
	ANAROS_PROBE_BLOCK = 2,
	ANAROS_PROBE_NET = 3,
	ANAROS_PROBE_CUFILE = 4,
	ANAROS_PROBE_MEM = 5, /* from here on in more.bpf.c */
	ANAROS_PROBE_IRQ = 6,
	ANAROS_PROBE_LOCK = 7,
	ANAROS_PROBE_CGROUP = 8,
	ANAROS_PROBE_CALLS = 9,   /* syscalls.bpf.c */
	ANAROS_PROBE_DEVICE = 10, /* device.bpf.c */
	ANAROS_PROBE_FILE = 11,
	ANAROS_PROBE_URING = 12,
	ANAROS_PROBE_QUEUE = 13,
	ANAROS_PROBE_LISTEN = 14,
	ANAROS_PROBE_FLOW = 15,
	ANAROS_PROBE_COUNT = 16,
};

/* One counter per probe and per CPU; nothing here is ever reset. */
enum anaros_counter {
	ANAROS_COUNTER_DROPPED = 0,       /* the ring was full: a record is lost */
	ANAROS_COUNTER_UNTRACKED = 1,     /* no memory to follow a thread, request or packet */
	ANAROS_COUNTER_OTHERS = 2,        /* events that neither were the target's nor delayed it */
	ANAROS_COUNTER_BELOW_MINIMUM = 3, /* the target's, but too short or small to ship */
	ANAROS_COUNTER_UNKNOWN_OWNER = 4, /* events that cannot be told to be the target's or not */
	ANAROS_COUNTER_COUNT = 5,
};

#endif
