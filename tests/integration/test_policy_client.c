// SPDX-License-Identifier: Apache-2.0
/*
 * A client for the fabric tests, linked statically: no preload can reach it.
 *
 *   client tcp|udp ADDRESS PORT [bind ADDRESS]
 *
 * Prints what the server answers, which is the address that it saw. A v4-mapped
 * address makes an IPv6 socket that speaks IPv4. In a user's stead: UID=n.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static socklen_t parse(const char *text, int port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((unsigned short)port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
		exit(2);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((unsigned short)port);
	return sizeof(*v6);
}

int main(int count, char **words)
{
	struct timeval wait = {.tv_sec = 3};
	struct sockaddr_storage address;
	const char *uid = getenv("UID");
	char answer[256];
	ssize_t length;
	socklen_t size;
	int fd, type;

	if (count < 4 || (uid && setuid((uid_t)atoi(uid))))
		return 2;
	type = strcmp(words[1], "tcp") ? SOCK_DGRAM : SOCK_STREAM;
	size = parse(words[2], atoi(words[3]), &address);
	fd = socket(address.ss_family, type, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (count == 6) {
		struct sockaddr_storage own;
		socklen_t own_size = parse(words[5], 0, &own);

		if (bind(fd, (struct sockaddr *)&own, own_size)) {
			printf("bind: %s\n", strerror(errno));
			return 1;
		}
	}
	if (connect(fd, (struct sockaddr *)&address, size)) {
		printf("connect: %s\n", strerror(errno));
		return 1;
	}
	if (send(fd, "?", 1, 0) != 1 || (length = recv(fd, answer, sizeof(answer) - 1, 0)) < 0) {
		printf("answer: %s\n", strerror(errno));
		return 1;
	}
	answer[length] = '\0';
	puts(answer);
	return 0;
}
