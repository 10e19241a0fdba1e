// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what calls of Level Zero mean: directions by where memory was
 * allocated, bytes of images and regions, events that commands wait for and
 * signal, lists whose calls wait, functions that a driver gives by name.
 */
#include "level_zero_test.h"

#define ECHO "device_echo/build/libze_loader.so.1"

static struct harness harness;
static void *library;

static struct anaros_record last(uint16_t kind)
{
	return records(&harness, kind).last;
}

/* The echo puts nothing there: what lies there is what it made. */
static void *handle(uintptr_t value)
{
	return (void *)value;
}

static void *list_of(int mode, uintptr_t value)
{
	struct described_queue described = {.mode = mode};
	void *list = handle(value);

	OK(ZE(library, zeCommandListCreateImmediate, void *, void *, const void *,
	      void **)(NULL, NULL, &described, &list));
	return list;
}

static void *allocate(const char *sort, uintptr_t at)
{
	void *pointer = handle(at);

	if (strcmp(sort, "device") == 0)
		OK(ZE(library, zeMemAllocDevice, void *, const void *, size_t, size_t, void *,
		      void **)(NULL, NULL, 4096, 64, NULL, &pointer));
	else
		OK(ZE(library, zeMemAllocShared, void *, const void *, const void *, size_t, size_t,
		      void *, void **)(NULL, NULL, NULL, 4096, 64, NULL, &pointer));
	return pointer;
}

static void copy(void *list, void *dst, const void *src, size_t bytes)
{
	OK(((ze_copy)ze_symbol(library, "zeCommandListAppendMemoryCopy"))(list, dst, src, bytes,
									  NULL, 0, NULL));
}

static void directions(void *list, char *host)
{
	char *device = allocate("device", 0x800000), *shared = allocate("shared", 0x900000);

	copy(list, device + 4000, host, 11);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).address, (uintptr_t)host);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).size_bytes, 11);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).flags, ANAROS_FLAG_ASYNC);
	copy(list, host, device, 12);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2H).address, (uintptr_t)host);
	copy(list, device, device + 100, 13);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2D).size_bytes, 13);
	/* Shared memory stands for the host where the other side is a device. */
	copy(list, device, shared, 14);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).address, (uintptr_t)shared);
	copy(list, host, shared, 15);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY).size_bytes, 15);
	OK(ZE(library, zeMemFree, void *, void *)(NULL, device));
	copy(list, device, host, 16);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY).size_bytes, 16);
	OK(ZE(library, zeVirtualMemMap, void *, const void *, size_t, void *, size_t,
	      int)(NULL, handle(0xa00000), 8192, handle(5), 0, 1));
	copy(list, handle(0xa01000), host, 17);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).size_bytes, 17);
}

static void regions(void *list, char *host)
{
	const uint32_t from[6] = {4, 1, 0, 10, 3, 0}, to[6] = {0, 0, 0, 10, 3, 0};
	char *device = allocate("device", 0x800000);

	OK(ZE(library, zeCommandListAppendMemoryCopyRegion, void *, void *, const void *, uint32_t,
	      uint32_t, const void *, const void *, uint32_t, uint32_t, void *, uint32_t,
	      void **)(list, device, to, 64, 0, host, from, 32, 0, NULL, 0, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).size_bytes, 30);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).address, (uintptr_t)host + 32 + 4);
}

#define PLANE          2
#define HALVES_OF_FOUR 6 /* 16_16_16_16 */
#define PLANES_YUV     15

static void images(void *list, char *host)
{
	struct {
		int type;
		const void *next;
		uint32_t flags;
		int shape, layout, element_type, swizzle[4];
		uint64_t width;
		uint32_t height, depth, layers, levels;
	} told = {.shape = PLANE, .layout = HALVES_OF_FOUR, .width = 20, .height = 10, .depth = 7};
	const uint32_t part[6] = {0, 0, 0, 5, 2, 1};
	void *image = handle(0x1000), *other = handle(0x1100);

	OK(ZE(library, zeImageCreate, void *, void *, const void *, void **)(NULL, NULL, &told,
									     &image));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).size_bytes, 20 * 10 * 8);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_ARRAY);
	told.layout = PLANES_YUV;
	OK(ZE(library, zeImageCreate, void *, void *, const void *, void **)(NULL, NULL, &told,
									     &other));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).size_bytes, 0);
	OK(ZE(library, zeCommandListAppendImageCopyFromMemory, void *, void *, const void *,
	      const void *, void *, uint32_t, void **)(list, image, host, NULL, NULL, 0, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).size_bytes, 20 * 10 * 8);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).address, (uintptr_t)host);
	OK(ZE(library, zeCommandListAppendImageCopyToMemory, void *, void *, void *, const void *,
	      void *, uint32_t, void **)(list, host, image, part, NULL, 0, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2H).size_bytes, 5 * 2 * 8);
	OK(ZE(library, zeCommandListAppendImageCopyRegion, void *, void *, void *, const void *,
	      const void *, void *, uint32_t,
	      void **)(list, image, other, part, part, NULL, 0, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2D).size_bytes, 5 * 2 * 8);
	OK(ZE(library, zeImageDestroy, void *)(image));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_FREE).object, (uintptr_t)image);
}

static uint64_t events(uint64_t address, uint64_t waited)
{
	struct harness_search found = harness_find(
	    &harness, (struct wanted){.kind = ANAROS_KIND_GPU_EVENT, .address = address});

	CHECK_EQUAL(found.last.size_bytes, waited);
	return found.last.object;
}

/* A command waits for events, then signals one; a queue signals its fence. */
static void order(void *list)
{
	void *waits[] = {handle(0x11), handle(0x12)}, *regular = handle(0x2000);
	const struct group groups = {2, 1, 1};

	OK(ZE(library, zeCommandListAppendLaunchKernel, void *, void *, const struct group *,
	      void *, uint32_t, void **)(list, handle(0x3000), &groups, handle(0x13), 2, waits));
	CHECK_EQUAL(events(0x11, 1), (uintptr_t)list);
	CHECK_EQUAL(events(0x12, 1), (uintptr_t)list);
	CHECK_EQUAL(events(0x13, 0), (uintptr_t)list);
	OK(ZE(library, zeCommandListAppendBarrier, void *, void *, uint32_t,
	      void **)(list, handle(0x14), 0, NULL));
	CHECK_EQUAL(events(0x14, 0), (uintptr_t)list);
	OK(ZE(library, zeCommandQueueExecuteCommandLists, void *, uint32_t, void **,
	      void *)(handle(0x4000), 1, &regular, handle(0x15)));
	CHECK_EQUAL(events(0x15, 0), 0x4000);
	OK(ZE(library, zeFenceHostSynchronize, void *, uint64_t)(handle(0x15), 100));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_SYNC).object, 0x15);
	/* By name from the driver, for one that has no table of it. */
	OK(ZE(library, zeCommandListImmediateAppendCommandListsExp, void *, uint32_t, void **,
	      void *, uint32_t, void **)(list, 1, &regular, handle(0x16), 0, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_GRAPH).object, (uintptr_t)list);
	CHECK_EQUAL(events(0x16, 0), (uintptr_t)list);
}

/* Its calls come back when the device is done: they are no enqueuing. */
static void synchronous(char *host)
{
	void *list = list_of(1, 0x7000);

	copy(list, allocate("device", 0x800000), host, 18);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).flags, 0);
}

static int function_of_driver(void *list, void *graph, const void *next, void *event,
			      uint32_t count, void **waits)
{
	(void)list;
	(void)graph;
	(void)next;
	(void)event;
	(void)count;
	(void)waits;
	return 5;
}

/* The program gets a wrapper of it, and what nobody knows as it is. */
static void extensions(void *list)
{
	typedef int (*append)(void *, void *, const void *, void *, uint32_t, void **);
	void *function = (void *)function_of_driver;

	OK(ZE(library, zeDriverGetExtensionFunctionAddress, void *, const char *,
	      void **)(NULL, "zeCommandListAppendGraphExt", &function));
	CHECK(lies_in(function, "libanaros"));
	CHECK_EQUAL(((append)function)(list, handle(0x77), NULL, NULL, 0, NULL), 5);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_GRAPH).address, 0x77);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_GRAPH).status, 5);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	function = (void *)function_of_driver;
	OK(ZE(library, zeDriverGetExtensionFunctionAddress, void *, const char *,
	      void **)(NULL, "zexNobodyKnows", &function));
	CHECK(function == (void *)function_of_driver);
	CHECK_EQUAL(harness.shared->unhooked, 1);
}

int main(void)
{
	static char host[4096];
	void *list;

	harness = harness_open();
	library = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		harness_skip("the echo library is not built");
	list = list_of(2, 0x6000);
	directions(list, host);
	regions(list, host);
	images(list, host);
	order(list);
	synchronous(host);
	extensions(list);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
