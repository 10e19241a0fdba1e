// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what calls of HIP mean that tell it by structures: bytes of
 * arrays, copies in batches and between devices, directions by where memory
 * lies, launches in two calls.
 */
#include "hip_test.h"

#define ECHO "device_echo/build/libamdhip64.so.6"

static struct harness harness;
static void *library;

static struct anaros_record last(uint16_t kind)
{
	return records(&harness, kind).last;
}

struct channels {
	int bits[4], kind;
};

struct extent {
	size_t width, height, depth;
};

struct deep {
	size_t width, height, depth;
	unsigned int format, channels, flags;
};

#define LAYERED 1u
#define FLOATS  0x20u

/* The echo puts nothing there: what lies there is what it made. */
static void *handle(uintptr_t value)
{
	return (void *)value;
}

static void arrays(void)
{
	const struct channels rgba = {{8, 8, 8, 8}, 1}, single = {{32, 0, 0, 0}, 2};
	const struct deep pairs = {10, 0, 0, FLOATS, 2, 0}, layers = {8, 8, 3, FLOATS, 1, LAYERED};
	const struct {
		size_t width, height;
		unsigned int format, channels;
	} flat = {10, 2, FLOATS, 2};
	void *array = handle(0x1000);

	OK(HIP(library, hipMallocArray, void **, const void *, size_t, size_t,
	       unsigned int)(&array, &rgba, 100, 20, 0));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).size_bytes, 100 * 20 * 4);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_ARRAY);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).object, 0x1000);
	array = handle(0x2000);
	OK(HIP(library, hipMalloc3DArray, void **, const void *, struct extent,
	       unsigned int)(&array, &single, (struct extent){10, 5, 2}, 0));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).size_bytes, 10 * 5 * 2 * 4);
	/* Half as long in each direction from level to level, but not in layers. */
	OK(HIP(library, hipMallocMipmappedArray, void **, const void *, struct extent, unsigned int,
	       unsigned int)(&array, &single, (struct extent){8, 8, 3}, 2, LAYERED));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).size_bytes, (64 + 16) * 3 * 4);
	OK(HIP(library, hipMipmappedArrayCreate, void **, const void *, unsigned int)(&array,
										      &layers, 2));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).size_bytes, (64 + 16) * 3 * 4);
	array = handle(0x3000);
	OK(HIP(library, hipArrayCreate, void **, const void *)(&array, &flat));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).size_bytes, 10 * 2 * 8);
	OK(HIP(library, hipArray3DCreate, void **, const void *)(&array, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_ALLOC).size_bytes, 0);
	OK(HIP(library, hipArray3DCreate, void **, const void *)(&array, &pairs));
	OK(HIP(library, hipFreeArray, void *)(array));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_FREE).flags, ANAROS_MEMORY_ARRAY);
}

struct pitched {
	void *pointer;
	size_t pitch, width, height;
};

/* Elements of the array that takes part, which has 8 bytes in each. */
static void volumes(char *host)
{
	struct {
		void *src_array;
		size_t src[3];
		struct pitched from;
		void *dst_array;
		size_t dst[3];
		struct pitched to;
		struct extent extent;
		int kind;
	} copy = {.from = {host, 64, 64, 4},
		  .dst_array = handle(0x3000),
		  .extent = {5, 2, 1},
		  .kind = H2D};
	struct {
		void *src_array;
		size_t src[3];
		struct pitched from;
		int from_device;
		void *dst_array;
		size_t dst[3];
		struct pitched to;
		int to_device;
		struct extent extent;
	} peer = {.from = {host, 64, 64, 4},
		  .dst = {0, 1, 0},
		  .to = {handle(0x700000), 128, 64, 4},
		  .extent = {7, 3, 2}};

	copy.src[1] = 1;
	OK(HIP(library, hipMemcpy3D, const void *)(&copy));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).size_bytes, 5 * 2 * 8);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).address, (uintptr_t)host + 64);
	OK(HIP(library, hipMemcpy3DPeerAsync, void *, void *)(&peer, handle(0x5000)));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2D).size_bytes, 7 * 3 * 2);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2D).address, 0x700000 + 128);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2D).object, 0x5000);
}

static void *allocate(uintptr_t at, size_t bytes)
{
	void *pointer = handle(at);

	OK(HIP(library, hipMalloc, void **, size_t)(&pointer, bytes));
	return pointer;
}

static void batches(char *host)
{
	char *device = allocate(0x800000, 4096), *managed = handle(0x900000);
	void *dst[] = {device, host, device + 64, managed};
	void *src[] = {host, device + 4095, device, host};
	size_t sizes[] = {10, 20, 30, 40};
	struct {
		struct {
			unsigned int type;
			void *pointer;
			size_t place[3];
		} src, dst;
		struct extent extent;
		unsigned int order, flags;
	} boxes[] = {{{1, host, {0}}, {2, handle(0x3000), {0}}, {3, 2, 1}, 0, 0},
		     {{2, handle(0x3000), {0}}, {1, device, {0}}, {3, 2, 1}, 0, 0}};
	struct harness_search found;

	OK(HIP(library, hipMallocManaged, void **, size_t, unsigned int)((void **)&managed, 4096,
									 1));
	OK(HIP(library, hipMemcpyBatchAsync, void **, void **, size_t *, size_t, void *, size_t *,
	       size_t, size_t *, void *)(dst, src, sizes, 4, NULL, NULL, 0, NULL, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).size_bytes, 10);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).address, (uintptr_t)host);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2H).size_bytes, 20);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2D).size_bytes, 30);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2D).address, (uintptr_t)device + 64);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY).size_bytes, 40);
	found = records(&harness, ANAROS_KIND_GPU_COPY_D2D);
	OK(HIP(library, hipMemcpy3DBatchAsync, size_t, void *, size_t *, uint64_t,
	       void *)(2, boxes, NULL, 0, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).size_bytes, 3 * 2 * 8);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2D).size_bytes, 3 * 2 * 8);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_D2D).count, found.count + 1);
	/* Freed: whose address that is now, nobody told. */
	OK(HIP(library, hipFree, void *)(device));
	OK(HIP(library, hipMemcpy, void *, const void *, size_t, int)(device, host, 8, 4));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY).size_bytes, 8);
	/* A free that failed frees nothing. */
	device = allocate(0x800000, 4096);
	*(int *)dlsym(library, "echo_answer") = 1;
	CHECK_EQUAL(HIP(library, hipFree, void *)(device), 1);
	*(int *)dlsym(library, "echo_answer") = 0;
	OK(HIP(library, hipMemcpy, void *, const void *, size_t, int)(device, host, 9, 4));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_H2D).size_bytes, 9);
}

/* Physical memory is where it is mapped, and not where it is unmapped. */
static void virtual_memory(char *host)
{
	char *at = handle(0xa00000);

	OK(HIP(library, hipMemMap, void *, size_t, size_t, void *, uint64_t)(at, 8192, 0, handle(5),
									     0));
	OK(HIP(library, hipMemcpy, void *, const void *, size_t, int)(host, at + 8000, 11, 4));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY_D2H).size_bytes, 11);
	OK(HIP(library, hipMemUnmap, void *, size_t)(at, 8192));
	OK(HIP(library, hipMemcpy, void *, const void *, size_t, int)(host, at + 8000, 12, 4));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_COPY).size_bytes, 12);
}

static void launches(void)
{
	const struct dim3 grid = {3, 1, 1}, block = {64, 1, 1};
	struct {
		struct dim3 grid, block;
		size_t shared;
		void *stream;
	} config = {grid, block, 0, handle(0x6000)};
	uint64_t ops[2][6] = {{4, 0x1234}, {6}};

	OK(HIP(library, hipConfigureCall, struct dim3, struct dim3, size_t,
	       void *)(grid, block, 0, handle(0x5000)));
	OK(HIP(library, hipLaunchByPtr, const void *)((const void *)launches));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_LAUNCH).object, 0x5000);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_LAUNCH).size_bytes, 192);
	CHECK_EQUAL(last(ANAROS_KIND_GPU_LAUNCH).address, (uintptr_t)launches);
	OK(HIP(library, hipLaunchKernelExC, const void *, const void *,
	       void **)(&config, (const void *)launches, NULL));
	CHECK_EQUAL(last(ANAROS_KIND_GPU_LAUNCH).object, 0x6000);
	OK(HIP(library, hipStreamBatchMemOp, void *, unsigned int, void *,
	       unsigned int)(handle(0x6000), 2, ops, 0));
	CHECK_EQUAL(harness_find(&harness,
				 (struct wanted){.kind = ANAROS_KIND_GPU_SIGNAL, .address = 0x1234})
			.last.size_bytes,
		    1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_SIGNAL).count, 2);
}

int main(void)
{
	static char host[4096];

	harness = harness_open();
	library = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		harness_skip("the echo library is not built");
	arrays();
	volumes(host);
	batches(host);
	virtual_memory(host);
	launches();
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
