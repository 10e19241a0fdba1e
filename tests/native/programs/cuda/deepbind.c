// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a library that is opened with RTLD_DEEPBIND is recorded like
 * any other, whether its slots are bound at once, later, or read-only, and
 * what it defines itself it keeps.
 */
#include "cuda_test.h"

#include <fcntl.h>
#include <pthread.h>

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
	for (int i = 0; i < 3; i++)
		OK(alloc(100));
	CHECK_EQUAL(count(ANAROS_KIND_GPU_ALLOC), allocations + 3);
	reads = count(ANAROS_KIND_FILE_READ);
	CHECK_EQUAL(read_it(zero, bytes, sizeof(bytes)), sizeof(bytes));
	CHECK_EQUAL(count(ANAROS_KIND_FILE_READ), reads + 1);
	CHECK(lies_in(symbol(handle, "cuLaunchKernel"), "libanaros"));
	CHECK_EQUAL(write_it(zero), 4711);
	close(zero);
	CHECK_EQUAL(dlclose(handle), 0);
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
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
