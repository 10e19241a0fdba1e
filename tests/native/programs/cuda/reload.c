// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a driver that is unloaded and loaded elsewhere is recorded
 * again; a second one beside it, or in a namespace of its own, is given out
 * as it is, counted, and named with the way it went.
 */
#include "cuda_test.h"

#include <fcntl.h>
#include <link.h>

#define ECHO    "cudart/build/echo/libcuda.so.1"
#define LIBRARY "cudart/build/echo/deep_lazy.so"

static struct harness harness;

static uint64_t passed(enum anaros_way way)
{
	return harness_count(&harness,
			     (struct wanted){.kind = ANAROS_KIND_GPU_UNKNOWN, .address = way});
}

/* Keeps the place that a library had, so that the next one lies elsewhere. */
static void take_the_place(const struct link_map *map)
{
	char *start = (char *)map->l_addr;

	for (int page = 0; page < 512; page++)
		mmap(start + page * 4096l, 4096, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static void unloaded(void *handle)
{
	struct link_map *driver, copy;
	void *again = dlopen(ECHO, RTLD_NOW | RTLD_NOLOAD);

	CHECK(again != NULL && dlinfo(again, RTLD_DI_LINKMAP, &driver) == 0);
	copy = *driver;
	CHECK_EQUAL(dlclose(again), 0);
	CHECK_EQUAL(dlclose(handle), 0);
	CHECK(dlopen(ECHO, RTLD_NOW | RTLD_NOLOAD) == NULL);
	take_the_place(&copy);
}

/* A library that is linked with the driver calls it by name. */
static void by_name(void)
{
	for (uint64_t i = 1; i <= 3; i++) {
		void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
		int (*alloc)(size_t);

		if (library == NULL)
			harness_skip("the echo driver is not built");
		*(void **)&alloc = dlsym(library, "deep_alloc");
		OK(alloc(100));
		CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_ALLOC), i);
		unloaded(library);
	}
}

static void by_handle(void)
{
	uint64_t before = cuda_records(&harness, ANAROS_KIND_GPU_FREE);

	for (uint64_t i = 1; i <= 3; i++) {
		void *driver = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL), *function;
		cu_resolver_v2 resolver;

		OK(CUDA(driver, cuMemFree_v2, uint64_t)(0x1000));
		resolver = (cu_resolver_v2)cuda_symbol(driver, "cuGetProcAddress_v2");
		OK(resolver("cuMemFree", &function, 13000, 0, NULL));
		OK(((int (*)(uint64_t))function)(0x1000));
		CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_FREE), before + 2 * i);
		unloaded(driver);
	}
	CHECK_EQUAL(harness.shared->unhooked, 0);
}

static void copy_of_driver(char *path)
{
	char bytes[65536];
	long count;
	int from = open(ECHO, O_RDONLY | O_CLOEXEC), to = mkstemp(path);

	CHECK(from >= 0 && to >= 0);
	while ((count = read(from, bytes, sizeof(bytes))) > 0)
		CHECK_EQUAL(write(to, bytes, (size_t)count), count);
	close(from);
	close(to);
}

static void beside(void)
{
	char path[] = "/tmp/anaros-driver-XXXXXX";
	void *first = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL), *second, *other;
	uint64_t records;
	int (*call)(uint64_t);

	copy_of_driver(path);
	CHECK(lies_in(cuda_symbol(first, "cuMemFree_v2"), "libanaros"));
	second = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CHECK(second != NULL && second != first);
	*(void **)&call = cuda_symbol(second, "cuMemFree_v2");
	CHECK(lies_in((void *)call, path));
	CHECK_EQUAL(harness.shared->unhooked, 1);
	CHECK_EQUAL(passed(ANAROS_WAY_SECOND), 1);
	records = cuda_records(&harness, ANAROS_KIND_GPU_FREE);
	OK(call(0x1000));
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_FREE), records);
	/* What the first never gave out, the second may have. */
	CHECK(lies_in(cuda_symbol(second, "cuMemAllocManaged"), "libanaros"));

	other = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
	unlink(path);
	CHECK(other != NULL);
	*(void **)&call = cuda_symbol(other, "cuMemHostUnregister");
	CHECK(!lies_in((void *)call, "libanaros"));
	OK(call(0x1000));
	CHECK_EQUAL(harness.shared->unhooked, 2);
	CHECK_EQUAL(passed(ANAROS_WAY_DLSYM), 1);
}

int main(void)
{
	harness = harness_open();
	by_name();
	by_handle();
	beside();
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
