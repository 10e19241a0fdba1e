// SPDX-License-Identifier: Apache-2.0
/* Description: children of fork, and of a raw clone, record as themselves. */
#include <sched.h>

#include "harness.h"

static struct harness harness;

static void child(int fd, int calls)
{
	char byte;

	for (int i = 0; i < calls; i++)
		CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	_exit(0);
}

static void expect(pid_t pid, int calls)
{
	CHECK_EQUAL(harness_wait(pid), 0);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ,
							    .pid = (uint32_t)pid,
							    .tid = (uint32_t)pid}),
		    calls);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_PROC_SHIM,
							    .pid = (uint32_t)pid}),
		    1);
}

int main(void)
{
	int fd = harness_file(16);
	uint64_t own;
	char byte;
	pid_t pid;

	harness = harness_open();
	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	own = harness_count(&harness, (struct wanted){.pid = (uint32_t)getpid()});
	pid = fork();
	if (pid == 0)
		child(fd, 1500); /* more than what was left of the parent's chunk */
	expect(pid, 1500);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0)
		child(fd, 7);
	expect(pid, 7);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.pid = (uint32_t)getpid()}), own);
	return 0;
}
