/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the recorded programs: reads, from inside the program under the shim,
 * what the shim has recorded of it. The arena lies beside the library that
 * LD_PRELOAD names. Only raw system calls and memory here, so that reading
 * adds no record.
 *
 * Exit codes: 0 passed, 1 failed, 77 this machine lacks it.
 */
#ifndef HARNESS_H
#define HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "anaros/control.h"
#include "anaros/kinds.h"

#define SKIP 77

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			harness_fail(__FILE__, __LINE__, #condition);                              \
	} while (0)

/* Values, so that a failure tells them. */
#define CHECK_EQUAL(seen, wanted)                                                                  \
	do {                                                                                       \
		long long seen_ = (long long)(seen), wanted_ = (long long)(wanted);                \
		if (seen_ != wanted_) {                                                            \
			fprintf(stderr, "%s: %lld, wanted %lld\n", #seen, seen_, wanted_);         \
			harness_fail(__FILE__, __LINE__, #seen " == " #wanted);                    \
		}                                                                                  \
	} while (0)

static inline __attribute__((noreturn)) void harness_fail(const char *file, int line,
							  const char *what)
{
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
	_exit(1);
}

static inline __attribute__((noreturn)) void harness_skip(const char *why)
{
	printf("%s\n", why);
	fflush(stdout);
	_exit(SKIP);
}

struct harness {
	char *base;
	struct anaros_control *control;
	struct anaros_shared *shared;
	struct anaros_lane *lanes;
	uint32_t *owners;
	struct anaros_chunk *chunks;
};

static inline struct harness harness_open(void)
{
	const char *preload = getenv("LD_PRELOAD");
	const char *end = preload != NULL ? strstr(preload, "/libanaros.so") : NULL;
	struct harness harness;
	struct stat status;
	char path[512];
	const char *start = end;
	long fd;

	if (end == NULL)
		harness_skip("runs under the shim only");
	while (start > preload && start[-1] != ':' && start[-1] != ' ')
		start--;
	snprintf(path, sizeof(path), "%.*s/arena", (int)(end - start), start);
	fd = syscall(SYS_openat, -100, path, 02 /* O_RDWR */, 0);
	CHECK(fd >= 0);
	CHECK(syscall(SYS_fstat, fd, &status) == 0);
	harness.base = (char *)syscall(SYS_mmap, NULL, status.st_size, PROT_READ | PROT_WRITE,
				       MAP_SHARED, fd, 0);
	CHECK(harness.base != MAP_FAILED);
	syscall(SYS_close, fd);
	harness.control = (struct anaros_control *)harness.base;
	harness.shared = (struct anaros_shared *)(harness.base + ANAROS_SHARED_OFFSET);
	harness.lanes = (struct anaros_lane *)(harness.base + ANAROS_LANES_OFFSET);
	harness.owners = (uint32_t *)(harness.base + ANAROS_OWNERS_OFFSET);
	harness.chunks = (struct anaros_chunk *)(harness.base + anaros_chunks_offset(
								    harness.control->chunk_count));
	return harness;
}

/* Whether argument 1 is a function of the program, for which the shim gives one of its own. */
static inline bool harness_calls_back(const char *name, unsigned int argument)
{
	return argument == 1 && (strstr(name, "HostFunc") != NULL || strstr(name, "AddCallback"));
}

/* What to look for; a member that is 0 (flags: not in the mask) matches all. */
struct wanted {
	uint32_t pid;
	uint32_t tid;
	uint16_t kind;
	uint16_t flags;
	uint64_t object;
	uint64_t address;
};

static inline bool harness_matches(const struct anaros_record *record, const struct wanted *wanted)
{
	return (wanted->pid == 0 || record->pid == wanted->pid) &&
	       (wanted->tid == 0 || record->tid == wanted->tid) &&
	       (wanted->kind == 0 || record->kind == wanted->kind) &&
	       (record->flags & wanted->flags) == wanted->flags &&
	       (wanted->object == 0 || record->object == wanted->object) &&
	       (wanted->address == 0 || record->address == wanted->address);
}

/* Slots that a record and its text take. */
static inline uint32_t harness_slots(const struct anaros_record *record)
{
	return record->kind == ANAROS_KIND_META_NAME
		   ? 1 + (uint32_t)((record->size_bytes + 63) / 64)
		   : 1;
}

/* Calls `see` for each record in the arena, in no order between chunks. */
static inline void harness_each(const struct harness *harness,
				void (*see)(const struct anaros_record *, void *), void *context)
{
	for (uint32_t i = 0; i < harness->control->chunk_count; i++) {
		const struct anaros_chunk *chunk = &harness->chunks[i];
		uint32_t committed;

		if (__atomic_load_n(&harness->owners[i], __ATOMIC_ACQUIRE) == 0)
			continue;
		committed = __atomic_load_n(&chunk->header.committed, __ATOMIC_ACQUIRE);
		for (uint32_t at = 0; at < committed; at += harness_slots(&chunk->records[at]))
			see(&chunk->records[at], context);
	}
}

struct harness_search {
	const struct wanted *wanted;
	uint64_t count;
	uint64_t bytes;
	struct anaros_record last; /* the latest by its start */
};

static inline void harness_look(const struct anaros_record *record, void *context)
{
	struct harness_search *search = context;

	if (!harness_matches(record, search->wanted))
		return;
	search->count++;
	search->bytes += record->size_bytes;
	if (record->start_ns >= search->last.start_ns)
		search->last = *record;
}

static inline struct harness_search harness_find(const struct harness *harness,
						 struct wanted wanted)
{
	struct harness_search search = {.wanted = &wanted};

	harness_each(harness, harness_look, &search);
	search.wanted = NULL;
	return search;
}

static inline uint64_t harness_count(const struct harness *harness, struct wanted wanted)
{
	return harness_find(harness, wanted).count;
}

static inline uint64_t harness_drops(const struct harness *harness)
{
	uint64_t drops = harness->shared->drops_retired + harness->shared->drops_no_lane;

	for (uint32_t i = 0; i < ANAROS_LANES; i++)
		if (harness->lanes[i].state != ANAROS_LANE_FREE)
			drops += harness->lanes[i].drops;
	return drops;
}

/* The exit code of a child, or 1000 + the signal that ended it. */
static inline int harness_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		CHECK_EQUAL(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/*
 * Runs this program again with the argument "bare" and without the shim, which
 * a call past its exec does not carry on, and reads what it writes to its
 * output.
 */
static inline void harness_bare(void *answer, size_t bytes)
{
	char *const arguments[] = {(char *)"bare", (char *)"bare", NULL};
	char *environment[] = {NULL};
	size_t read_bytes = 0;
	ssize_t more;
	int ends[2];
	pid_t pid;

	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		syscall(SYS_execve, "/proc/self/exe", arguments, environment);
		_exit(SKIP);
	}
	close(ends[1]);
	while (read_bytes < bytes &&
	       (more = read(ends[0], (char *)answer + read_bytes, bytes - read_bytes)) > 0)
		read_bytes += (size_t)more;
	close(ends[0]);
	CHECK_EQUAL(harness_wait(pid), 0);
	CHECK_EQUAL(read_bytes, bytes);
}

static inline int harness_answer(const void *answer, size_t bytes)
{
	return write(1, answer, bytes) == (ssize_t)bytes ? 0 : 1;
}

/* Waits until a thread of this process sleeps. */
static inline void harness_until_asleep(uint32_t tid)
{
	char path[64], text[256];
	struct timespec step = {.tv_nsec = 1000000};

	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	for (int wait = 0; wait < 60000; wait++) {
		int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
		ssize_t bytes = syscall(SYS_read, fd, text, sizeof(text) - 1);

		syscall(SYS_close, fd);
		CHECK(bytes > 0);
		text[bytes] = '\0';
		if (strstr(text, ") S ") != NULL)
			return;
		syscall(SYS_nanosleep, &step, NULL);
	}
	harness_fail(__FILE__, __LINE__, "the thread does not come to sleep");
}

/* A file of `size` bytes that is gone when it is closed. */
static inline int harness_file(size_t size)
{
	char path[] = "/tmp/anaros-test-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	unlink(path);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

#endif
