// SPDX-License-Identifier: Apache-2.0
/*
 * stat in three generations: the plain names (glibc 2.33 and later), the
 * __xstat entries that older programs were linked with, and statx.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "libc/fds.h"

int __xstat(int version, const char *path, struct stat *status);
int __xstat64(int version, const char *path, struct stat64 *status);
int __lxstat(int version, const char *path, struct stat *status);
int __lxstat64(int version, const char *path, struct stat64 *status);
int __fxstat(int version, int fd, struct stat *status);
int __fxstat64(int version, int fd, struct stat64 *status);
int __fxstatat(int version, int fd, const char *path, struct stat *status, int flags);
int __fxstatat64(int version, int fd, const char *path, struct stat64 *status, int flags);

static int looked(const struct anaros_call *call, int result, uint64_t inode, uint64_t size)
{
	anaros_record(call, &(struct anaros_fields){
				.kind = ANAROS_KIND_FILE_STAT,
				.status = anaros_status(result),
				.object = result == 0 ? inode : 0,
				.size_bytes = result == 0 ? size : 0,
			    });
	return result;
}

#define STAT(name, parameters, arguments)                                                          \
	WRAP_LATER(int, name, parameters, arguments,                                               \
		   looked(&call, result,                                                           \
			  result == 0 ? anaros_file_object(status->st_dev, status->st_ino) : 0,    \
			  result == 0 ? (uint64_t)status->st_size : 0))

STAT(stat, (const char *path, struct stat *status), (path, status))
STAT(stat64, (const char *path, struct stat64 *status), (path, status))
STAT(lstat, (const char *path, struct stat *status), (path, status))
STAT(lstat64, (const char *path, struct stat64 *status), (path, status))
STAT(fstat, (int fd, struct stat *status), (fd, status))
STAT(fstat64, (int fd, struct stat64 *status), (fd, status))
STAT(fstatat, (int fd, const char *path, struct stat *status, int flags), (fd, path, status, flags))
STAT(fstatat64, (int fd, const char *path, struct stat64 *status, int flags),
     (fd, path, status, flags))
STAT(__xstat, (int version, const char *path, struct stat *status), (version, path, status))
STAT(__xstat64, (int version, const char *path, struct stat64 *status), (version, path, status))
STAT(__lxstat, (int version, const char *path, struct stat *status), (version, path, status))
STAT(__lxstat64, (int version, const char *path, struct stat64 *status), (version, path, status))
STAT(__fxstat, (int version, int fd, struct stat *status), (version, fd, status))
STAT(__fxstat64, (int version, int fd, struct stat64 *status), (version, fd, status))
STAT(__fxstatat, (int version, int fd, const char *path, struct stat *status, int flags),
     (version, fd, path, status, flags))
STAT(__fxstatat64, (int version, int fd, const char *path, struct stat64 *status, int flags),
     (version, fd, path, status, flags))

EXPORT int statx(int fd, const char *path, int flags, unsigned int mask, struct statx *status)
{
	struct anaros_call call;
	int result;
	uint64_t object = 0, size = 0;

	REQUIRE(statx);
	if (!anaros_enter(&call))
		return REAL(statx)(fd, path, flags, mask, status);
	result = REAL(statx)(fd, path, flags, mask, status);
	if (result == 0) {
		object = anaros_file_object(
		    gnu_dev_makedev(status->stx_dev_major, status->stx_dev_minor), status->stx_ino);
		size = status->stx_size;
	}
	return looked(&call, result, object, size);
}
