// SPDX-License-Identifier: Apache-2.0
/* Description: a vfork child writes no record and leaves the parent's table alone. */
#include "harness.h"

int main(void)
{
	struct harness harness = harness_open();
	int file = harness_file(16), other = harness_file(16), fds[2];
	struct wanted reads = {.kind = ANAROS_KIND_FILE_READ};
	struct stat status;
	uint64_t records;
	char byte;
	pid_t pid;

	CHECK(pipe(fds) == 0);
	CHECK_EQUAL(pread(file, &byte, 1, 0), 1);
	CHECK_EQUAL(pread(other, &byte, 1, 0), 1);
	records = harness_count(&harness, reads);
	pid = vfork();
	if (pid == 0) {
		/* In the child's own table `file` is the pipe now, not in the parent's. */
		dup2(fds[0], file);
		close(other);
		pread(file, &byte, 1, 0);
		_exit(0);
	}
	CHECK_EQUAL(harness_wait(pid), 0);
	CHECK_EQUAL(harness_count(&harness, reads), records);
	CHECK(harness.shared->vfork_calls >= 3);
	CHECK_EQUAL(pread(file, &byte, 1, 0), 1);
	CHECK(fstat(file, &status) == 0);
	CHECK_EQUAL(harness_count(&harness, reads), records + 1);
	CHECK_EQUAL(harness_find(&harness, reads).last.object & 0xffffffffffffull, status.st_ino);
	return 0;
}
