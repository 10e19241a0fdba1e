// SPDX-License-Identifier: Apache-2.0
/* What a thread slept in, by the number of the system call on this machine. */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "wait.h"

/* Task states of a thread that is not let go on: TASK_STOPPED and TASK_TRACED. */
#define HELD (4 | 8)

#define NUMBERS 512

/* Any other is 0, which stands for "another". */
static const unsigned char waits[NUMBERS] = {
    [SYS_futex] = ANAROS_WAIT_FUTEX,
#ifdef SYS_futex_waitv
    [SYS_futex_waitv] = ANAROS_WAIT_FUTEX,
#endif
/* Calls that later architectures have by their newer forms alone. */
#ifdef SYS_poll
    [SYS_poll] = ANAROS_WAIT_POLL,
    [SYS_select] = ANAROS_WAIT_POLL,
    [SYS_epoll_wait] = ANAROS_WAIT_POLL,
    [SYS_vfork] = ANAROS_WAIT_CHILD,
    [SYS_pause] = ANAROS_WAIT_SIGNAL,
#endif
    [SYS_ppoll] = ANAROS_WAIT_POLL,
    [SYS_pselect6] = ANAROS_WAIT_POLL,
    [SYS_epoll_pwait] = ANAROS_WAIT_POLL,
#ifdef SYS_epoll_pwait2
    [SYS_epoll_pwait2] = ANAROS_WAIT_POLL,
#endif
    [SYS_nanosleep] = ANAROS_WAIT_SLEEP,
    [SYS_clock_nanosleep] = ANAROS_WAIT_SLEEP,
    [SYS_read] = ANAROS_WAIT_IO,
    [SYS_readv] = ANAROS_WAIT_IO,
    [SYS_pread64] = ANAROS_WAIT_IO,
    [SYS_preadv] = ANAROS_WAIT_IO,
    [SYS_preadv2] = ANAROS_WAIT_IO,
    [SYS_write] = ANAROS_WAIT_IO,
    [SYS_writev] = ANAROS_WAIT_IO,
    [SYS_pwrite64] = ANAROS_WAIT_IO,
    [SYS_pwritev] = ANAROS_WAIT_IO,
    [SYS_pwritev2] = ANAROS_WAIT_IO,
    [SYS_fsync] = ANAROS_WAIT_IO,
    [SYS_fdatasync] = ANAROS_WAIT_IO,
    [SYS_sync_file_range] = ANAROS_WAIT_IO,
    [SYS_syncfs] = ANAROS_WAIT_IO,
    [SYS_sendfile] = ANAROS_WAIT_IO,
    [SYS_splice] = ANAROS_WAIT_IO,
    [SYS_copy_file_range] = ANAROS_WAIT_IO,
    [SYS_recvfrom] = ANAROS_WAIT_SOCKET,
    [SYS_recvmsg] = ANAROS_WAIT_SOCKET,
    [SYS_recvmmsg] = ANAROS_WAIT_SOCKET,
    [SYS_sendto] = ANAROS_WAIT_SOCKET,
    [SYS_sendmsg] = ANAROS_WAIT_SOCKET,
    [SYS_sendmmsg] = ANAROS_WAIT_SOCKET,
    [SYS_accept] = ANAROS_WAIT_SOCKET,
    [SYS_accept4] = ANAROS_WAIT_SOCKET,
    [SYS_connect] = ANAROS_WAIT_SOCKET,
    [SYS_wait4] = ANAROS_WAIT_CHILD,
    [SYS_waitid] = ANAROS_WAIT_CHILD,
    [SYS_rt_sigsuspend] = ANAROS_WAIT_SIGNAL,
    [SYS_rt_sigtimedwait] = ANAROS_WAIT_SIGNAL,
#ifdef SYS_io_uring_enter
    [SYS_io_uring_enter] = ANAROS_WAIT_RING,
#endif
    [SYS_io_getevents] = ANAROS_WAIT_RING,
    [SYS_semop] = ANAROS_WAIT_IPC,
    [SYS_semtimedop] = ANAROS_WAIT_IPC,
    [SYS_msgsnd] = ANAROS_WAIT_IPC,
    [SYS_msgrcv] = ANAROS_WAIT_IPC,
    [SYS_mq_timedsend] = ANAROS_WAIT_IPC,
    [SYS_mq_timedreceive] = ANAROS_WAIT_IPC,
};

enum anaros_wait anaros_wait_of(const struct anaros_switch *slot)
{
	if (slot->off_ns == 0 || slot->state == 0)
		return ANAROS_WAIT_UNKNOWN;
	if (slot->state & HELD)
		return ANAROS_WAIT_STOPPED;
	if (slot->cause == ANAROS_CAUSE_UNKNOWN)
		return ANAROS_WAIT_UNKNOWN;
	if (slot->cause == ANAROS_CAUSE_FAULT)
		return ANAROS_WAIT_FAULT;
	if (slot->cause >= NUMBERS || waits[slot->cause] == 0)
		return ANAROS_WAIT_OTHER;
	return waits[slot->cause];
}

uint64_t anaros_wait_word(enum anaros_wait wait, const struct anaros_switch *slot)
{
	switch (wait) {
	case ANAROS_WAIT_UNKNOWN:
	case ANAROS_WAIT_FAULT:
	case ANAROS_WAIT_STOPPED:
		return wait;
	default:
		return wait | (uint64_t)slot->cause << 16;
	}
}
