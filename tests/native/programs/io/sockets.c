// SPDX-License-Identifier: Apache-2.0
/* Description: a TCP connection and a socket pair, call by call. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "harness.h"

static struct harness harness;
static char buffer[64];

static struct anaros_record last(uint16_t kind)
{
	struct harness_search found = harness_find(&harness, (struct wanted){.kind = kind});

	CHECK(found.count > 0);
	return found.last;
}

static uint64_t cookie(int fd)
{
	uint64_t value = 0;
	socklen_t size = sizeof(value);

	CHECK(getsockopt(fd, SOL_SOCKET, 57 /* SO_COOKIE */, &value, &size) == 0);
	return value;
}

static void pair(void)
{
	struct iovec vector = {buffer, 9};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	CHECK_EQUAL(last(ANAROS_KIND_NET_SOCKET).context ^ last(ANAROS_KIND_NET_SOCKET).object,
		    cookie(fds[0]) ^ cookie(fds[1]));
	CHECK_EQUAL(sendmsg(fds[0], &message, 0), 9);
	CHECK_EQUAL(last(ANAROS_KIND_NET_SEND).size_bytes, 9);
	CHECK_EQUAL(last(ANAROS_KIND_NET_SEND).address, (uintptr_t)buffer);
	CHECK_EQUAL(recvmsg(fds[1], &message, 0), 9);
	CHECK_EQUAL(last(ANAROS_KIND_NET_RECV).object, cookie(fds[1]));
	CHECK_EQUAL(write(fds[0], buffer, 5), 5);
	CHECK_EQUAL(last(ANAROS_KIND_NET_SEND).size_bytes, 5);
	CHECK_EQUAL(read(fds[1], buffer, 64), 5);
	CHECK_EQUAL(last(ANAROS_KIND_NET_RECV).size_bytes, 5);
}

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd ready;
	int server;

	harness = harness_open();
	CHECK(bind(listener, (struct sockaddr *)&address, size) == 0);
	CHECK(listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	CHECK(connect(client, (struct sockaddr *)&address, size) == 0);
	CHECK_EQUAL(last(ANAROS_KIND_NET_CONNECT).object, cookie(client));
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK_EQUAL(last(ANAROS_KIND_NET_ACCEPT).object, cookie(server));
	CHECK_EQUAL(last(ANAROS_KIND_NET_ACCEPT).address, cookie(listener));
	CHECK_EQUAL(send(client, "0123456789", 10, 0), 10);
	ready = (struct pollfd){.fd = server, .events = POLLIN};
	CHECK_EQUAL(poll(&ready, 1, 1000), 1);
	CHECK_EQUAL(last(ANAROS_KIND_POLL_WAIT).status, 1);
	CHECK_EQUAL(recv(server, buffer, 4, MSG_PEEK), 4);
	CHECK(last(ANAROS_KIND_NET_RECV).flags & ANAROS_FLAG_PEEK);
	CHECK_EQUAL(recvfrom(server, buffer, 64, 0, NULL, NULL), 10);
	CHECK(!(last(ANAROS_KIND_NET_RECV).flags & ANAROS_FLAG_PEEK));
	CHECK_EQUAL(last(ANAROS_KIND_NET_RECV).object, cookie(server));
	CHECK_EQUAL(sendto(server, buffer, 3, 0, NULL, 0), 3);
	CHECK(shutdown(server, SHUT_RDWR) == 0);
	CHECK_EQUAL(last(ANAROS_KIND_NET_SHUTDOWN).object, cookie(server));
	CHECK(close(server) == 0);
	CHECK_EQUAL(last(ANAROS_KIND_NET_CLOSE).kind, ANAROS_KIND_NET_CLOSE);
	pair();
	return 0;
}
