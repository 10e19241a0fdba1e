// SPDX-License-Identifier: Apache-2.0
/* Description: errno after a call is the call's own; a success leaves it alone. */
#include <fcntl.h>
#include <sys/socket.h>

#include "harness.h"

#define FAILS(call, error)                                                                         \
	do {                                                                                       \
		errno = 0;                                                                         \
		CHECK((call) < 0);                                                                 \
		CHECK_EQUAL(errno, error);                                                         \
	} while (0)

#define KEEPS(call)                                                                                \
	do {                                                                                       \
		errno = 4242;                                                                      \
		CHECK((call) >= 0);                                                                \
		CHECK_EQUAL(errno, 4242);                                                          \
	} while (0)

int main(void)
{
	struct harness harness = harness_open();
	char buffer[16];
	int fds[2];

	FAILS(open("/nonexistent/file", O_RDONLY), ENOENT);
	CHECK_EQUAL(
	    harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_OPEN}).last.status,
	    -ENOENT);
	FAILS(read(-1, buffer, 1), EBADF);
	FAILS(write(9999, buffer, 1), EBADF);
	FAILS(pread(0x7fffffff, buffer, 1, 0), EBADF);
	FAILS(close(-1), EBADF);
	FAILS(recv(0x10000, buffer, 1, 0), EBADF);
	FAILS(connect(-1, NULL, 0), EBADF);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	FAILS(recv(fds[0], buffer, sizeof(buffer), 0), EAGAIN);
	CHECK_EQUAL(
	    harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_NET_RECV}).last.status,
	    -EAGAIN);
	KEEPS(open("/dev/null", O_RDWR));
	KEEPS(send(fds[0], "x", 1, 0));
	KEEPS(read(fds[1], buffer, 1));
	KEEPS(close(fds[0]));
	return 0;
}
