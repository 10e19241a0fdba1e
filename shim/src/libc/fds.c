// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "libc/fds.h"
#include "core/sys.h"

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

struct anaros_fd anaros_fds[ANAROS_FDS];

static long sys_getsockopt(int fd, int name, void *value, unsigned int *size)
{
	return sys_call6(SYS_getsockopt, fd, SOL_SOCKET, name, (long)value, (long)size, 0);
}

static struct anaros_fd of_socket(int fd)
{
	struct anaros_fd entry = {.flags = ANAROS_FD_SOCKET | ANAROS_FD_VALID};
	unsigned int size = sizeof(entry.object);
	int listens = 0;

	if (sys_getsockopt(fd, SO_COOKIE, &entry.object, &size) != 0)
		entry.object = 0;
	size = sizeof(listens);
	if (sys_getsockopt(fd, SO_ACCEPTCONN, &listens, &size) == 0 && listens)
		entry.flags |= ANAROS_FLAG_LISTENER;
	return entry;
}

/*
 * What has no inode of its own (eventfd, epoll, timerfd share one) is the
 * descriptor in its process.
 */
static struct anaros_fd of_stat(int fd, const struct stat *status)
{
	struct anaros_fd entry = {.flags = ANAROS_FD_VALID};

	entry.object = anaros_file_object(status->st_dev, status->st_ino);
	switch (status->st_mode & S_IFMT) {
	case S_IFREG:
		entry.flags |= ANAROS_FD_REGULAR;
		break;
	case S_IFDIR:
		entry.flags |= ANAROS_FD_DIRECTORY;
		break;
	case S_IFIFO:
		entry.flags |= ANAROS_FD_PIPE;
		break;
	case S_IFCHR:
		entry.flags |= ANAROS_FD_CHARACTER;
		break;
	case S_IFBLK:
		entry.flags |= ANAROS_FD_BLOCK;
		break;
	default:
		entry.flags |= ANAROS_FD_ANONYMOUS;
		entry.object =
		    1ull << 63 | (uint64_t)anaros_thread.pid << 24 | ((uint64_t)fd & 0xffffff);
	}
	return entry;
}

struct anaros_fd anaros_fd_learn(int fd)
{
	struct anaros_fd entry = {.flags = ANAROS_FD_UNKNOWN};
	struct stat status;

	/* fstat by the kernel's own name: glibc's is one that we wrap. */
	if (fd < 0 || SYS3(SYS_fstat, fd, &status, 0) != 0)
		return entry;
	entry = (status.st_mode & S_IFMT) == S_IFSOCK ? of_socket(fd) : of_stat(fd, &status);
	if ((unsigned int)fd < ANAROS_FDS) {
		__atomic_store_n(&anaros_fds[fd].object, entry.object, __ATOMIC_RELAXED);
		/* Release: who sees the valid bit sees the object. */
		__atomic_store_n(&anaros_fds[fd].flags, entry.flags, __ATOMIC_RELEASE);
	}
	return entry;
}

struct anaros_fd anaros_fd_new(int fd)
{
	anaros_fd_forget(fd);
	return anaros_fd_learn(fd);
}

void anaros_fd_forget(int fd)
{
	if ((unsigned int)fd < ANAROS_FDS)
		__atomic_store_n(&anaros_fds[fd].flags, 0, __ATOMIC_RELEASE);
}

void anaros_fd_forget_range(unsigned int first, unsigned int last)
{
	if (last >= ANAROS_FDS)
		last = ANAROS_FDS - 1;
	for (unsigned int fd = first; fd <= last; fd++)
		/* Reading first keeps pages that were never used untouched. */
		if (anaros_fds[fd].flags != 0)
			anaros_fd_forget((int)fd);
}

static uint64_t hash(const char *text, size_t size)
{
	uint64_t value = 0xcbf29ce484222325ull; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		value = (value ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return value;
}

static size_t decimal(char *out, unsigned int number)
{
	char digits[12];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	for (size_t i = 0; i < count; i++)
		out[i] = digits[count - 1 - i];
	return count;
}

void anaros_fd_name_file(int fd, uint64_t object)
{
	char link[32] = "/proc/self/fd/";
	char path[1024];
	long length;

	if (fd < 0 || anaros_control->hide_names)
		return;
	link[14 + decimal(link + 14, (unsigned int)fd)] = '\0';
	length = sys_readlink(link, path, sizeof(path));
	if (length > 0 && anaros_name_is_new(object, hash(path, (size_t)length)))
		anaros_name(ANAROS_NAME_FILE, object, path, (size_t)length);
}

/* Raw addresses; the drain's reader spells them out (store/names.py). */
struct socket_name {
	uint32_t type;
	uint32_t local_size;
	uint32_t peer_size;
	uint32_t reserved;
	struct sockaddr_in6 local;
	struct sockaddr_in6 peer;
};

void anaros_fd_name_socket(int fd, uint64_t object)
{
	struct socket_name name;
	unsigned int size;

	if (fd < 0 || object == 0 || anaros_control->hide_names)
		return;
	memset(&name, 0, sizeof(name));
	size = sizeof(name.type);
	sys_getsockopt(fd, SO_TYPE, &name.type, &size);
	size = sizeof(name.local);
	if (SYS3(SYS_getsockname, fd, &name.local, &size) == 0)
		name.local_size = size < sizeof(name.local) ? size : sizeof(name.local);
	size = sizeof(name.peer);
	if (SYS3(SYS_getpeername, fd, &name.peer, &size) == 0)
		name.peer_size = size < sizeof(name.peer) ? size : sizeof(name.peer);
	if (anaros_name_is_new(object, hash((const char *)&name, sizeof(name))))
		anaros_name(ANAROS_NAME_SOCKET, object, &name, sizeof(name));
}
