// SPDX-License-Identifier: Apache-2.0
/* Description: what a process recorded outlives SIGKILL and _exit. */
#include <signal.h>

#include "harness.h"

int main(void)
{
	struct harness harness = harness_open();
	int fd = harness_file(16);
	pid_t pid = fork();
	char byte;

	if (pid == 0) {
		for (int i = 0; i < 3000; i++)
			CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
		raise(SIGKILL);
	}
	CHECK_EQUAL(harness_wait(pid), 1000 + SIGKILL);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ,
							    .pid = (uint32_t)pid}),
		    3000);
	return 0;
}
