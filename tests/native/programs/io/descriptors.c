// SPDX-License-Identifier: Apache-2.0
/* Description: after dup2, close, closefrom and close_range a number means what it is now. */
#include <fcntl.h>
#include <sys/eventfd.h>

#include "harness.h"

static struct harness harness;

static void means(int fd, int type)
{
	struct wanted wanted = {.kind = ANAROS_KIND_FILE_READ};
	struct stat status;
	struct harness_search found;
	char byte;

	pread(fd, &byte, 1, 0);
	CHECK(syscall(SYS_fstat, fd, &status) == 0);
	found = harness_find(&harness, wanted);
	CHECK_EQUAL(found.last.flags & ANAROS_FLAG_FD_TYPE_MASK, type);
	if (type == ANAROS_FD_REGULAR)
		CHECK_EQUAL(found.last.object & 0xffffffffffffull, status.st_ino);
}

int main(void)
{
	int file = harness_file(16), other = harness_file(16), fds[2];

	harness = harness_open();
	means(file, ANAROS_FD_REGULAR);
	CHECK_EQUAL(dup2(other, file), file);
	means(file, ANAROS_FD_REGULAR);
	CHECK(close(file) == 0);
	CHECK(pipe(fds) == 0);
	CHECK_EQUAL(fds[0], file); /* the lowest free number, as without us */
	means(fds[0], ANAROS_FD_PIPE);
	CHECK(close_range((unsigned int)fds[0], (unsigned int)fds[0], 0) == 0);
	CHECK_EQUAL(eventfd(1, 0), file);
	means(file, ANAROS_FD_ANONYMOUS);
	closefrom(3);
	CHECK_EQUAL(open("/dev/null", O_RDONLY), 3);
	means(3, ANAROS_FD_CHARACTER);
	CHECK_EQUAL(fcntl(3, F_DUPFD, 10), 10);
	means(10, ANAROS_FD_CHARACTER);
	return 0;
}
