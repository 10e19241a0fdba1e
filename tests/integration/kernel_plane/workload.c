/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does one thing whose trace in the kernel is known, and prints what a test
 * cannot know beforehand (thread ids, cookies, counters), one line each.
 *
 *   sleep COUNT US          COUNT sleeps of US
 *   pingpong ROUNDS         two threads wake each other through pipes
 *   spin MS CPU             burns MS of CPU time on that CPU
 *   hop COUNT               moves between CPU 0 and 1
 *   threads COUNT           starts and joins COUNT threads, then exits 5
 *   write FILE COUNT BYTES  O_DIRECT writes, then fdatasync
 *   buffered FILE BYTES     a write that nobody syncs
 *   tcp ROUNDS              client and server on loopback, keep-alive
 *   echo ROUNDS             two processes answer each other on loopback
 *   loss MS                 a receiver that drops every segment for MS
 *   flood COUNT BYTES       datagrams to its own socket, which nobody reads
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(99);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void rest_us(long us)
{
	struct timespec wait = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&wait, NULL);
}

static int do_sleep(char **argv)
{
	for (int i = 0; i < atoi(argv[0]); i++)
		rest_us(atol(argv[1]));
	return 0;
}

struct pair {
	int in, out, rounds;
};

static void *answer(void *data)
{
	struct pair *pair = data;
	struct rusage usage;
	char byte;

	printf("second %ld\n", syscall(SYS_gettid));
	fflush(stdout);
	for (int i = 0; i < pair->rounds; i++)
		if (read(pair->in, &byte, 1) != 1 || write(pair->out, &byte, 1) != 1)
			die("answer");
	getrusage(RUSAGE_THREAD, &usage);
	printf("slept %ld\n", usage.ru_nvcsw);
	return NULL;
}

static int do_pingpong(char **argv)
{
	int there[2], back[2];
	struct pair pair = {.rounds = atoi(argv[0])};
	struct timespec begin, end;
	pthread_t thread;
	char byte = 1;

	if (pipe(there) || pipe(back))
		die("pipe");
	pair.in = there[0];
	pair.out = back[1];
	printf("first %ld\n", syscall(SYS_gettid));
	fflush(stdout);
	if (pthread_create(&thread, NULL, answer, &pair))
		die("pthread_create");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	for (int i = 0; i < pair.rounds; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("ping");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	pthread_join(thread, NULL);
	printf("cpu_ns %lld\n",
	       (end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec);
	return 0;
}

static int do_spin(char **argv)
{
	struct timespec used;

	pin(atoi(argv[1]));
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < atol(argv[0]));
	return 0;
}

static int do_hop(char **argv)
{
	for (int i = 0; i < atoi(argv[0]); i++)
		pin(i & 1);
	return 0;
}

static void *nothing(void *data)
{
	return data;
}

static int do_threads(char **argv)
{
	pthread_t thread;

	for (int i = 0; i < atoi(argv[0]); i++)
		if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
			die("thread");
	return 5;
}

static int do_write(char **argv)
{
	size_t bytes = strtoul(argv[2], NULL, 0);
	int file = open(argv[0], O_CREAT | O_WRONLY | O_DIRECT, 0600);
	void *data;

	if (file < 0)
		die("open");
	if (posix_memalign(&data, 4096, bytes))
		die("posix_memalign");
	memset(data, 7, bytes);
	for (int i = 0; i < atoi(argv[1]); i++)
		if (pwrite(file, data, bytes, (off_t)i * bytes) != (ssize_t)bytes)
			die("pwrite");
	if (fdatasync(file))
		die("fdatasync");
	return 0;
}

static int do_buffered(char **argv)
{
	size_t bytes = strtoul(argv[1], NULL, 0);
	int file = open(argv[0], O_CREAT | O_WRONLY, 0600);
	char *data = calloc(1, bytes);

	if (file < 0 || write(file, data, bytes) != (ssize_t)bytes)
		die("write");
	return 0;
}

static uint64_t cookie(int fd)
{
	uint64_t value = 0;
	socklen_t size = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &size))
		die("SO_COOKIE");
	return value;
}

/* A connected pair on loopback: [0] the client, [1] accepted, [2] the listener. */
static void connect_pair(int fd[3])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd[2] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd[2], (void *)&address, sizeof(address)) || listen(fd[2], 8))
		die("listen");
	getsockname(fd[2], (void *)&address, &size);
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd[0], (void *)&address, sizeof(address)))
		die("connect");
	fd[1] = accept(fd[2], NULL, NULL);
	if (fd[1] < 0)
		die("accept");
	printf("client %llu\naccepted %llu\nlistener %llu\n", (unsigned long long)cookie(fd[0]),
	       (unsigned long long)cookie(fd[1]), (unsigned long long)cookie(fd[2]));
	fflush(stdout);
}

static int do_tcp(char **argv)
{
	int fd[3];
	char text[256] = "";

	connect_pair(fd);
	for (int i = 0; i < atoi(argv[0]); i++) {
		if (send(fd[0], text, sizeof(text), 0) != sizeof(text) ||
		    recv(fd[1], text, sizeof(text), MSG_WAITALL) != sizeof(text))
			die("there");
		if (send(fd[1], text, sizeof(text), 0) != sizeof(text) ||
		    recv(fd[0], text, sizeof(text), MSG_WAITALL) != sizeof(text))
			die("back");
	}
	close(fd[0]);
	close(fd[1]);
	close(fd[2]);
	return 0;
}

static int do_echo(char **argv)
{
	int rounds = atoi(argv[0]), fd[3];
	char byte = 1;
	pid_t child;

	connect_pair(fd);
	child = fork();
	for (int i = 0; i < rounds; i++) {
		if (child && send(fd[0], &byte, 1, 0) != 1)
			die("send");
		if (recv(fd[child ? 0 : 1], &byte, 1, 0) != 1)
			die("recv");
		if (!child && send(fd[1], &byte, 1, 0) != 1)
			die("send");
	}
	if (!child)
		_exit(0);
	printf("child %d\n", child);
	return 0;
}

/* RetransSegs of this network namespace: the line of values below the line of names. */
static long retransmitted(void)
{
	char names[1024], values[1024], *name, *value, *next_name, *next_value;
	FILE *file = fopen("/proc/self/net/snmp", "r");
	long result = -1;

	while (file && fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		if (strncmp(names, "Tcp:", 4))
			continue;
		name = strtok_r(names, " \n", &next_name);
		value = strtok_r(values, " \n", &next_value);
		for (; name && value; name = strtok_r(NULL, " \n", &next_name),
				      value = strtok_r(NULL, " \n", &next_value))
			if (!strcmp(name, "RetransSegs"))
				result = atol(value);
	}
	if (file)
		fclose(file);
	return result;
}

/* What the kernel dropped on its way to this socket: every one that it tells of as a drop. */
static unsigned int dropped(int fd)
{
	unsigned int memory[SK_MEMINFO_VARS];
	socklen_t size = sizeof(memory);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size))
		die("SO_MEMINFO");
	return memory[SK_MEMINFO_DROPS];
}

/* Until all is acknowledged: the counters are final then, however late the segments were. */
static void settle(int fd)
{
	struct tcp_info info = {.tcpi_unacked = 1};

	for (int i = 0; i < 5000 && info.tcpi_unacked; i++) {
		socklen_t size = sizeof(info);

		rest_us(1000);
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
			die("TCP_INFO");
	}
}

static int do_loss(char **argv)
{
	struct sock_filter drop = {BPF_RET | BPF_K, 0, 0, 0};
	struct sock_fprog program = {1, &drop};
	char text[64] = "";
	long before;
	int fd[3];

	connect_pair(fd);
	before = retransmitted();
	if (setsockopt(fd[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		die("SO_ATTACH_FILTER");
	if (send(fd[0], text, sizeof(text), 0) != sizeof(text))
		die("send");
	rest_us(atol(argv[0]) * 1000);
	setsockopt(fd[1], SOL_SOCKET, SO_DETACH_FILTER, &program, sizeof(program));
	if (recv(fd[1], text, sizeof(text), MSG_WAITALL) != sizeof(text))
		die("recv");
	settle(fd[0]);
	printf("retransmitted %ld\ndropped %u\n", retransmitted() - before, dropped(fd[1]));
	return 0;
}

static int do_flood(char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = atoi(argv[1]), room = 4096;
	char *data = calloc(1, bytes);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(fd, (void *)&address, sizeof(address)))
		die("bind");
	getsockname(fd, (void *)&address, &size);
	printf("cookie %llu\n", (unsigned long long)cookie(fd));
	for (int i = 0; i < atoi(argv[0]); i++)
		sendto(fd, data, bytes, 0, (void *)&address, sizeof(address));
	rest_us(60000); /* what is queued goes out before the namespace goes */
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **argv);
	} modes[] = {
	    {"sleep", 2, do_sleep},       {"pingpong", 1, do_pingpong}, {"spin", 2, do_spin},
	    {"hop", 1, do_hop},           {"threads", 1, do_threads},   {"write", 3, do_write},
	    {"buffered", 2, do_buffered}, {"tcp", 1, do_tcp},           {"echo", 1, do_echo},
	    {"loss", 1, do_loss},         {"flood", 2, do_flood},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name) && argc == 2 + modes[i].arguments)
			return modes[i].run(argv + 2);
	return 2;
}
