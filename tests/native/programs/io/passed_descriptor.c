// SPDX-License-Identifier: Apache-2.0
/* Description: a descriptor that comes in a message is looked at anew. */
#include <fcntl.h>
#include <sys/socket.h>

#include "harness.h"

static void transfer(int through, int fd, bool out)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec vector = {&byte, 1};
	struct msghdr message = {.msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *item = CMSG_FIRSTHDR(&message);

	if (!out) {
		CHECK_EQUAL(recvmsg(through, &message, 0), 1);
		return;
	}
	item->cmsg_level = SOL_SOCKET;
	item->cmsg_type = SCM_RIGHTS;
	item->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(item), &fd, sizeof(fd));
	CHECK_EQUAL(sendmsg(through, &message, 0), 1);
}

int main(void)
{
	struct harness harness = harness_open();
	int fds[2], file = harness_file(16), old;
	struct stat status;
	char byte;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	old = open("/dev/zero", O_RDONLY);
	CHECK_EQUAL(read(old, &byte, 1), 1);
	transfer(fds[0], file, true);
	/* Closed behind the shim's back, so its entry stays. */
	CHECK_EQUAL(syscall(SYS_close, old), 0);
	transfer(fds[1], -1, false);
	CHECK_EQUAL(pread(old, &byte, 1, 0), 1);
	CHECK(syscall(SYS_fstat, old, &status) == 0);
	CHECK_EQUAL(
	    harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ}).last.object &
		0xffffffffffffull,
	    status.st_ino);
	return 0;
}
