// SPDX-License-Identifier: Apache-2.0
/* Description: a program started without the right to open the shim is told nothing. */
#include <spawn.h>

#include "harness.h"

int main(void)
{
	struct harness harness = harness_open();
	char *argv[] = {"/bin/true", NULL};
	int fd = harness_file(0), code;
	struct stat status;
	pid_t pid;

	if (geteuid() != 0)
		harness_skip("needs root: it drops its rights");
	pid = fork();
	if (pid == 0) {
		dup2(fd, 2);
		CHECK(setgid(65534) == 0 && setuid(65534) == 0);
		execv(argv[0], argv);
		_exit(99);
	}
	code = harness_wait(pid);
	CHECK_EQUAL(code, 0);
	CHECK(fstat(fd, &status) == 0);
	CHECK_EQUAL(status.st_size, 0);
	CHECK_EQUAL(harness.shared->environments_lost, 1);
	return 0;
}
