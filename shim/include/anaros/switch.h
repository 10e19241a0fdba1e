/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sched_switch hands over, one slot for each time that a thread of the
 * target comes to a CPU: the drain makes sched.offcpu, sched.runqueue and the
 * like of it. One cache line instead of three records: by the time a
 * thread comes in again, every line of a ring has left the caches, and a probe
 * that waits for memory holds up the scheduler.
 *
 * Each CPU has a ring of its own. sched_switch runs with interrupts off and
 * never inside itself, so a ring has one writer and needs no lock.
 */
#ifndef ANAROS_SWITCH_H
#define ANAROS_SWITCH_H

#include "record.h"

#define ANAROS_SWITCH_IOWAIT    1  /* what it slept for is I/O to the kernel */
#define ANAROS_SWITCH_WAKEUP    2  /* the waker is of the target: worth a record */
#define ANAROS_SWITCH_ASYNC     4  /* woken from a soft interrupt on the waker's time */
#define ANAROS_SWITCH_OTHER     8  /* who held the CPU is not of the target */
#define ANAROS_SWITCH_READY     16 /* its wait for a CPU is worth a record */
#define ANAROS_SWITCH_THROTTLED 32 /* that wait was for the quota of its cgroup */

/* What a thread was in when it went to sleep: the number of a system call, or one of these. */
#define ANAROS_CAUSE_UNKNOWN 0xffff
#define ANAROS_CAUSE_FAULT   0xfffe /* the argument is the instruction */

/* What a thread slept in, as the drain sorts it: the low half of the address of sched.offcpu. */
enum anaros_wait {
	ANAROS_WAIT_UNKNOWN = 0,
	ANAROS_WAIT_FUTEX = 1,
	ANAROS_WAIT_POLL = 2,  /* select, poll, epoll_wait */
	ANAROS_WAIT_SLEEP = 3, /* nanosleep */
	ANAROS_WAIT_IO = 4,    /* read, write, fsync and the like; of a file, a pipe or a socket */
	ANAROS_WAIT_SOCKET = 5,
	ANAROS_WAIT_CHILD = 6, /* wait4, vfork */
	ANAROS_WAIT_SIGNAL = 7,
	ANAROS_WAIT_FAULT = 8, /* a page fault */
	ANAROS_WAIT_STOPPED = 9,
	ANAROS_WAIT_RING = 10,  /* io_uring_enter, io_getevents */
	ANAROS_WAIT_IPC = 11,   /* semaphores and queues of System V and POSIX */
	ANAROS_WAIT_OTHER = 12, /* another system call */
};

struct anaros_switch {
	anaros_u64 in_ns;
	anaros_u64 off_ns;    /* left the CPU; 0 = not seen */
	anaros_u64 waking_ns; /* 0 = nobody woke it */
	anaros_u64 argument;  /* the first of the system call that it slept in */
	anaros_u32 pid;
	anaros_u32 tid;
	anaros_u32 waker_pid;
	anaros_u32 waker_tid;
	anaros_u32 over_pid; /* held the CPU meanwhile; 0 = nobody */
	anaros_u32 over_tid;
	anaros_u16 cpu;
	anaros_u16 cause;
	anaros_u16 state; /* left with; 0 = preempted */
	anaros_u16 flags;
};

_Static_assert(sizeof(struct anaros_switch) == 64, "one cache line");

/* The ends of a CPU's ring, each on a line of its own; both only grow. */
struct anaros_switch_ends {
	anaros_u64 head;        /* slots written; by the probe */
	anaros_u32 running_tid; /* the target's thread on this CPU, for the probe alone; 0 = none */
	anaros_u32 running_padding;
	anaros_u64 head_padding[6];
	anaros_u64 tail; /* slots read; by the drain */
	anaros_u64 tail_padding[7];
};

_Static_assert(sizeof(struct anaros_switch_ends) == 128, "two cache lines");

#endif
