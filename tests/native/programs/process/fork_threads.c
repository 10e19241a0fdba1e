// SPDX-License-Identifier: Apache-2.0
/* Description: after fork in one thread, another of the child records apart. */
#include <pthread.h>

#include "harness.h"

static int fd;

static void *reads(void *unused)
{
	char byte;

	for (int i = 0; i < 100; i++)
		CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	return unused;
}

int main(void)
{
	struct harness harness = harness_open();
	pthread_t thread;
	pid_t pid;

	fd = harness_file(16);
	reads(NULL);
	pid = fork();
	if (pid == 0) {
		/* The new thread comes first: it must not take the parent's chunk. */
		CHECK(pthread_create(&thread, NULL, reads, NULL) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
		reads(NULL);
		_exit(0);
	}
	CHECK_EQUAL(harness_wait(pid), 0);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ,
							    .pid = (uint32_t)pid}),
		    200);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ,
							    .pid = (uint32_t)getpid()}),
		    100);
	return 0;
}
