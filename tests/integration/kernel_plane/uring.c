/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work for a kernel that has io_uring, by its system calls alone, and prints
 * what a test cannot know beforehand, one line each. 77: no io_uring here.
 *
 *   file PATH BLOCKS BYTES   writes and reads back so many blocks, syncs in a worker
 *   socket ROUNDS BYTES      receives before it sends, over TCP on loopback
 *   accept COUNT             one operation that accepts so many connections
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_ACCEPT_MULTISHOT
#define IORING_ACCEPT_MULTISHOT 1
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

static struct {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(99);
}

static void *map(size_t size, off_t at)
{
	void *there =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, at);

	if (there == MAP_FAILED)
		die("mmap");
	return there;
}

static void set_up(void)
{
	struct io_uring_params params = {0};
	char *sq, *cq;

	ring.fd = syscall(SYS_io_uring_setup, 64, &params);
	if (ring.fd < 0)
		_exit(77);
	sq =
	    map(params.sq_off.array + params.sq_entries * sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = map(params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
		 IORING_OFF_CQ_RING);
	ring.sqes = map(params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_tail = (void *)(sq + params.sq_off.tail);
	ring.sq_mask = (void *)(sq + params.sq_off.ring_mask);
	ring.sq_array = (void *)(sq + params.sq_off.array);
	ring.cq_head = (void *)(cq + params.cq_off.head);
	ring.cq_tail = (void *)(cq + params.cq_off.tail);
	ring.cq_mask = (void *)(cq + params.cq_off.ring_mask);
	ring.cqes = (void *)(cq + params.cq_off.cqes);
}

static struct io_uring_sqe *next(int opcode, int fd, uint64_t user_data)
{
	unsigned int at = *ring.sq_tail & *ring.sq_mask;
	struct io_uring_sqe *sqe = &ring.sqes[at];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = fd;
	sqe->user_data = user_data;
	ring.sq_array[at] = at;
	__atomic_store_n(ring.sq_tail, *ring.sq_tail + 1, __ATOMIC_RELEASE);
	return sqe;
}

static void enter(int submit, int wait)
{
	if (syscall(SYS_io_uring_enter, ring.fd, submit, wait, wait ? IORING_ENTER_GETEVENTS : 0,
		    NULL, 0) != submit)
		die("io_uring_enter");
}

static int take(void)
{
	unsigned int head = *ring.cq_head;
	int result;

	if (head == __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE))
		enter(0, 1);
	result = ring.cqes[head & *ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	if (result < 0) {
		errno = -result;
		die("an operation");
	}
	return result;
}

static int do_file(char **argv)
{
	int fd = open(argv[0], O_RDWR | O_CREAT | O_TRUNC, 0600);
	long blocks = atol(argv[1]), bytes = atol(argv[2]), moved = 0;
	char *data = malloc(bytes);

	if (fd < 0 || !data)
		die("file");
	memset(data, 'x', bytes);
	for (int opcode = IORING_OP_WRITE;; opcode = IORING_OP_READ) {
		for (long i = 0; i < blocks; i++) {
			struct io_uring_sqe *sqe = next(opcode, fd, 1000 + i);

			sqe->addr = (uint64_t)data;
			sqe->len = bytes;
			sqe->off = i * bytes;
			enter(1, 0);
			moved += take();
		}
		if (opcode == IORING_OP_READ)
			break;
		next(IORING_OP_FSYNC, fd, 7)->flags = IOSQE_ASYNC;
		enter(1, 1);
		take();
	}
	printf("moved %ld\n", moved);
	return 0;
}

static void listen_on(int fd, struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);

	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (void *)at, size) || listen(fd, 64) || getsockname(fd, (void *)at, &size))
		die("listen");
}

static uint64_t cookie(int fd)
{
	uint64_t value = 0;
	socklen_t size = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &size))
		die("SO_COOKIE");
	return value;
}

static int do_socket(char **argv)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), sender = socket(AF_INET, SOCK_STREAM, 0);
	long rounds = atol(argv[0]), bytes = atol(argv[1]), moved = 0;
	struct sockaddr_in at = {0};
	char *data = calloc(2, bytes);
	int receiver;

	listen_on(listener, &at);
	if (connect(sender, (void *)&at, sizeof(at)))
		die("connect");
	receiver = accept(listener, NULL, NULL);
	printf("sender %llu\nreceiver %llu\n", (unsigned long long)cookie(sender),
	       (unsigned long long)cookie(receiver));
	for (long i = 0; i < rounds; i++) {
		struct io_uring_sqe *sqe = next(IORING_OP_RECV, receiver, 1);

		sqe->addr = (uint64_t)data;
		sqe->len = bytes;
		sqe->msg_flags = MSG_WAITALL;
		enter(1, 0);
		sqe = next(IORING_OP_SEND, sender, 2);
		sqe->addr = (uint64_t)(data + bytes);
		sqe->len = bytes;
		enter(1, 0);
		moved += take();
		moved += take();
	}
	printf("moved %ld\n", moved);
	return 0;
}

static int do_accept(char **argv)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), count = atoi(argv[0]);
	struct sockaddr_in at = {0};

	listen_on(listener, &at);
	next(IORING_OP_ACCEPT, listener, 99)->ioprio = IORING_ACCEPT_MULTISHOT;
	enter(1, 0);
	for (int i = 0; i < count; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (void *)&at, sizeof(at)))
			die("connect");
		close(take());
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **argv);
	} modes[] = {{"file", 3, do_file}, {"socket", 2, do_socket}, {"accept", 1, do_accept}};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (argc > 1 && !strcmp(argv[1], modes[i].name) && argc == 2 + modes[i].arguments) {
			set_up();
			return modes[i].run(argv + 2);
		}
	}
	return 98;
}
