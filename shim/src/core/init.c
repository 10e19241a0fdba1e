// SPDX-License-Identifier: Apache-2.0
/*
 * How the shim finds its run: LD_PRELOAD names a link in the run's
 * shared-memory directory, and the arena lies beside that link. So one
 * variable carries everything. (NCCL_PROFILER_PLUGIN is NCCL's, not ours.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/arena.h"
#include "core/inject.h"
#include "core/rebind.h"
#include "core/shim.h"
#include "core/sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif

#define PATH_BYTES 256

static char library_path[PATH_BYTES];
static uint32_t init_state; /* 0 = not tried, 1 = trying, 2 = attached, 3 = off */

/* The only words the shim ever says. */
static void COLD say_once(const char *what)
{
	static const char prefix[] = "anaros: ";
	static const char suffix[] = "; this process runs unrecorded\n";
	char line[256];
	size_t length = strlen(what);

	if (length > sizeof(line) - sizeof(prefix) - sizeof(suffix))
		return;
	memcpy(line, prefix, sizeof(prefix) - 1);
	memcpy(line + sizeof(prefix) - 1, what, length);
	memcpy(line + sizeof(prefix) - 1 + length, suffix, sizeof(suffix) - 1);
	sys_write(2, line, sizeof(prefix) - 1 + length + sizeof(suffix) - 1);
}

/* A shim that was loaded later leaves again: what the program starts goes without it. */
const char *anaros_library_path(void)
{
	return anaros_injected ? "" : library_path;
}

static bool find_library(void)
{
	Dl_info info;
	size_t length;

	if (!dladdr((void *)(uintptr_t)anaros_init, &info) || info.dli_fname == NULL)
		return false;
	length = strlen(info.dli_fname);
	if (info.dli_fname[0] != '/' || length >= PATH_BYTES)
		return false;
	memcpy(library_path, info.dli_fname, length + 1);
	return true;
}

static int open_beside_library(const char *name, int flags)
{
	char path[PATH_BYTES + 16];
	const char *slash = strrchr(library_path, '/');
	size_t length = (size_t)(slash - library_path) + 1;

	memcpy(path, library_path, length);
	memcpy(path + length, name, strlen(name) + 1);
	return sys_open(path, flags);
}

static uint64_t pid_namespace(void)
{
	struct stat status;
	long result;

	result = sys_call6(SYS_newfstatat, -100, (long)"/proc/self/ns/pid", (long)&status, 0, 0, 0);
	return result == 0 ? (uint64_t)status.st_ino : 0;
}

/* NULL: no arena, or not one that this shim understands. */
static const struct anaros_control *map_arena(void **base)
{
	const struct anaros_control *control;
	uint64_t bytes;
	int fd = open_beside_library("arena", O_RDWR | O_CLOEXEC);

	/* The run is over and its directory gone, or another user's: silence. */
	if (fd < 0)
		return NULL;
	control = sys_mmap(NULL, ANAROS_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (sys_mmap_failed(control)) {
		sys_close(fd);
		say_once("cannot map the shared memory of the run");
		return NULL;
	}
	bytes = control->arena_bytes;
	if (control->magic != ANAROS_MAGIC || control->version != ANAROS_ARENA_VERSION ||
	    control->chunk_count > ANAROS_CHUNKS_MAX ||
	    bytes != anaros_arena_bytes(control->chunk_count)) {
		sys_close(fd);
		sys_munmap((void *)(uintptr_t)control, ANAROS_PAGE);
		say_once("the shared memory of the run has another layout");
		return NULL;
	}
	*base = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* No descriptor stays: the workload numbers, counts and closes its own. */
	sys_close(fd);
	if (sys_mmap_failed(*base)) {
		sys_munmap((void *)(uintptr_t)control, ANAROS_PAGE);
		say_once("cannot map the shared memory of the run");
		return NULL;
	}
	return control;
}

static bool make_process_page(void)
{
	void *page =
	    sys_mmap(NULL, ANAROS_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (sys_mmap_failed(page))
		return false;
	if (sys_madvise(page, ANAROS_PAGE, MADV_WIPEONFORK) != 0) {
		sys_munmap(page, ANAROS_PAGE);
		return false;
	}
	anaros_process = page;
	return true;
}

/* The number behind `word`; 0 where it is not there. */
static uint64_t number_behind(const char *text, const char *word)
{
	const char *at = strstr(text, word);
	uint64_t number = 0;

	if (at == NULL)
		return 0;
	for (at += strlen(word); *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (uint64_t)(*at - '0');
	return number;
}

/*
 * What the kernel counted before anything could be recorded: the loader's
 * reads, our own, and that of these numbers. Whoever compares the kernel's
 * count with our records starts there. A fork's child starts from 0.
 */
static void tell_read_before(struct anaros_fields *fields)
{
	static bool told;
	char text[256];
	long length;
	int fd;

	if (told)
		return;
	told = true;
	fd = sys_open("/proc/thread-self/io", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	length = sys_read(fd, text, sizeof(text) - 1);
	sys_close(fd);
	if (length <= 0)
		return;
	text[length] = '\0';
	fields->size_bytes = number_behind(text, "rchar: ") + (uint64_t)length;
	fields->context = number_behind(text, "syscr: ") + 1;
}

/* proc.shim and the program's path: who the records that follow belong to. */
void anaros_announce(void)
{
	struct anaros_fields fields = {.kind = ANAROS_KIND_PROC_SHIM};
	uint64_t now_ns = anaros_now_ns();
	char path[1024];
	long length;

	fields.address = (uint64_t)sys_getppid();
	tell_read_before(&fields);
	anaros_record_at(now_ns, now_ns, &fields);
	length = sys_readlink("/proc/self/exe", path, sizeof(path));
	if (length > 0)
		anaros_name(ANAROS_NAME_PROGRAM, anaros_process->pid, path, (size_t)length);
}

static void become(uint32_t pid)
{
	__atomic_fetch_add(&anaros_shared->processes, 1, __ATOMIC_RELAXED);
	anaros_process->pid = pid;
	__atomic_store_n(&anaros_process->epoch, pid, __ATOMIC_RELEASE);
}

/*
 * Called with the thread's guard set, from the constructor or from the first
 * wrapped call of a process: another library's constructor may run before
 * ours, and a forked child has no constructor.
 */
void anaros_init(void)
{
	const struct anaros_control *control;
	uint32_t state = 0;
	bool wiped;
	void *base;

	if (__atomic_load_n(&init_state, __ATOMIC_ACQUIRE) == 2) {
		/* Mapped, but the process page is empty: this is a fork's child. */
		anaros_arena_in(pid_namespace());
		become((uint32_t)sys_getpid());
		return;
	}
	if (!__atomic_compare_exchange_n(&init_state, &state, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return;
	/* What is not recorded has locks too. */
	wiped = make_process_page();
	control = find_library() ? map_arena(&base) : NULL;
	if (control != NULL && !wiped)
		say_once("this kernel cannot wipe a page on fork (Linux 4.14 can)");
	if (control == NULL || !wiped) {
		__atomic_store_n(&init_state, 3, __ATOMIC_RELEASE);
		return;
	}
	anaros_arena_attach(control, base, pid_namespace());
	anaros_arena_end_lanes_of((uint32_t)sys_getpid());
	__atomic_store_n(&init_state, 2, __ATOMIC_RELEASE);
	become((uint32_t)sys_getpid());
}

/* As if it had been tried in vain; whoever calls still passes through. */
void anaros_init_off(void)
{
	struct anaros_process *page = anaros_process;

	__atomic_store_n(&init_state, 3, __ATOMIC_RELEASE);
	anaros_arena_gone();
	if (page != anaros_process)
		sys_munmap(page, ANAROS_PAGE);
}

__attribute__((constructor)) static void start(void)
{
	int saved = errno;

	anaros_resolve_all();
	if (anaros_injected == 0)
		anaros_weak_clear(0);
	anaros_may_record();
	errno = saved;
}
