// SPDX-License-Identifier: Apache-2.0
/* Calls that make, copy or close descriptors: they keep the table true. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "libc/fds.h"

EXPORT int close(int fd)
{
	struct anaros_call call;
	struct anaros_fd entry = {0};
	int result;

	if (!anaros_enter(&call))
		return REAL(close)(fd);
	/* Before the call: another thread may get the number right after it. */
	if ((unsigned int)fd < ANAROS_FDS) {
		entry = anaros_fds[fd];
		anaros_fd_forget(fd);
	}
	result = REAL(close)(fd);
	anaros_record(&call, &(struct anaros_fields){
				 .kind = anaros_fd_is_socket(entry) ? ANAROS_KIND_NET_CLOSE
								    : ANAROS_KIND_FILE_CLOSE,
				 .flags = (uint16_t)entry.flags,
				 .status = anaros_status(result),
				 .object = entry.object,
			     });
	return result;
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	REQUIRE(close_range);
	/* CLOSE_RANGE_CLOEXEC (4) closes nothing yet. */
	if (!(flags & 4) && anaros_may_record())
		anaros_fd_forget_range(first, last);
	return REAL(close_range)(first, last, flags);
}

EXPORT void closefrom(int first)
{
	void (*real)(int) = (void (*)(int))anaros_real(ANAROS_HOOK_closefrom);

	if (anaros_may_record())
		anaros_fd_forget_range(first < 0 ? 0 : (unsigned int)first, UINT32_MAX);
	if (real != NULL)
		real(first);
}

/* A new descriptor: whatever the table says of its number is old. */
static int made(int fd)
{
	if (fd >= 0 && anaros_may_record())
		anaros_fd_forget(fd);
	return fd;
}

EXPORT int dup(int fd)
{
	return made(REAL(dup)(fd));
}

EXPORT int dup2(int fd, int to)
{
	return made(REAL(dup2)(fd, to));
}

EXPORT int dup3(int fd, int to, int flags)
{
	return made(REAL(dup3)(fd, to, flags));
}

/* The third argument is an int or a pointer: both fit a pointer's register. */
#define FCNTL(name)                                                                                \
	EXPORT int name(int fd, int command, ...)                                                  \
	{                                                                                          \
		va_list list;                                                                      \
		void *argument;                                                                    \
		int result;                                                                        \
                                                                                                   \
		REQUIRE(name);                                                                     \
		va_start(list, command);                                                           \
		argument = va_arg(list, void *);                                                   \
		va_end(list);                                                                      \
		result = REAL(name)(fd, command, argument);                                        \
		if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)                              \
			made(result);                                                              \
		return result;                                                                     \
	}
FCNTL(fcntl)
FCNTL(fcntl64)

static int made_two(int result, const int fds[2])
{
	if (result == 0) {
		made(fds[0]);
		made(fds[1]);
	}
	return result;
}

EXPORT int pipe(int fds[2])
{
	return made_two(REAL(pipe)(fds), fds);
}

EXPORT int pipe2(int fds[2], int flags)
{
	return made_two(REAL(pipe2)(fds, flags), fds);
}

EXPORT int eventfd(unsigned int count, int flags)
{
	return made(REAL(eventfd)(count, flags));
}

EXPORT int epoll_create(int size)
{
	return made(REAL(epoll_create)(size));
}

EXPORT int epoll_create1(int flags)
{
	return made(REAL(epoll_create1)(flags));
}

EXPORT int timerfd_create(clockid_t clock, int flags)
{
	return made(REAL(timerfd_create)(clock, flags));
}

EXPORT int signalfd(int fd, const sigset_t *mask, int flags)
{
	return made(REAL(signalfd)(fd, mask, flags));
}

EXPORT int inotify_init(void)
{
	return made(REAL(inotify_init)());
}

EXPORT int inotify_init1(int flags)
{
	return made(REAL(inotify_init1)(flags));
}

EXPORT int memfd_create(const char *name, unsigned int flags)
{
	REQUIRE(memfd_create);
	return made(REAL(memfd_create)(name, flags));
}
