// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a library as kvikIO does, and moves bytes with it.
 *
 *   cufile_program LIBRARY FILE GO            each way once GO exists
 *   cufile_program LIBRARY FILE GO COUNT      COUNT reads of 4 KiB, and ns of each
 *
 * Says what it moved, and where.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BYTES (256 * 1024)

typedef ssize_t (*transfer)(void *, void *, size_t, off_t, off_t);
typedef ssize_t (*vectors)(void *, const struct iovec *, size_t, off_t, unsigned int);
typedef int (*enqueue)(void *, void *, size_t *, off_t *, off_t *, ssize_t *, void *);

static void *library;
static char buffer[2 * BYTES];

static void *find(const char *name)
{
	void *function = dlsym(library, name);

	if (function == NULL)
		exit(3);
	return function;
}

static void *handle(int fd, int way)
{
	return (void *)((uintptr_t)fd | (uintptr_t)way << 16);
}

static long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

static void wait_for(const char *path)
{
	struct timespec rest = {0, 2000000};
	struct stat status;

	for (int i = 0; stat(path, &status) != 0; i++) {
		if (i == 10000)
			exit(4);
		nanosleep(&rest, NULL);
	}
}

static void each_way(int fd)
{
	struct iovec list[] = {{buffer, 1000}, {buffer + 5000, 3000}};
	transfer reads = (transfer)find("cuFileRead"), writes = (transfer)find("cuFileWrite");
	size_t bytes = 8192;
	off_t offset = 4096, place = 100;
	ssize_t result = 0;

	printf("written %zd\n", writes(handle(fd, 1), buffer, BYTES, 0, 512));
	printf("read %zd\n", reads(handle(fd, 0), buffer, BYTES, 0, BYTES));
	printf("short %zd\n", reads(handle(fd, 2), buffer, 8192, BYTES - 1000, 0));
	printf("failed %zd\n", reads(handle(9999, 1), buffer, 512, 0, 0));
	printf("vectors %zd\n", ((vectors)find("cuFileReadv"))(handle(fd, 1), list, 2, 0, 0));
	((enqueue)find("cuFileReadAsync"))(handle(fd, 1), buffer, &bytes, &offset, &place, &result,
					   NULL);
	printf("asynchronous %zd\n", result);
	printf("buffer %lu\n", (unsigned long)(uintptr_t)buffer);
}

int main(int count, char **words)
{
	int fd = open(words[2], O_RDWR | O_CREAT, 0600);
	long start_ns;

	library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
	if (library == NULL || fd < 0)
		return 2;
	wait_for(words[3]);
	if (count < 5) {
		each_way(fd);
		return 0;
	}
	if (pwrite(fd, buffer, 4096, 0) != 4096)
		return 5;
	start_ns = now_ns();
	for (int i = 0; i < atoi(words[4]); i++)
		((transfer)find("cuFileRead"))(handle(fd, 1), buffer, 4096, 0, 0);
	printf("each_ns %ld\n", (now_ns() - start_ns) / atoi(words[4]));
	return 0;
}
