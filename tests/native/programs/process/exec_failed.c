// SPDX-License-Identifier: Apache-2.0
/* Description: after an exec that failed, the thread records again. */
#include "harness.h"

int main(void)
{
	struct harness harness = harness_open();
	char *argv[] = {"x", NULL};
	int fd = harness_file(16);
	char byte;

	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	CHECK(execv("/nonexistent/program", argv) < 0);
	CHECK_EQUAL(errno, ENOENT);
	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ}), 2);
	return 0;
}
