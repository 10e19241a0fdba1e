/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each descriptor stands for: a table indexed by descriptor, filled at
 * first use and forgotten when the descriptor is closed or replaced. A
 * descriptor that was closed behind our back (by a raw system call) keeps
 * its old entry until a wrapped call makes it anew.
 */
#ifndef ANAROS_FDS_H
#define ANAROS_FDS_H

#include "core/shim.h"

#define ANAROS_FDS 65536u

struct anaros_fd {
	uint64_t object;
	uint32_t flags; /* ANAROS_FD_* | ANAROS_FLAG_LISTENER; valid bit below */
};

#define ANAROS_FD_VALID 0x10000u

extern struct anaros_fd anaros_fds[ANAROS_FDS] __attribute__((visibility("hidden")));

/* Asks the kernel what `fd` is, and remembers it. */
struct anaros_fd anaros_fd_learn(int fd) COLD;
/* The same, when the descriptor is new: the old entry is not to be trusted. */
struct anaros_fd anaros_fd_new(int fd);
void anaros_fd_forget(int fd);
void anaros_fd_forget_range(unsigned int first, unsigned int last);
/* Sends the path behind `fd` once for each file. */
void anaros_fd_name_file(int fd, uint64_t object);
/* Sends both addresses of a socket. */
void anaros_fd_name_socket(int fd, uint64_t object);

static inline struct anaros_fd anaros_fd_of(int fd)
{
	struct anaros_fd entry;

	if (likely((unsigned int)fd < ANAROS_FDS)) {
		entry.flags = __atomic_load_n(&anaros_fds[fd].flags, __ATOMIC_ACQUIRE);
		entry.object = __atomic_load_n(&anaros_fds[fd].object, __ATOMIC_RELAXED);
		if (likely(entry.flags & ANAROS_FD_VALID))
			return entry;
	}
	return anaros_fd_learn(fd);
}

/*
 * A file is 16 bits of its device and 48 bits of its inode: inode numbers
 * repeat across file systems.
 */
static inline uint64_t anaros_file_object(uint64_t device, uint64_t inode)
{
	return ((device ^ device >> 16 ^ device >> 32) & 0xffff) << 48 |
	       (inode & 0xffffffffffffull);
}

static inline bool anaros_fd_is_socket(struct anaros_fd entry)
{
	return (entry.flags & ANAROS_FLAG_FD_TYPE_MASK) == ANAROS_FD_SOCKET;
}

/* One read or write: on a socket it is net.*, else file.*. */
static inline void anaros_done_io(const struct anaros_call *call, uint16_t kind, int fd,
				  long result, const void *address)
{
	uint64_t end_ns = anaros_now_ns();
	struct anaros_fd entry = anaros_fd_of(fd);
	struct anaros_fields fields = {
	    .kind = kind,
	    .flags = (uint16_t)entry.flags,
	    .status = anaros_status(result),
	    .object = entry.object,
	    .size_bytes = result > 0 ? (uint64_t)result : 0,
	    .address = (uint64_t)(uintptr_t)address,
	};

	if (anaros_fd_is_socket(entry)) {
		fields.flags |= ANAROS_FLAG_ACCOUNTED;
		if (kind == ANAROS_KIND_FILE_READ)
			fields.kind = ANAROS_KIND_NET_RECV;
		else if (kind == ANAROS_KIND_FILE_WRITE)
			fields.kind = ANAROS_KIND_NET_SEND;
	}
	anaros_record_at(call->start_ns, end_ns, &fields);
}

#endif
