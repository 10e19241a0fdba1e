// SPDX-License-Identifier: Apache-2.0
/* Description: the variants of open, stat, sync and close; names come once. */
#include <fcntl.h>
#include <sys/sendfile.h>

#include "harness.h"

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);
int __openat64_2(int directory, const char *path, int flags);

static struct harness harness;
static char path[64];

static void opens_once(int fd)
{
	struct harness_search found =
	    harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_OPEN});
	struct stat status;

	CHECK(fd >= 0);
	CHECK_EQUAL(found.last.status, fd);
	CHECK(syscall(SYS_fstat, fd, &status) == 0);
	CHECK_EQUAL(found.last.object & 0xffffffffffffull, status.st_ino);
	CHECK(close(fd) == 0);
	found = harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_CLOSE});
	CHECK_EQUAL(found.last.object & 0xffffffffffffull, status.st_ino);
}

static void stats(void)
{
	struct wanted wanted = {.kind = ANAROS_KIND_FILE_STAT};
	uint64_t before = harness_count(&harness, wanted);
	struct statx extended;
	struct stat status;

	CHECK(stat(path, &status) == 0);
	CHECK(lstat(path, &status) == 0);
	CHECK(fstatat(AT_FDCWD, path, &status, 0) == 0);
	CHECK(statx(AT_FDCWD, path, 0, STATX_ALL, &extended) == 0);
	CHECK_EQUAL(harness_count(&harness, wanted) - before, 4);
	CHECK_EQUAL(harness_find(&harness, wanted).last.object & 0xffffffffffffull,
		    extended.stx_ino);
}

static void copies(void)
{
	int from = open(path, O_RDWR), to = harness_file(0);
	char text[100] = "x";
	struct harness_search found;

	CHECK_EQUAL(write(from, text, sizeof(text)), sizeof(text));
	CHECK_EQUAL(fsync(from), 0);
	CHECK_EQUAL(fdatasync(from), 0);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_SYNC}), 2);
	lseek(from, 0, SEEK_SET);
	CHECK_EQUAL(sendfile(to, from, NULL, 60), 60);
	found = harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_SENDFILE});
	CHECK_EQUAL(found.last.size_bytes, 60);
	CHECK_EQUAL(copy_file_range(from, NULL, to, NULL, 40, 0), 40);
	found = harness_find(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_COPY});
	CHECK_EQUAL(found.last.size_bytes, 40);
}

static void count_names(const struct anaros_record *record, void *context)
{
	uint64_t *count = context;

	if (record->kind == ANAROS_KIND_META_NAME && record->status == ANAROS_NAME_FILE &&
	    record->size_bytes == strlen(path) && memcmp(record + 1, path, record->size_bytes) == 0)
		++*count;
}

int main(void)
{
	uint64_t names = 0;

	harness = harness_open();
	snprintf(path, sizeof(path), "/tmp/anaros-open-%d", getpid());
	opens_once(open(path, O_RDWR | O_CREAT, 0600));
	opens_once(open64(path, O_RDONLY));
	opens_once(openat(AT_FDCWD, path, O_RDONLY));
	opens_once(openat64(AT_FDCWD, path, O_RDONLY));
	opens_once(creat(path, 0600));
	opens_once(creat64(path, 0600));
	opens_once(__open_2(path, O_RDONLY));
	opens_once(__open64_2(path, O_RDONLY));
	opens_once(__openat_2(AT_FDCWD, path, O_RDONLY));
	opens_once(__openat64_2(AT_FDCWD, path, O_RDONLY));
	stats();
	copies();
	harness_each(&harness, count_names, &names);
	CHECK_EQUAL(names, 1);
	CHECK(unlink(path) == 0);
	return 0;
}
