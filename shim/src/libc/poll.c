// SPDX-License-Identifier: Apache-2.0
/* Waits for descriptors: where an event loop is idle, and what wakes it. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "core/shim.h"

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
		const sigset_t *mask, size_t room);

static void waited(const struct anaros_call *call, int epoll_fd, int result)
{
	anaros_record(call, &(struct anaros_fields){
				.kind = ANAROS_KIND_POLL_WAIT,
				.status = result < 0 ? -errno : result,
				.object = epoll_fd >= 0 ? (uint64_t)epoll_fd : 0,
			    });
}

#define WAIT(name, epoll_fd, parameters, arguments)                                                \
	WRAP_LATER(int, name, parameters, arguments, waited(&call, epoll_fd, result))

WAIT(epoll_wait, fd, (int fd, struct epoll_event *events, int count, int timeout),
     (fd, events, count, timeout))
WAIT(epoll_pwait, fd,
     (int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask),
     (fd, events, count, timeout, mask))
WAIT(epoll_pwait2, fd,
     (int fd, struct epoll_event *events, int count, const struct timespec *timeout,
      const sigset_t *mask),
     (fd, events, count, timeout, mask))
WAIT(poll, -1, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
WAIT(__poll_chk, -1, (struct pollfd * fds, nfds_t count, int timeout, size_t room),
     (fds, count, timeout, room))
WAIT(ppoll, -1,
     (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
     (fds, count, timeout, mask))
WAIT(__ppoll_chk, -1,
     (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
      size_t room),
     (fds, count, timeout, mask, room))
WAIT(select, -1,
     (int count, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
      struct timeval *restrict timeout),
     (count, in, out, except, timeout))
WAIT(pselect, -1,
     (int count, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
      const struct timespec *restrict timeout, const sigset_t *restrict mask),
     (count, in, out, except, timeout, mask))
