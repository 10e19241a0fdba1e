// SPDX-License-Identifier: Apache-2.0
/* Description: each wrapped family of HIP records what its call says, byte for byte. */
#include "hip_test.h"

#define BYTES 4096u

static struct harness harness;
static void *library;

static struct harness_search last_of(uint16_t kind)
{
	return records(&harness, kind);
}

static void *memory(void)
{
	void *device, *host;
	struct anaros_record record;
	size_t pitch;

	OK(HIP(library, hipMallocPitch, void **, size_t *, size_t, size_t)(&device, &pitch, 100,
									   4));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.size_bytes, pitch * 4);
	OK(HIP(library, hipFree, void *)(device));
	OK(HIP(library, hipMallocManaged, void **, size_t, unsigned int)(&device, BYTES, 1));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.flags, ANAROS_MEMORY_MANAGED);
	OK(HIP(library, hipFree, void *)(device));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).last.object, (uintptr_t)device);
	OK(HIP(library, hipHostMalloc, void **, size_t, unsigned int)(&host, BYTES, 0));
	record = last_of(ANAROS_KIND_GPU_ALLOC).last;
	CHECK_EQUAL(record.address, (uintptr_t)host);
	CHECK_EQUAL(record.flags, ANAROS_FLAG_PINNED | ANAROS_MEMORY_HOST);
	OK(HIP(library, hipHostRegister, void *, size_t, unsigned int)(&record, 64, 0));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.flags,
		    ANAROS_FLAG_PINNED | ANAROS_MEMORY_REGISTERED);
	OK(HIP(library, hipHostUnregister, void *)(&record));
	return host;
}

static void virtual_memory(void)
{
	void *range, *handle;

	OK(HIP(library, hipMemAddressReserve, void **, size_t, size_t, void *,
	       uint64_t)(&range, BYTES, 0, NULL, 0));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_RESERVE).last.object, (uintptr_t)range);
	OK(HIP(library, hipMemCreate, void **, size_t, const void *, uint64_t)(&handle, BYTES, NULL,
									       0));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.flags, ANAROS_MEMORY_PHYSICAL);
	OK(HIP(library, hipMemMap, void *, size_t, size_t, void *, uint64_t)(range, BYTES, 0,
									     handle, 0));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_VM_MAP).last.address, (uintptr_t)handle);
	OK(HIP(library, hipMemUnmap, void *, size_t)(range, BYTES));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_VM_UNMAP).last.size_bytes, BYTES);
	OK(HIP(library, hipMemRelease, void *)(handle));
	OK(HIP(library, hipMemAddressFree, void *, size_t)(range, BYTES));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_RESERVE).count, 2);
}

static void copies(char *device, char *host, void *stream)
{
	struct {
		size_t src_x, src_y;
		unsigned int src_type;
		void *src_host, *src_device, *src_array;
		size_t src_pitch, dst_x, dst_y;
		unsigned int dst_type;
		void *dst_host, *dst_device, *dst_array;
		size_t dst_pitch, width, height;
	} rows = {.src_y = 1,
		  .src_type = 1,
		  .src_host = host,
		  .src_pitch = 64,
		  .dst_type = 2,
		  .dst_device = device,
		  .dst_pitch = 128,
		  .width = 48,
		  .height = 4};
	uint64_t syncs = last_of(ANAROS_KIND_GPU_SYNC).count;
	struct harness_search found;

	OK(HIP(library, hipMemcpyAsync, void *, const void *, size_t, int,
	       void *)(device, host, 100, H2D, stream));
	found = last_of(ANAROS_KIND_GPU_COPY_H2D);
	CHECK_EQUAL(found.last.flags, ANAROS_FLAG_ASYNC);
	CHECK_EQUAL(found.last.object, (uintptr_t)stream);
	CHECK_EQUAL(found.last.address, (uintptr_t)host);
	OK(HIP(library, hipMemcpyDtoHAsync, void *, void *, size_t, void *)(host, device, 200,
									    stream));
	OK(HIP(library, hipMemcpyPeerAsync, void *, int, const void *, int, size_t,
	       void *)(device + 2048, 0, device, 1, 300, stream));
	OK(HIP(library, hipMemcpyAsync, void *, const void *, size_t, int,
	       void *)(device + 2048, device, 400, 4, stream));
	/* The direction is where both sides were allocated. */
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_D2D).last.size_bytes, 400);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY).count, 0);
	OK(HIP(library, hipMemcpy2D, void *, size_t, const void *, size_t, size_t, size_t,
	       int)(device, 128, host, 64, 32, 3, H2D));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_H2D).last.size_bytes, 96);
	OK(HIP(library, hipMemcpyParam2D, const void *)(&rows));
	found = last_of(ANAROS_KIND_GPU_COPY_H2D);
	CHECK_EQUAL(found.last.size_bytes, 48 * 4);
	CHECK_EQUAL(found.last.address, (uintptr_t)host + 64);
	/* HIP does it by two of its own functions: it is one call of the program. */
	OK(HIP(library, hipMemcpyWithStream, void *, const void *, size_t, int,
	       void *)(device, host, 500, H2D, stream));
	CHECK_EQUAL(sim_calls(library, "hipMemcpyAsync"), 3);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).count, syncs);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_H2D).count, 4);
	OK(HIP(library, hipStreamSynchronize, void *)(stream));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_H2D).bytes, sim_bytes(library, SIM_H2D));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_D2H).bytes, sim_bytes(library, SIM_D2H));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_D2D).bytes, sim_bytes(library, SIM_D2D));
}

static void fills(void *device, void *stream)
{
	OK(HIP(library, hipMemset, void *, int, size_t)(device, 1, 10));
	OK(HIP(library, hipMemsetAsync, void *, int, size_t, void *)(device, 1, 20, stream));
	OK(HIP(library, hipMemsetD32Async, void *, int, size_t, void *)(device, 1, 10, stream));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_MEMSET).bytes, 10 + 20 + 40);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_MEMSET).count, 3);
}

static void order(void *stream)
{
	unsigned int answers = 0;
	struct harness_search found;
	void *event;

	OK(HIP(library, hipEventCreate, void **)(&event));
	OK(HIP(library, hipEventRecord, void *, void *)(event, stream));
	OK(HIP(library, hipStreamWaitEvent, void *, void *, unsigned int)(stream, event, 0));
	found = last_of(ANAROS_KIND_GPU_EVENT);
	CHECK_EQUAL(found.count, 2);
	CHECK_EQUAL(found.last.size_bytes, 1);
	while (HIP(library, hipStreamQuery, void *)(stream) != 0)
		answers++;
	CHECK(answers > 1);
	/* The first and the last time that it is not ready, and that it is. */
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_QUERY).count, 3);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_QUERY).last.status, 0);
	OK(HIP(library, hipEventSynchronize, void *)(event));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).last.object, (uintptr_t)event);
	OK(HIP(library, hipDeviceSynchronize, void)());
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).last.object, 0);
}

static void called(void *data)
{
	*(int *)data = 7;
}

static void launches(void *stream)
{
	void *kernel = hip_kernel(library, "noop");
	int value = 0;

	OK(HIP(library, hipExtModuleLaunchKernel, void *, uint32_t, uint32_t, uint32_t, uint32_t,
	       uint32_t, uint32_t, size_t, void *, void **, void **, void *, void *,
	       uint32_t)(kernel, 192, 1, 1, 64, 1, 1, 0, stream, NULL, NULL, NULL, NULL, 0));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).last.size_bytes, 192);
	CHECK_EQUAL(hip_launch(library, NULL, 1, 1, stream, NULL), 1);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).last.status, 1);
	OK(HIP(library, hipLaunchHostFunc, void *, void (*)(void *), void *)(stream, called,
									     &value));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_HOST_CALL).last.address, (uintptr_t)called);
	OK(HIP(library, hipStreamSynchronize, void *)(stream));
	CHECK_EQUAL(value, 7);
}

int main(void)
{
	void *device, *host, *stream;

	harness = harness_open();
	library = hip_open();
	CHECK_EQUAL(HIP(library, hipSetDevice, int)(9), 101);
	OK(HIP(library, hipSetDevice, int)(1));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_CONTEXT).count, 2);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_CONTEXT).last.address, 2);
	OK(HIP(library, hipStreamCreateWithFlags, void **, unsigned int)(&stream, 1));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_STREAM).last.object, (uintptr_t)stream);
	host = memory();
	virtual_memory();
	OK(HIP(library, hipMallocAsync, void **, size_t, void *)(&device, BYTES, stream));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.flags,
		    ANAROS_FLAG_ASYNC | ANAROS_MEMORY_STREAM_ORDERED);
	copies(device, host, stream);
	fills(device, stream);
	order(stream);
	launches(stream);
	OK(HIP(library, hipFreeAsync, void *, void *)(device, stream));
	OK(HIP(library, hipHostFree, void *)(host));
	OK(HIP(library, hipStreamDestroy, void *)(stream));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_STREAM).count, 2);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
