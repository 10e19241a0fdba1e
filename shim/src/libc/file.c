// SPDX-License-Identifier: Apache-2.0
/* open and its variants, sync, mappings, and copies inside the kernel. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "libc/fds.h"

/* The _FORTIFY_SOURCE entries have no public declaration. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);
int __openat64_2(int directory, const char *path, int flags);

static int opened(const struct anaros_call *call, int fd)
{
	uint64_t end_ns = anaros_now_ns();
	struct anaros_fd entry = {0};
	struct anaros_fields fields = {.kind = ANAROS_KIND_FILE_OPEN};

	fields.status = fd < 0 ? -errno : fd;
	if (fd >= 0) {
		entry = anaros_fd_new(fd);
		anaros_fd_name_file(fd, entry.object);
	}
	fields.flags = (uint16_t)entry.flags;
	fields.object = entry.object;
	anaros_record_at(call->start_ns, end_ns, &fields);
	return fd;
}

static bool takes_mode(int flags)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

#define MODE_OF(flags, mode)                                                                       \
	do {                                                                                       \
		va_list list;                                                                      \
		va_start(list, flags);                                                             \
		mode = takes_mode(flags) ? va_arg(list, mode_t) : 0;                               \
		va_end(list);                                                                      \
	} while (0)

#define OPEN(name)                                                                                 \
	EXPORT int name(const char *path, int flags, ...)                                          \
	{                                                                                          \
		struct anaros_call call;                                                           \
		mode_t mode;                                                                       \
                                                                                                   \
		MODE_OF(flags, mode);                                                              \
		if (!anaros_enter(&call))                                                          \
			return REAL(name)(path, flags, mode);                                      \
		return opened(&call, REAL(name)(path, flags, mode));                               \
	}
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
	EXPORT int name(int directory, const char *path, int flags, ...)                           \
	{                                                                                          \
		struct anaros_call call;                                                           \
		mode_t mode;                                                                       \
                                                                                                   \
		MODE_OF(flags, mode);                                                              \
		if (!anaros_enter(&call))                                                          \
			return REAL(name)(directory, path, flags, mode);                           \
		return opened(&call, REAL(name)(directory, path, flags, mode));                    \
	}
OPENAT(openat)
OPENAT(openat64)

#define CREAT(name)                                                                                \
	WRAP(int, name, (const char *path, mode_t mode), (path, mode), opened(&call, result))
CREAT(creat)
CREAT(creat64)

#define OPEN_2(name)                                                                               \
	WRAP(int, name, (const char *path, int flags), (path, flags), opened(&call, result))
OPEN_2(__open_2)
OPEN_2(__open64_2)

#define OPENAT_2(name)                                                                             \
	WRAP(int, name, (int directory, const char *path, int flags), (directory, path, flags),    \
	     opened(&call, result))
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)

static void synced(const struct anaros_call *call, int fd, int result, uint64_t address,
		   uint64_t size)
{
	uint64_t end_ns = anaros_now_ns();
	struct anaros_fields fields = {
	    .kind = ANAROS_KIND_FILE_SYNC,
	    .status = anaros_status(result),
	    .address = address,
	    .size_bytes = size,
	};

	if (fd >= 0) {
		struct anaros_fd entry = anaros_fd_of(fd);

		fields.flags = (uint16_t)entry.flags;
		fields.object = entry.object;
	}
	anaros_record_at(call->start_ns, end_ns, &fields);
}

#define SYNC(name) WRAP(int, name, (int fd), (fd), synced(&call, fd, result, 0, 0))
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)
WRAP(int, sync_file_range, (int fd, off64_t offset, off64_t size, unsigned int flags),
     (fd, offset, size, flags), synced(&call, fd, result, 0, (uint64_t)size))
WRAP(int, msync, (void *at, size_t size, int flags), (at, size, flags),
     synced(&call, -1, result, (uintptr_t)at, size))

/*
 * Where files are mapped, so that munmap of other memory (an allocator's)
 * costs a look-up and no record. Open addressing, never rehashed; a full
 * neighbourhood only loses the munmap record of that mapping.
 */
#define MAPPINGS 4096u
#define PROBES   8u

static uint64_t mappings[MAPPINGS];

static uint64_t *mapping_slot(uint64_t at, uint64_t wanted)
{
	uint32_t first = (uint32_t)((at >> 12) * 0x9e3779b1u);

	for (uint32_t i = 0; i < PROBES; i++) {
		uint64_t *slot = &mappings[(first + i) % MAPPINGS];

		if (__atomic_load_n(slot, __ATOMIC_RELAXED) == wanted)
			return slot;
	}
	return NULL;
}

static void mapped(const struct anaros_call *call, void *at, size_t size, int fd)
{
	uint64_t end_ns = anaros_now_ns();
	struct anaros_fd entry = anaros_fd_of(fd);
	struct anaros_fields fields = {
	    .kind = ANAROS_KIND_FILE_MMAP,
	    .flags = (uint16_t)entry.flags,
	    .status = at == MAP_FAILED ? -errno : 0,
	    .object = entry.object,
	    .size_bytes = at == MAP_FAILED ? 0 : size,
	    .address = at == MAP_FAILED ? 0 : (uintptr_t)at,
	};
	uint64_t *slot = at == MAP_FAILED ? NULL : mapping_slot((uintptr_t)at, 0);

	if (slot != NULL)
		__atomic_store_n(slot, (uintptr_t)at, __ATOMIC_RELAXED);
	anaros_record_at(call->start_ns, end_ns, &fields);
}

#define MMAP(name)                                                                                 \
	WRAP_IF((flags & MAP_ANONYMOUS) == 0 && fd >= 0, void *, name,                             \
		(void *at, size_t size, int protection, int flags, int fd, off_t offset),          \
		(at, size, protection, flags, fd, offset), mapped(&call, result, size, fd))
MMAP(mmap)
MMAP(mmap64)

EXPORT int munmap(void *at, size_t size)
{
	struct anaros_call call;
	uint64_t *slot = mapping_slot((uintptr_t)at, (uintptr_t)at);
	int result;

	if (slot == NULL || at == NULL || !anaros_enter(&call))
		return REAL(munmap)(at, size);
	/* Before the call: another thread may map the same place right after. */
	__atomic_store_n(slot, 0, __ATOMIC_RELAXED);
	result = REAL(munmap)(at, size);
	anaros_record(&call, &(struct anaros_fields){
				 .kind = ANAROS_KIND_FILE_MUNMAP,
				 .status = anaros_status(result),
				 .size_bytes = size,
				 .address = (uintptr_t)at,
			     });
	return result;
}

/* A copy inside the kernel: read of one descriptor, write of the other. */
static void moved(const struct anaros_call *call, uint16_t kind, uint16_t flags, int in, int out,
		  ssize_t result)
{
	uint64_t end_ns = anaros_now_ns();
	struct anaros_fd from = anaros_fd_of(in);
	struct anaros_fd to = anaros_fd_of(out);
	struct anaros_fields fields = {
	    .kind = kind,
	    .flags = (uint16_t)(from.flags | flags),
	    .status = anaros_status(result),
	    .object = from.object,
	    .size_bytes = result > 0 ? (uint64_t)result : 0,
	    .address = to.object,
	};

	anaros_record_at(call->start_ns, end_ns, &fields);
	if (anaros_fd_is_socket(to)) {
		fields.kind = ANAROS_KIND_NET_SEND;
		fields.flags = (uint16_t)to.flags;
		fields.object = to.object;
		fields.address = 0;
		anaros_record_at(call->start_ns, end_ns, &fields);
	}
}

#define SENDFILE(name)                                                                             \
	WRAP(ssize_t, name, (int out, int in, off_t *offset, size_t size),                         \
	     (out, in, offset, size),                                                              \
	     moved(&call, ANAROS_KIND_FILE_SENDFILE, ANAROS_FLAG_ACCOUNTED, in, out, result))
SENDFILE(sendfile)
SENDFILE(sendfile64)

#define MOVE(name, kind)                                                                           \
	WRAP_LATER(ssize_t, name,                                                                  \
		   (int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size,         \
		    unsigned int flags),                                                           \
		   (in, in_offset, out, out_offset, size, flags),                                  \
		   moved(&call, kind, 0, in, out, result))
MOVE(splice, ANAROS_KIND_FILE_SENDFILE)
MOVE(copy_file_range, ANAROS_KIND_FILE_COPY)
