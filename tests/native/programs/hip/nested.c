// SPDX-License-Identifier: Apache-2.0
/*
 * Description: where HIP stands on Level Zero or CUDA, a call of the program
 * is one record, the outermost; what the program itself asks of the library
 * below is recorded too.
 */
#include "hip_test.h"

#define OVER   SIM "over.so"
#define LOADER "level_zero_sim/build/libze_loader.so.1"
#define DRIVER "cudart/build/echo/libcuda.so.1"

struct echo {
	const char *symbol;
	uint64_t calls;
};

int main(void)
{
	struct harness harness = harness_open();
	void *library = dlopen(OVER, RTLD_NOW | RTLD_LOCAL), *loader, *driver, *list;
	uint64_t (*moved)(void), described[5] = {0};
	char from[64] = "bytes that are copied", to[64] = {0};
	const struct echo *seen;

	if (library == NULL)
		harness_skip("the HIP over others is not built");
	OK(HIP(library, hipInit, unsigned int)(0));
	loader = dlopen(LOADER, RTLD_NOW | RTLD_LOCAL);
	driver = dlopen(DRIVER, RTLD_NOW | RTLD_LOCAL);
	CHECK(loader != NULL && driver != NULL);
	*(void **)&moved = dlsym(loader, "anaros_sim_bytes");
	seen = dlsym(driver, "echo_seen");

	OK(HIP(library, hipMemcpyHtoD, void *, const void *, size_t)(to, from, sizeof(from)));
	CHECK(memcmp(from, to, sizeof(from)) == 0);
	CHECK_EQUAL(moved(), sizeof(from));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_H2D).count, 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_H2D).bytes, sizeof(from));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).count, 0);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_SYNC).count, 0);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_STREAM).count, 0);
	/* The list that hipInit made, the copy and the wait. */
	CHECK_EQUAL(harness.shared->device_calls_beneath, 3);

	OK(HIP(library, hipMemcpyDtoH, void *, const void *, size_t)(to, from, 32));
	CHECK_EQUAL(seen->calls, 1);
	CHECK_EQUAL(harness.shared->device_calls_beneath, 4);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_D2H).count, 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_D2H).bytes, 32);

	/* The program's own call of a library below. */
	OK(((int (*)(void *, uint64_t, size_t))hip_symbol(driver, "cuMemcpyDtoH_v2"))(
	    to, (uintptr_t)from, 16));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_D2H).count, 2);
	OK(HIP(loader, zeCommandListCreateImmediate, void *, void *, const void *,
	       void **)(NULL, NULL, described, &list));
	OK(HIP(loader, zeCommandListAppendMemoryCopy, void *, void *, const void *, size_t, void *,
	       uint32_t, void **)(list, to, from, 8, NULL, 0, NULL));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).count, 1);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
