// SPDX-License-Identifier: Apache-2.0
/* Sockets: their life, their peers, and the bytes that pass. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>

#include "libc/fds.h"

ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags,
		       struct sockaddr *from, socklen_t *from_size);

/* One call that acted on socket `fd`, with what else it tells. */
static void acted(const struct anaros_call *call, uint16_t kind, int fd, struct anaros_fields *more,
		  uint64_t end_ns)
{
	struct anaros_fd entry = anaros_fd_of(fd);

	more->kind = kind;
	more->flags |= (uint16_t)entry.flags;
	more->object = entry.object;
	anaros_record_at(call->start_ns, end_ns, more);
}

EXPORT int socket(int family, int type, int protocol)
{
	struct anaros_call call;
	struct anaros_fields fields = {.size_bytes = (uint64_t)family, .address = (uint64_t)type};
	int fd;

	if (!anaros_enter(&call))
		return REAL(socket)(family, type, protocol);
	fd = REAL(socket)(family, type, protocol);
	fields.status = fd < 0 ? -errno : fd;
	if (fd >= 0)
		anaros_fd_forget(fd);
	acted(&call, ANAROS_KIND_NET_SOCKET, fd, &fields, anaros_now_ns());
	return fd;
}

/* Two records; the context of each is the cookie of the other end. */
EXPORT int socketpair(int family, int type, int protocol, int fds[2])
{
	struct anaros_call call;
	struct anaros_fields fields = {.size_bytes = (uint64_t)family, .address = (uint64_t)type};
	uint64_t end_ns;
	int result;

	if (!anaros_enter(&call))
		return REAL(socketpair)(family, type, protocol, fds);
	result = REAL(socketpair)(family, type, protocol, fds);
	end_ns = anaros_now_ns();
	if (result != 0) {
		fields.status = -errno;
		acted(&call, ANAROS_KIND_NET_SOCKET, -1, &fields, end_ns);
		return result;
	}
	for (int i = 0; i < 2; i++)
		anaros_fd_forget(fds[i]);
	for (int i = 0; i < 2; i++) {
		fields.status = fds[i];
		fields.flags = 0;
		fields.context = anaros_fd_of(fds[1 - i]).object;
		acted(&call, ANAROS_KIND_NET_SOCKET, fds[i], &fields, end_ns);
	}
	return result;
}

EXPORT int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	struct anaros_call call;
	struct anaros_fields fields = {0};
	int result;

	if (!anaros_enter(&call))
		return REAL(bind)(fd, address, size);
	result = REAL(bind)(fd, address, size);
	fields.status = anaros_status(result);
	acted(&call, ANAROS_KIND_NET_BIND, fd, &fields, anaros_now_ns());
	return result;
}

EXPORT int listen(int fd, int backlog)
{
	struct anaros_call call;
	struct anaros_fields fields = {.size_bytes = (uint64_t)backlog};
	struct anaros_fd entry;
	uint64_t end_ns;
	int result;

	if (!anaros_enter(&call))
		return REAL(listen)(fd, backlog);
	result = REAL(listen)(fd, backlog);
	end_ns = anaros_now_ns();
	fields.status = anaros_status(result);
	entry = anaros_fd_new(fd); /* from now on it accepts */
	if (result == 0)
		anaros_fd_name_socket(fd, entry.object);
	acted(&call, ANAROS_KIND_NET_LISTEN, fd, &fields, end_ns);
	return result;
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	struct anaros_call call;
	struct anaros_fields fields = {0};
	uint64_t end_ns;
	int result;

	if (!anaros_enter(&call))
		return REAL(connect)(fd, address, size);
	result = REAL(connect)(fd, address, size);
	end_ns = anaros_now_ns();
	fields.status = anaros_status(result);
	if (result == 0 || fields.status == -EINPROGRESS)
		anaros_fd_name_socket(fd, anaros_fd_of(fd).object);
	acted(&call, ANAROS_KIND_NET_CONNECT, fd, &fields, end_ns);
	return result;
}

static void accepted(const struct anaros_call *call, int listener, int fd)
{
	uint64_t end_ns = anaros_now_ns();
	struct anaros_fields fields = {.status = fd < 0 ? -errno : fd};

	fields.address = anaros_fd_of(listener).object;
	if (fd >= 0) {
		struct anaros_fd entry = anaros_fd_new(fd);

		anaros_fd_name_socket(fd, entry.object);
	}
	acted(call, ANAROS_KIND_NET_ACCEPT, fd, &fields, end_ns);
}

WRAP(int, accept, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size),
     accepted(&call, fd, result))
WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags),
     (fd, address, size, flags), accepted(&call, fd, result))

static void passed(const struct anaros_call *call, uint16_t kind, int fd, ssize_t result, int flags,
		   const void *buffer)
{
	uint64_t end_ns = anaros_now_ns();
	struct anaros_fd entry = anaros_fd_of(fd);

	anaros_record_at(
	    call->start_ns, end_ns,
	    &(struct anaros_fields){
		.kind = kind,
		.flags = (uint16_t)(entry.flags | ((flags & MSG_PEEK) ? ANAROS_FLAG_PEEK : 0)),
		.status = anaros_status(result),
		.object = entry.object,
		.size_bytes = result > 0 ? (uint64_t)result : 0,
		.address = (uintptr_t)buffer,
	    });
}

static const void *first_buffer(const struct msghdr *message)
{
	return message != NULL && message->msg_iovlen > 0 ? message->msg_iov[0].iov_base : NULL;
}

#define PASS(name, kind, parameters, arguments, buffer)                                            \
	WRAP(ssize_t, name, parameters, arguments, passed(&call, kind, fd, result, flags, buffer))
#define RECV ANAROS_KIND_NET_RECV
#define SEND ANAROS_KIND_NET_SEND
PASS(recv, RECV, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags), buffer)
PASS(__recv_chk, RECV, (int fd, void *buffer, size_t size, size_t room, int flags),
     (fd, buffer, size, room, flags), buffer)
PASS(recvfrom, RECV,
     (int fd, void *restrict buffer, size_t size, int flags, struct sockaddr *restrict from,
      socklen_t *restrict from_size),
     (fd, buffer, size, flags, from, from_size), buffer)
PASS(__recvfrom_chk, RECV,
     (int fd, void *buffer, size_t size, size_t room, int flags, struct sockaddr *from,
      socklen_t *from_size),
     (fd, buffer, size, room, flags, from, from_size), buffer)
PASS(send, SEND, (int fd, const void *buffer, size_t size, int flags), (fd, buffer, size, flags),
     buffer)
PASS(sendto, SEND,
     (int fd, const void *buffer, size_t size, int flags, const struct sockaddr *to,
      socklen_t to_size),
     (fd, buffer, size, flags, to, to_size), buffer)
PASS(sendmsg, SEND, (int fd, const struct msghdr *message, int flags), (fd, message, flags),
     first_buffer(message))

/* Descriptors that came in a message are new, whatever the table says. */
static void forget_passed_descriptors(const struct msghdr *message)
{
	struct cmsghdr *item;

	if (message->msg_control == NULL || message->msg_controllen < sizeof(*item))
		return;
	for (item = CMSG_FIRSTHDR(message); item != NULL;
	     item = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, item)) {
		if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= item->cmsg_len;
		     at += sizeof(int)) {
			int fd;

			memcpy(&fd, (const char *)item + at, sizeof(fd));
			anaros_fd_forget(fd);
		}
	}
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	struct anaros_call call;
	ssize_t result;

	if (!anaros_enter(&call))
		return REAL(recvmsg)(fd, message, flags);
	result = REAL(recvmsg)(fd, message, flags);
	if (result >= 0)
		forget_passed_descriptors(message);
	passed(&call, RECV, fd, result, flags, first_buffer(message));
	return result;
}

static ssize_t bytes_of(const struct mmsghdr *messages, int count)
{
	ssize_t bytes = count < 0 ? -1 : 0;

	for (int i = 0; i < count; i++)
		bytes += messages[i].msg_len;
	return bytes;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags,
		    struct timespec *timeout)
{
	struct anaros_call call;
	int result;

	if (!anaros_enter(&call))
		return REAL(recvmmsg)(fd, messages, count, flags, timeout);
	result = REAL(recvmmsg)(fd, messages, count, flags, timeout);
	for (int i = 0; i < result; i++)
		forget_passed_descriptors(&messages[i].msg_hdr);
	passed(&call, RECV, fd, bytes_of(messages, result), flags,
	       count > 0 ? first_buffer(&messages[0].msg_hdr) : NULL);
	return result;
}

WRAP(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned int count, int flags),
     (fd, messages, count, flags),
     passed(&call, SEND, fd, bytes_of(messages, result), flags,
	    count > 0 ? first_buffer(&messages[0].msg_hdr) : NULL))

EXPORT int shutdown(int fd, int how)
{
	struct anaros_call call;
	struct anaros_fields fields = {.size_bytes = (uint64_t)how};
	int result;

	if (!anaros_enter(&call))
		return REAL(shutdown)(fd, how);
	result = REAL(shutdown)(fd, how);
	fields.status = anaros_status(result);
	acted(&call, ANAROS_KIND_NET_SHUTDOWN, fd, &fields, anaros_now_ns());
	return result;
}
