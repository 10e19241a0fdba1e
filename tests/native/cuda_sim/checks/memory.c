// SPDX-License-Identifier: Apache-2.0
/* Every kind of memory: where it lies, what is counted, what comes back. */
#include <pthread.h>
#include <unistd.h>

#include "check.h"

#define MIB ((size_t)1 << 20)

static void *module, *stream;

static size_t used(void)
{
	size_t unused, total;

	OK(cuMemGetInfo_v2(&unused, &total));
	return total - unused;
}

static void pools(void)
{
	struct sim_pool_properties properties = {.type = 1, .location = {1, 0}};
	uint64_t first, again, other, threshold = 64 * MIB, value;
	size_t before = used();
	void *pool;

	OK(cuMemPoolCreate(&pool, &properties));
	OK(cuMemPoolSetAttribute(pool, 4, &threshold));
	OK(cuMemAllocFromPoolAsync(&first, MIB, pool, stream));
	OK(cuMemAllocFromPoolAsync(&other, 2 * MIB, pool, stream));
	OK(cuMemFreeAsync(first, stream));
	OK(cuStreamSynchronize(stream));
	OK(cuMemPoolGetAttribute(pool, 5, &value));
	EQUAL(value, 3 * MIB); /* reserved still */
	OK(cuMemPoolGetAttribute(pool, 7, &value));
	EQUAL(value, 2 * MIB);
	EQUAL(used() - before, 3 * MIB);
	OK(cuMemAllocFromPoolAsync(&again, MIB, pool, stream));
	EQUAL(again, first); /* kept, and given out again */
	OK(cuMemFreeAsync(again, stream));
	OK(cuStreamSynchronize(stream));
	OK(cuMemPoolTrimTo(pool, 0));
	EQUAL(used() - before, 2 * MIB);
	OK(cuMemPoolGetAttribute(pool, 8, &value));
	EQUAL(value, 3 * MIB);
	OK(cuMemFreeAsync(other, stream));
	OK(cuStreamSynchronize(stream));
	OK(cuMemPoolDestroy(pool));
	EQUAL(used(), before);
}

static void shared_pool(void)
{
	struct sim_pool_properties properties = {.type = 1, .handle_types = 1, .location = {1, 0}};
	struct check_handle pointer;
	void *pool, *imported;
	uint64_t spare, first, second;
	int fd;

	OK(cuMemPoolCreate(&pool, &properties));
	OK(cuMemAllocFromPoolAsync(&spare, 4096, pool, stream));
	OK(cuMemAllocFromPoolAsync(&first, 4096, pool, stream));
	OK(cuMemFreeAsync(spare, stream));
	OK(cuMemPoolExportToShareableHandle(&fd, pool, 1, 0));
	EQUAL(cuMemPoolExportToShareableHandle(&fd, pool, 8, 0), 801);
	OK(cuMemPoolImportFromShareableHandle(&imported, (void *)(intptr_t)fd, 1, 0));
	OK(cuMemPoolExportPointer(&pointer, first));
	OK(cuMemPoolImportPointer(&second, imported, &pointer));
	CHECK(first != second);
	OK(cuMemsetD32_v2(first, 7, 4));
	EQUAL(check_byte(second), 7);
	/* The last of each goes after its pool. */
	OK(cuMemPoolDestroy(imported));
	OK(cuMemPoolDestroy(pool));
	OK(cuMemFreeAsync(second, stream));
	OK(cuMemFreeAsync(first, stream));
	OK(cuStreamSynchronize(stream));
	close(fd);
}

static void by_hand(void)
{
	struct sim_allocation properties = {.type = 1, .handle_types = 1, .location = {1, 0}};
	struct sim_access access = {{1, 0}, 3};
	size_t before = used();
	uint64_t range, one, two, twin, again;
	int fd;

	OK(cuMemAddressReserve(&range, 8 * MIB, 0, 0, 0));
	EQUAL(range % (2 * MIB), 0);
	OK(cuMemCreate(&one, 2 * MIB, &properties, 0));
	OK(cuMemCreate(&two, 4 * MIB, &properties, 0));
	EQUAL(cuMemCreate(&again, 1000, &properties, 0), 1);
	EQUAL(used() - before, 6 * MIB);
	OK(cuMemMap(range, 2 * MIB, 0, one, 0));
	OK(cuMemMap(range + 2 * MIB, 4 * MIB, 0, two, 0));
	EQUAL(cuMemMap(range, 2 * MIB, 0, two, 0), 1); /* taken */
	OK(cuMemSetAccess(range, 6 * MIB, &access, 1));
	/* One fill over both of them. */
	OK(cuMemsetD32_v2(range, 0x01010101, 6 * MIB / 4));
	EQUAL(check_byte(range + 6 * MIB - 1), 1);
	EQUAL(cuMemsetD32_v2(range, 0, 7 * MIB / 4), 1);
	/* The same memory in a second place. */
	OK(cuMemExportToShareableHandle(&fd, one, 1, 0));
	OK(cuMemImportFromShareableHandle(&twin, (void *)(intptr_t)fd, 1));
	close(fd);
	OK(cuMemMap(range + 6 * MIB, 2 * MIB, 0, twin, 0));
	OK(cuMemSetAccess(range + 6 * MIB, 2 * MIB, &access, 1));
	OK(cuMemsetD32_v2(range, 0x05050505, 4));
	EQUAL(check_byte(range + 6 * MIB), 5);
	/* The handle may go before the mapping. */
	OK(cuMemRelease(one));
	OK(cuMemRelease(twin));
	EQUAL(check_byte(range), 5);
	EQUAL(cuMemAddressFree(range, 8 * MIB), 1);
	OK(cuMemUnmap(range, 8 * MIB));
	OK(cuMemRelease(two));
	EQUAL(used(), before);
	OK(cuMemAddressFree(range, 8 * MIB));
}

static void multicast(void)
{
	struct sim_multicast properties = {2, 2 * MIB, 1, 0};
	struct sim_allocation allocation = {.type = 1, .location = {1, 1}};
	uint64_t object, memory;

	OK(cuMulticastCreate(&object, &properties));
	OK(cuMulticastAddDevice(object, 0));
	OK(cuMemCreate(&memory, 2 * MIB, &allocation, 0));
	EQUAL(cuMulticastBindMem(object, 0, memory, 0, 2 * MIB, 0), 1);
	OK(cuMulticastAddDevice(object, 1));
	OK(cuMulticastBindMem(object, 0, memory, 0, 2 * MIB, 0));
	OK(cuMemRelease(memory));
	OK(cuMemRelease(object));
}

static void arrays_and_shapes(void)
{
	struct {
		size_t width, height, depth;
		unsigned int format, channels, flags;
	} what = {8, 4, 2, 0x20, 1, 0};
	struct sim_copy_3d copy = {.src_type = 1,
				   .src_pitch = 32,
				   .src_height = 4,
				   .dst_type = 3,
				   .width = 32,
				   .height = 4,
				   .depth = 2};
	float values[64], row[8];
	void *array;

	for (int i = 0; i < 64; i++)
		values[i] = (float)i;
	OK(cuArray3DCreate_v2(&array, &what));
	copy.src_host = values;
	copy.dst_array = array;
	OK(cuMemcpy3D_v2(&copy));
	OK(cuMemcpyAtoH_v2(row, array, 32, sizeof(row)));
	EQUAL(row[0], 8);
	row[0] = 99;
	OK(cuMemcpyHtoA_v2(array, 0, row, 4));
	OK(cuMemcpyAtoH_v2(row, array, 0, 8));
	EQUAL(row[0], 99);
	EQUAL(row[1], 1);
	OK(cuArrayDestroy(array));
}

static void batches(void)
{
	uint64_t from, to;
	uint8_t host[64];
	size_t failed = 0, bytes[] = {16, 16}, index = 0;
	struct sim_copy_attributes attributes = {2, {2, 0}, {1, 0}, 0};
	struct sim_copy_3d_batch op = {.order = 1, .width = 8, .height = 2, .depth = 1};
	uint64_t targets[2], sources[2];

	OK(cuMemAlloc_v2(&from, 4096));
	OK(cuMemAlloc_v2(&to, 4096));
	memset(host, 1, sizeof(host));
	targets[0] = from;
	targets[1] = from + 16;
	sources[0] = (uintptr_t)host;
	sources[1] = (uintptr_t)host + 16;
	OK(cuMemcpyBatchAsync(targets, sources, bytes, 2, &attributes, &index, 1, &failed, stream));
	EQUAL(failed, SIZE_MAX);
	memset(host, 9, sizeof(host)); /* it was read during the call */
	op.src.type = op.dst.type = 1;
	op.src.pointer = from;
	op.src.row_length = 16;
	op.dst.pointer = to;
	op.dst.row_length = 8;
	OK(cuMemcpy3DBatchAsync_v2(1, &op, 0, stream));
	OK(cuStreamSynchronize(stream));
	EQUAL(check_byte(to + 15), 1);
	EQUAL(check_byte(to + 16), 0);
	attributes.order = 7;
	EQUAL(
	    cuMemcpyBatchAsync(targets, sources, bytes, 2, &attributes, &index, 1, &failed, stream),
	    1);
	EQUAL(failed, 0);
	OK(cuMemFree_v2(from));
	OK(cuMemFree_v2(to));
}

static void host_memory(void)
{
	static uint8_t page[8192];
	unsigned int type;

	OK(cuMemHostRegister_v2(page, sizeof(page), 0));
	EQUAL(cuMemHostRegister_v2(page + 4096, 4096, 0), 712);
	OK(cuPointerGetAttribute(&type, 2, (uintptr_t)page));
	EQUAL(type, 1);
	OK(cuMemHostUnregister(page));
	EQUAL(cuMemHostUnregister(page), 713);
	EQUAL(cuPointerGetAttribute(&type, 2, (uintptr_t)page), 1);
}

static uint64_t word;

static void *set_word(void *unused)
{
	(void)unused;
	usleep(20000);
	__atomic_store_n((uint32_t *)(uintptr_t)word, 5, __ATOMIC_RELEASE);
	return NULL;
}

static void signals(void)
{
	union sim_mem_op ops[2] = {{.on = {1, 0, 5, 0, 0}}, {.on = {2, 0, 6, 0, 0}}};
	pthread_t thread;
	void *memory;

	OK(cuMemAllocHost_v2(&memory, 4096));
	word = (uintptr_t)memory;
	ops[0].on.address = word;
	ops[1].on.address = word + 4;
	OK(cuStreamBatchMemOp_v2(stream, 2, ops, 0));
	EQUAL(cuStreamQuery(stream), 600);
	EQUAL(pthread_create(&thread, NULL, set_word, NULL), 0);
	OK(cuStreamSynchronize(stream));
	pthread_join(thread, NULL);
	EQUAL(((uint32_t *)memory)[1], 6);
	OK(cuStreamWriteValue32_v2(stream, word, 1, 0));
	OK(cuStreamWaitValue32_v2(stream, word, 1, 1));
	OK(cuStreamSynchronize(stream));
	OK(cuMemFreeHost(memory));
}

static void green_contexts(void)
{
	struct sim_resource whole, half[2], rest;
	void *descriptor, *green, *green_stream, *context;
	unsigned int groups = 2;

	OK(cuDeviceGetDevResource(0, &whole, 1));
	OK(cuDevSmResourceSplitByCount(half, &groups, &whole, &rest, 0, whole.count / 2));
	EQUAL(groups, 2);
	OK(cuDevResourceGenerateDesc(&descriptor, half, 1));
	OK(cuGreenCtxCreate(&green, descriptor, 0, 1));
	OK(cuCtxFromGreenCtx(&context, green));
	OK(cuGreenCtxStreamCreate(&green_stream, green, 1, 0));
	check_launch(check_kernel(module, "noop"), green_stream, NULL);
	OK(cuStreamSynchronize(green_stream));
	OK(cuStreamDestroy_v2(green_stream));
	OK(cuGreenCtxDestroy(green));
	free(descriptor);
}

int main(void)
{
	module = check_start();
	OK(cuStreamCreate(&stream, 1));
	pools();
	shared_pool();
	by_hand();
	multicast();
	arrays_and_shapes();
	batches();
	host_memory();
	signals();
	green_contexts();
	return 0;
}
