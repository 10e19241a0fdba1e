// SPDX-License-Identifier: Apache-2.0
/* Description: each wrapped family records what its call says, byte for byte. */
#include "cuda_test.h"

#define BYTES 4096u

static struct harness harness;
static void *driver;

static struct harness_search last_of(uint16_t kind)
{
	return harness_find(&harness, (struct wanted){.kind = kind});
}

static uint64_t device_memory(void)
{
	uint64_t pointer;

	OK(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer, BYTES));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.object, pointer);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.size_bytes, BYTES);
	return pointer;
}

static void *pinned_memory(void)
{
	struct anaros_record record;
	void *memory;

	OK(CUDA(driver, cuMemHostAlloc, void **, size_t, unsigned int)(&memory, BYTES, 0));
	record = last_of(ANAROS_KIND_GPU_ALLOC).last;
	CHECK_EQUAL(record.address, (uintptr_t)memory);
	CHECK_EQUAL(record.flags, ANAROS_FLAG_PINNED | ANAROS_MEMORY_HOST);
	return memory;
}

static void copies(uint64_t one, uint64_t two, void *host, void *stream)
{
	uint64_t targets[] = {two, two + 1024}, sources[] = {one, one + 1024};
	size_t sizes[] = {100, 200}, failed = 0;
	struct harness_search found;

	OK(CUDA(driver, cuMemcpyHtoDAsync_v2, uint64_t, const void *, size_t, void *)(one, host,
										      100, stream));
	OK(CUDA(driver, cuMemcpyDtoHAsync_v2, void *, uint64_t, size_t, void *)(host, one, 200,
										stream));
	OK(CUDA(driver, cuMemcpyDtoDAsync_v2, uint64_t, uint64_t, size_t, void *)(two, one, 300,
										  stream));
	OK(CUDA(driver, cuMemcpyAsync, uint64_t, uint64_t, size_t, void *)(two, one, 400, stream));
	OK(CUDA(driver, cuMemcpyDtoD_v2, uint64_t, uint64_t, size_t)(two, one, 500));
	OK(CUDA(driver, cuMemcpy, uint64_t, uint64_t, size_t)((uintptr_t)host, one, 600));
	found = last_of(ANAROS_KIND_GPU_COPY_H2D);
	CHECK_EQUAL(found.last.flags, ANAROS_FLAG_ASYNC);
	CHECK_EQUAL(found.last.object, (uintptr_t)stream);
	CHECK_EQUAL(found.last.address, (uintptr_t)host);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_D2H).bytes, 200);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_D2D).bytes, 800);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY).bytes, 1000);
	/* Both ABIs of the batch: one record for each copy. */
	OK(CUDA(driver, cuMemcpyBatchAsync, uint64_t *, uint64_t *, size_t *, size_t, void *,
		size_t *, size_t, size_t *,
		void *)(targets, sources, sizes, 2, NULL, NULL, 0, &failed, stream));
	OK(CUDA(driver, cuMemcpyBatchAsync_v2, uint64_t *, uint64_t *, size_t *, size_t, void *,
		size_t *, size_t, void *)(targets, sources, sizes, 2, NULL, NULL, 0, stream));
	found = last_of(ANAROS_KIND_GPU_COPY);
	CHECK_EQUAL(found.count, 2 + 4);
	CHECK_EQUAL(found.bytes, 1000 + 600);
	CHECK_EQUAL(sim_calls(driver, "cuMemcpyBatchAsync"), 1);
	CHECK_EQUAL(sim_calls(driver, "cuMemcpyBatchAsync_v2"), 1);
	CHECK_EQUAL(
	    last_of(ANAROS_KIND_GPU_COPY).bytes + last_of(ANAROS_KIND_GPU_COPY_D2D).bytes +
		last_of(ANAROS_KIND_GPU_COPY_D2H).bytes + last_of(ANAROS_KIND_GPU_COPY_H2D).bytes,
	    sim_bytes(driver, SIM_H2D) + sim_bytes(driver, SIM_D2H) + sim_bytes(driver, SIM_D2D));
}

static void copies_of_rows(uint64_t one, void *host)
{
	struct {
		size_t src_x, src_y;
		unsigned int src_type;
		const void *src_host;
		uint64_t src_device;
		void *src_array;
		size_t src_pitch, dst_x, dst_y;
		unsigned int dst_type;
		void *dst_host;
		uint64_t dst_device;
		void *dst_array;
		size_t dst_pitch, width, height;
	} rows = {
	    .src_y = 1,
	    .src_type = 1,
	    .src_host = host,
	    .src_pitch = 64,
	    .dst_type = 2,
	    .dst_device = one,
	    .dst_pitch = 128,
	    .width = 48,
	    .height = 4,
	};
	struct harness_search before = last_of(ANAROS_KIND_GPU_COPY_H2D), after;
	uint64_t moved = sim_bytes(driver, SIM_H2D);

	OK(CUDA(driver, cuMemcpy2D_v2, const void *)(&rows));
	after = last_of(ANAROS_KIND_GPU_COPY_H2D);
	CHECK_EQUAL(after.bytes - before.bytes, sim_bytes(driver, SIM_H2D) - moved);
	CHECK_EQUAL(after.last.address, (uintptr_t)host + 64);
	CHECK_EQUAL(after.last.size_bytes, 48 * 4);
}

static void fills(uint64_t one, void *stream)
{
	OK(CUDA(driver, cuMemsetD8_v2, uint64_t, unsigned char, size_t)(one, 1, 10));
	OK(CUDA(driver, cuMemsetD16Async, uint64_t, unsigned short, size_t, void *)(one, 1, 10,
										    stream));
	OK(CUDA(driver, cuMemsetD2D32_v2, uint64_t, size_t, unsigned int, size_t, size_t)(one, 64,
											  1, 5, 3));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_MEMSET).bytes, 10 + 20 + 60);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_MEMSET).count, 3);
}

static void launches(void *stream)
{
	struct {
		unsigned int grid[3], block[3], shared;
		void *stream, *attributes;
		unsigned int count;
	} config = {{2, 3, 1}, {32, 1, 1}, 0, stream, NULL, 0};
	void *kernel = cuda_kernel(driver, "noop");
	struct harness_search found;

	OK(CUDA(driver, cuLaunchKernelEx, const void *, void *, void **, void **)(&config, kernel,
										  NULL, NULL));
	found = last_of(ANAROS_KIND_GPU_LAUNCH);
	CHECK_EQUAL(found.last.object, (uintptr_t)stream);
	CHECK_EQUAL(found.last.size_bytes, 192);
	CHECK_EQUAL(CUDA(driver, cuLaunchKernelEx, const void *, void *, void **,
			 void **)(NULL, kernel, NULL, NULL),
		    1);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).last.status, 1);
	OK(CUDA(driver, cuLaunchCooperativeKernel, void *, unsigned int, unsigned int, unsigned int,
		unsigned int, unsigned int, unsigned int, unsigned int, void *,
		void **)(kernel, 1, 1, 1, 8, 1, 1, 0, stream, NULL));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).last.size_bytes, 8);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).count, 3);
}

static void waits(void *stream)
{
	struct harness_search found;
	void *event;

	OK(CUDA(driver, cuEventCreate, void **, unsigned int)(&event, 0));
	OK(CUDA(driver, cuEventRecord, void *, void *)(event, stream));
	OK(CUDA(driver, cuStreamWaitEvent, void *, void *, unsigned int)(stream, event, 0));
	found = last_of(ANAROS_KIND_GPU_EVENT);
	CHECK_EQUAL(found.count, 2);
	CHECK_EQUAL(found.last.address, (uintptr_t)event);
	CHECK_EQUAL(found.last.size_bytes, 1);
	OK(CUDA(driver, cuEventSynchronize, void *)(event));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).last.object, (uintptr_t)event);
	OK(CUDA(driver, cuStreamSynchronize, void *)(stream));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).last.object, (uintptr_t)stream);
	OK(CUDA(driver, cuCtxSynchronize, void)());
	OK(CUDA(driver, cuCtxSynchronize_v2, void *)(NULL));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).count, 4);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).last.object, 0);
}

int main(void)
{
	uint64_t one, two, pooled;
	void *host, *stream;

	harness = harness_open();
	driver = cuda_open();
	cuda_start(driver);
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&stream, 1));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_STREAM).last.object, (uintptr_t)stream);
	one = device_memory();
	two = device_memory();
	host = pinned_memory();
	copies(one, two, host, stream);
	copies_of_rows(one, host);
	fills(one, stream);
	launches(stream);
	waits(stream);
	OK(CUDA(driver, cuMemAllocAsync, uint64_t *, size_t, void *)(&pooled, 77, stream));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.object, pooled);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.flags,
		    ANAROS_FLAG_ASYNC | ANAROS_MEMORY_STREAM_ORDERED);
	OK(CUDA(driver, cuMemFreeAsync, uint64_t, void *)(pooled, stream));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).last.object, pooled);
	OK(CUDA(driver, cuStreamSynchronize, void *)(stream));
	OK(CUDA(driver, cuMemFreeHost, void *)(host));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).last.flags,
		    ANAROS_FLAG_PINNED | ANAROS_MEMORY_HOST);
	OK(CUDA(driver, cuStreamDestroy_v2, void *)(stream));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_STREAM).count, 2);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
