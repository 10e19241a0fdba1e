/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for one thing that is known, and prints what a test cannot know
 * beforehand, one line each.
 *
 *   futex ROUNDS      two threads hand a futex to each other
 *   causes COUNT      COUNT sleeps of a millisecond in each of several system calls
 *   touch FILE        maps a file that is not in memory and looks at each page
 *   fill FILE BYTES   reads the file again and again until so much was read
 *   burn MS           uses the CPU until so much time has passed
 *   take BYTES        touches so much memory of its own
 *   contend ROUNDS    four threads map and unmap memory of one process
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static atomic_int turn;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(99);
}

static void hand_over(int mine, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		while (atomic_load(&turn) != mine)
			syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !mine, NULL, NULL, 0);
		atomic_store(&turn, !mine);
		syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

static void *other(void *rounds)
{
	struct rusage usage;

	printf("second %ld\n", syscall(SYS_gettid));
	fflush(stdout);
	hand_over(1, *(int *)rounds);
	getrusage(RUSAGE_THREAD, &usage);
	printf("slept %ld\n", usage.ru_nvcsw);
	return NULL;
}

static int do_futex(char **argv)
{
	int rounds = atoi(argv[0]);
	pthread_t thread;

	printf("first %ld\nfutex %llu\n", syscall(SYS_gettid), (unsigned long long)&turn);
	fflush(stdout);
	if (pthread_create(&thread, NULL, other, &rounds))
		die("pthread_create");
	hand_over(0, rounds);
	pthread_join(thread, NULL);
	return 0;
}

static int do_causes(char **argv)
{
	struct timespec wait = {0, 1000000};
	struct timeval timeout = {0, 1000};
	int pair[2], ring = epoll_create1(0);
	char byte;

	if (ring < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		die("socketpair");
	printf("socket %d\nepoll %d\n", pair[0], ring);
	for (int i = 0; i < atoi(argv[0]); i++) {
		struct epoll_event event;
		sigset_t none;

		nanosleep(&wait, NULL);
		poll(NULL, 0, 1);
		epoll_wait(ring, &event, 1, 1);
		if (recv(pair[0], &byte, 1, 0) != -1 || read(pair[0], &byte, 1) != -1)
			die("recv");
		sigemptyset(&none);
		sigtimedwait(&none, NULL, &wait);
	}
	return 0;
}

static int do_touch(char **argv)
{
	int file = open(argv[0], O_RDONLY);
	struct rusage before, after;
	struct stat status;
	volatile char *at;
	long sum = 0;

	if (file < 0 || fstat(file, &status) || fsync(file) ||
	    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED))
		die("file");
	at = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (at == MAP_FAILED || madvise((void *)at, status.st_size, MADV_RANDOM))
		die("mmap");
	getrusage(RUSAGE_SELF, &before);
	for (off_t i = 0; i < status.st_size; i += PAGE)
		sum += at[i];
	getrusage(RUSAGE_SELF, &after);
	printf("major %ld\nminor %ld\nsum %ld\nslept %ld\n", after.ru_majflt - before.ru_majflt,
	       after.ru_minflt - before.ru_minflt, sum, after.ru_nvcsw - before.ru_nvcsw);
	return 0;
}

static int do_fill(char **argv)
{
	static char data[1 << 16];
	int file = open(argv[0], O_RDONLY);
	unsigned long long left = strtoull(argv[1], NULL, 0);

	while (file >= 0 && left > 0) {
		ssize_t got = read(file, data, sizeof(data));

		if (got < 0 || (got == 0 && lseek(file, 0, SEEK_SET) < 0))
			die("read");
		left = left > (unsigned long long)got ? left - got : 0;
	}
	return file < 0;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static int do_burn(char **argv)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + strtoull(argv[0], NULL, 0) * 1000000;

	while (now_ns(CLOCK_MONOTONIC) < end)
		;
	printf("cpu_us %llu\n", (unsigned long long)now_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000);
	return 0;
}

static int do_take(char **argv)
{
	size_t bytes = strtoull(argv[0], NULL, 0);
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || madvise(at, bytes, MADV_NOHUGEPAGE))
		die("mmap");
	for (size_t i = 0; i < bytes; i += PAGE)
		at[i] = 1;
	return 0;
}

static void *contend(void *rounds)
{
	for (int i = 0; i < *(int *)rounds; i++) {
		char *at = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (at == MAP_FAILED || munmap(at, 64 * PAGE))
			die("mmap");
	}
	return NULL;
}

static int do_contend(char **argv)
{
	int rounds = atoi(argv[0]);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, contend, &rounds))
			die("pthread_create");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **argv);
	} modes[] = {
	    {"futex", 1, do_futex},     {"causes", 1, do_causes}, {"touch", 1, do_touch},
	    {"fill", 2, do_fill},       {"burn", 1, do_burn},     {"take", 1, do_take},
	    {"contend", 1, do_contend},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name) && argc == 2 + modes[i].arguments)
			return modes[i].run(argv + 2);
	return 2;
}
