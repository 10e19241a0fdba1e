// SPDX-License-Identifier: Apache-2.0
/* read, write and their variants: on a socket they are net.recv and net.send. */
#define _GNU_SOURCE
#include <sys/uio.h>
#include <unistd.h>

#include "libc/fds.h"

ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t room);

#define IO(name, kind, address, parameters, arguments)                                             \
	WRAP(ssize_t, name, parameters, arguments, anaros_done_io(&call, kind, fd, result, address))

#define READ  ANAROS_KIND_FILE_READ
#define WRITE ANAROS_KIND_FILE_WRITE

/* The first buffer stands for the vector. */
static const void *first_of(const struct iovec *vector, int count)
{
	return count > 0 ? vector[0].iov_base : NULL;
}

IO(read, READ, buffer, (int fd, void *buffer, size_t size), (fd, buffer, size))
IO(__read_chk, READ, buffer, (int fd, void *buffer, size_t size, size_t room),
   (fd, buffer, size, room))
IO(pread, READ, buffer, (int fd, void *buffer, size_t size, off_t offset),
   (fd, buffer, size, offset))
IO(pread64, READ, buffer, (int fd, void *buffer, size_t size, off64_t offset),
   (fd, buffer, size, offset))
IO(__pread_chk, READ, buffer, (int fd, void *buffer, size_t size, off_t offset, size_t room),
   (fd, buffer, size, offset, room))
IO(__pread64_chk, READ, buffer, (int fd, void *buffer, size_t size, off64_t offset, size_t room),
   (fd, buffer, size, offset, room))
IO(readv, READ, first_of(vector, count), (int fd, const struct iovec *vector, int count),
   (fd, vector, count))
IO(preadv, READ, first_of(vector, count),
   (int fd, const struct iovec *vector, int count, off_t offset), (fd, vector, count, offset))
IO(preadv64, READ, first_of(vector, count),
   (int fd, const struct iovec *vector, int count, off64_t offset), (fd, vector, count, offset))
IO(write, WRITE, buffer, (int fd, const void *buffer, size_t size), (fd, buffer, size))
IO(pwrite, WRITE, buffer, (int fd, const void *buffer, size_t size, off_t offset),
   (fd, buffer, size, offset))
IO(pwrite64, WRITE, buffer, (int fd, const void *buffer, size_t size, off64_t offset),
   (fd, buffer, size, offset))
IO(writev, WRITE, first_of(vector, count), (int fd, const struct iovec *vector, int count),
   (fd, vector, count))
IO(pwritev, WRITE, first_of(vector, count),
   (int fd, const struct iovec *vector, int count, off_t offset), (fd, vector, count, offset))
IO(pwritev64, WRITE, first_of(vector, count),
   (int fd, const struct iovec *vector, int count, off64_t offset), (fd, vector, count, offset))

#define IO_LATER(name, kind)                                                                       \
	WRAP_LATER(ssize_t, name,                                                                  \
		   (int fd, const struct iovec *vector, int count, off64_t offset, int flags),     \
		   (fd, vector, count, offset, flags),                                             \
		   anaros_done_io(&call, kind, fd, result, first_of(vector, count)))
IO_LATER(preadv2, READ)
IO_LATER(preadv64v2, READ)
IO_LATER(pwritev2, WRITE)
IO_LATER(pwritev64v2, WRITE)
