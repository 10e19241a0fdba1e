// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a library that is opened with RTLD_DEEPBIND is recorded like
 * any other, whether its slots are bound at once, later, or read-only, and
 * what it defines itself it keeps; also where a child is forked before it is
 * opened, once it is, or between that and the next wrapped call.
 */
#include "cuda_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#define ALLOCATIONS 3

static struct harness harness;

static uint64_t count(uint16_t kind)
{
	return harness_count(&harness, (struct wanted){.pid = (uint32_t)getpid(), .kind = kind});
}

static void library(const char *path, int how)
{
	void *handle = dlopen(path, how | RTLD_LOCAL | RTLD_DEEPBIND);
	uint64_t allocations = count(ANAROS_KIND_GPU_ALLOC), reads;
	int (*alloc)(size_t);
	long (*read_it)(int, void *, size_t), (*write_it)(int);
	void *(*symbol)(void *, const char *);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char bytes[16];

	if (handle == NULL)
		harness_skip("the library is not built");
	*(void **)&alloc = dlsym(handle, "deep_alloc");
	*(void **)&read_it = dlsym(handle, "deep_read");
	*(void **)&write_it = dlsym(handle, "deep_write");
	*(void **)&symbol = dlsym(handle, "deep_symbol");
	CHECK(alloc != NULL && read_it != NULL && write_it != NULL && symbol != NULL);
	for (int i = 0; i < ALLOCATIONS; i++)
		OK(alloc(100));
	CHECK_EQUAL(count(ANAROS_KIND_GPU_ALLOC), allocations + ALLOCATIONS);
	reads = count(ANAROS_KIND_FILE_READ);
	CHECK_EQUAL(read_it(zero, bytes, sizeof(bytes)), sizeof(bytes));
	CHECK_EQUAL(count(ANAROS_KIND_FILE_READ), reads + 1);
	CHECK(lies_in(symbol(handle, "cuLaunchKernel"), "libanaros"));
	CHECK_EQUAL(write_it(zero), 4711);
	close(zero);
	CHECK_EQUAL(dlclose(handle), 0);
}

/* Past the wrapper, which is itself a wrapped call, or by it. */
static pid_t fork_by(bool wrapper)
{
	return wrapper ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static int in_child(void *handle, const char *path, int how)
{
	int (*alloc)(size_t);

	alarm(120);
	if (handle == NULL) {
		library(path, how);
		return 0;
	}
	*(void **)&alloc = dlsym(handle, "deep_alloc");
	for (int i = 0; i < ALLOCATIONS; i++)
		OK(alloc(100));
	return 0;
}

static void forks(const char *path, int how, bool opened, bool wrapper)
{
	uint64_t allocations = count(ANAROS_KIND_GPU_ALLOC);
	void *handle = opened ? dlopen(path, how | RTLD_LOCAL | RTLD_DEEPBIND) : NULL;
	pid_t pid = fork_by(wrapper);

	if (pid == 0)
		_exit(in_child(handle, path, how));
	CHECK_EQUAL(harness_wait(pid), 0);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.pid = (uint32_t)pid,
							    .kind = ANAROS_KIND_GPU_ALLOC}),
		    ALLOCATIONS);
	CHECK_EQUAL(count(ANAROS_KIND_GPU_ALLOC), allocations);
	/* Its parent is as it was. */
	if (opened) {
		OK(in_child(handle, path, how));
		CHECK_EQUAL(count(ANAROS_KIND_GPU_ALLOC), allocations + ALLOCATIONS);
		CHECK_EQUAL(dlclose(handle), 0);
	}
	alarm(0);
}

/* The mark is of a thread, and the next one does not find it. */
static void *elsewhere(void *path)
{
	for (int i = 0; i < 20; i++)
		library(path, i % 2 ? RTLD_LAZY : RTLD_NOW);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	harness = harness_open();
	library("cudart/build/echo/deep_now.so", RTLD_NOW);
	library("cudart/build/echo/deep_now.so", RTLD_LAZY);
	library("cudart/build/echo/deep_lazy.so", RTLD_NOW);
	library("cudart/build/echo/deep_lazy.so", RTLD_LAZY);
	CHECK_EQUAL(pthread_create(&thread, NULL, elsewhere, "cudart/build/echo/deep_lazy.so"), 0);
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	for (int i = 0; i < 16; i++)
		forks(i & 8 ? "cudart/build/echo/deep_now.so" : "cudart/build/echo/deep_lazy.so",
		      i & 4 ? RTLD_NOW : RTLD_LAZY, i & 2, i & 1);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
