// SPDX-License-Identifier: Apache-2.0
/* Description: each way to read or write gives one record with its bytes. */
#include <fcntl.h>
#include <sys/uio.h>

#include "harness.h"

ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t room);

static struct harness harness;
static char buffer[512];
static const struct iovec two[2] = {{buffer, 100}, {buffer + 256, 28}};

/* One call: its record is the newest of that kind for this file. */
#define ONE(kind_, call, size)                                                                     \
	do {                                                                                       \
		struct wanted wanted = {.kind = (kind_), .address = (uintptr_t)buffer};            \
		struct harness_search before = harness_find(&harness, wanted), after;              \
                                                                                                   \
		CHECK_EQUAL(call, size);                                                           \
		after = harness_find(&harness, wanted);                                            \
		CHECK_EQUAL(after.count - before.count, 1);                                        \
		CHECK_EQUAL(after.last.size_bytes, size);                                          \
		CHECK_EQUAL(after.last.status, 0);                                                 \
		CHECK_EQUAL(after.last.flags &ANAROS_FLAG_FD_TYPE_MASK, ANAROS_FD_REGULAR);        \
		CHECK_EQUAL(after.last.object & 0xffffffffffffull, status.st_ino);                 \
	} while (0)

int main(void)
{
	int fd = harness_file(4096);
	struct stat status;

	harness = harness_open();
	CHECK(fstat(fd, &status) == 0);
	ONE(ANAROS_KIND_FILE_READ, read(fd, buffer, 128), 128);
	ONE(ANAROS_KIND_FILE_READ, __read_chk(fd, buffer, 64, 512), 64);
	ONE(ANAROS_KIND_FILE_READ, pread(fd, buffer, 32, 0), 32);
	ONE(ANAROS_KIND_FILE_READ, pread64(fd, buffer, 33, 0), 33);
	ONE(ANAROS_KIND_FILE_READ, __pread_chk(fd, buffer, 34, 0, 512), 34);
	ONE(ANAROS_KIND_FILE_READ, __pread64_chk(fd, buffer, 35, 0, 512), 35);
	ONE(ANAROS_KIND_FILE_READ, readv(fd, two, 2), 128);
	ONE(ANAROS_KIND_FILE_READ, preadv(fd, two, 2, 0), 128);
	ONE(ANAROS_KIND_FILE_READ, preadv64(fd, two, 2, 0), 128);
	ONE(ANAROS_KIND_FILE_READ, preadv2(fd, two, 2, 0, 0), 128);
	ONE(ANAROS_KIND_FILE_READ, preadv64v2(fd, two, 2, 0, 0), 128);
	ONE(ANAROS_KIND_FILE_WRITE, write(fd, buffer, 11), 11);
	ONE(ANAROS_KIND_FILE_WRITE, pwrite(fd, buffer, 12, 0), 12);
	ONE(ANAROS_KIND_FILE_WRITE, pwrite64(fd, buffer, 13, 0), 13);
	ONE(ANAROS_KIND_FILE_WRITE, writev(fd, two, 2), 128);
	ONE(ANAROS_KIND_FILE_WRITE, pwritev(fd, two, 2, 0), 128);
	ONE(ANAROS_KIND_FILE_WRITE, pwritev64(fd, two, 2, 0), 128);
	ONE(ANAROS_KIND_FILE_WRITE, pwritev2(fd, two, 2, 0, 0), 128);
	ONE(ANAROS_KIND_FILE_WRITE, pwritev64v2(fd, two, 2, 0, 0), 128);
	return 0;
}
