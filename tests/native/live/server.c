// SPDX-License-Identifier: Apache-2.0
/*
 * Runs until it is killed: one thread sleeps in a read that never comes, one
 * in short sleeps, one allocates and reads. Each fifth of a second it prints
 * how many reads were made and how many calls failed with EINTR.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static unsigned long reads, interrupted;

static void failed(void)
{
	if (errno != EINTR)
		abort();
	__atomic_fetch_add(&interrupted, 1, __ATOMIC_RELAXED);
}

static void *blocked(void *pipe_end)
{
	char byte;

	for (;;)
		if (read(*(int *)pipe_end, &byte, 1) < 0)
			failed();
	return NULL;
}

static void *waiting(void *unused)
{
	struct epoll_event event;
	int poll = epoll_create1(0);

	(void)unused;
	for (;;)
		if (epoll_wait(poll, &event, 1, 20) < 0)
			failed();
	return NULL;
}

static void *napping(void *unused)
{
	const struct timespec nap = {0, 30000000};

	(void)unused;
	for (;;)
		if (nanosleep(&nap, NULL) < 0)
			failed();
	return NULL;
}

static void *working(void *unused)
{
	char *blocks[16], bytes[512];

	(void)unused;
	for (;;) {
		int file = open("/dev/zero", O_RDONLY);

		for (int i = 0; i < 16; i++)
			blocks[i] = malloc(100 + (size_t)i * 50);
		for (int i = 0; i < 16; i++)
			free(blocks[i]);
		if (file < 0 || read(file, bytes, sizeof(bytes)) != sizeof(bytes) ||
		    close(file) != 0)
			abort();
		__atomic_fetch_add(&reads, 1, __ATOMIC_RELAXED);
		usleep(100);
	}
	return NULL;
}

int main(void)
{
	void *(*const works[])(void *) = {blocked, waiting, napping, working};
	pthread_t thread;
	int ends[2];

	if (pipe(ends) != 0)
		return 1;
	for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++)
		if (pthread_create(&thread, NULL, works[i], &ends[0]) != 0)
			return 1;
	for (;;) {
		usleep(50000);
		printf("%lu %lu\n", __atomic_load_n(&reads, __ATOMIC_RELAXED),
		       __atomic_load_n(&interrupted, __ATOMIC_RELAXED));
		fflush(stdout);
	}
}
