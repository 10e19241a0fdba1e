// SPDX-License-Identifier: Apache-2.0
/* Description: a handler that jumps out of a wrapped call leaves the thread recording. */
#include <setjmp.h>
#include <signal.h>

#include "harness.h"

static sigjmp_buf away;

static void handler(int number)
{
	siglongjmp(away, number);
}

int main(void)
{
	struct harness harness = harness_open();
	struct wanted wanted = {.kind = ANAROS_KIND_FILE_READ, .flags = ANAROS_FD_REGULAR};
	int fd = harness_file(16), fds[2];
	char byte;

	CHECK(pipe(fds) == 0);
	signal(SIGALRM, handler);
	if (sigsetjmp(away, 1) == 0) {
		alarm(1);
		read(fds[0], &byte, 1);
		return 1;
	}
	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	CHECK_EQUAL(harness_count(&harness, wanted), 1);
	return 0;
}
