// SPDX-License-Identifier: Apache-2.0
/* Description: the mode of open reaches the kernel, with and without O_CREAT. */
#include <fcntl.h>

#include "harness.h"

int main(void)
{
	char path[64];
	struct stat status;
	int fd;

	umask(0);
	snprintf(path, sizeof(path), "/tmp/anaros-mode-%d", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0641);
	CHECK(fd >= 0 && fstat(fd, &status) == 0);
	CHECK_EQUAL(status.st_mode & 07777, 0641);
	CHECK(unlink(path) == 0);
	fd = open("/tmp", O_TMPFILE | O_RDWR, 0604);
	if (fd >= 0) {
		CHECK(fstat(fd, &status) == 0);
		CHECK_EQUAL(status.st_mode & 07777, 0604);
	}
	return 0;
}
