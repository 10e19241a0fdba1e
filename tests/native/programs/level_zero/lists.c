// SPDX-License-Identifier: Apache-2.0
/*
 * Description: the commands of a regular list are recorded as captured and
 * each execution is a graph; those of an immediate list run. Results, calls
 * and bytes are those of Level Zero itself.
 */
#include "level_zero_test.h"

#define N     512u
#define BYTES (4 * N)

static const struct described_queue described;
static struct harness harness;
static void *library;

static struct harness_search last_of(uint16_t kind)
{
	return records(&harness, kind);
}

static void *memory(const char *kind)
{
	void *pointer = NULL;

	if (strcmp(kind, "host") == 0)
		OK(ZE(library, zeMemAllocHost, void *, const void *, size_t, size_t,
		      void **)(NULL, NULL, BYTES, 64, &pointer));
	else
		OK(ZE(library, zeMemAllocDevice, void *, const void *, size_t, size_t, void *,
		      void **)(NULL, NULL, BYTES, 64, NULL, &pointer));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.object, (uintptr_t)pointer);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.size_bytes, BYTES);
	return pointer;
}

static void *kernel(void)
{
	struct {
		int type;
		const void *next;
		uint32_t flags;
		const char *name;
	} desc = {.name = "vector_add"};
	void *module, *made;

	OK(ZE(library, zeModuleCreate, void *, void *, const void *, void **,
	      void **)(NULL, NULL, NULL, &module, NULL));
	OK(ZE(library, zeKernelCreate, void *, const void *, void **)(module, &desc, &made));
	OK(ZE(library, zeKernelSetGroupSize, void *, uint32_t, uint32_t, uint32_t)(made, 64, 1, 1));
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_META_NAME,
							    .object = (uintptr_t)made}),
		    1);
	desc.name = "nothing";
	CHECK(ZE(library, zeKernelCreate, void *, const void *, void **)(module, &desc, &module) !=
	      0);
	return made;
}

static int copy(void *list, void *dst, const void *src, size_t size)
{
	return ((ze_copy)ze_symbol(library, "zeCommandListAppendMemoryCopy"))(list, dst, src, size,
									      NULL, 0, NULL);
}

/* Three copies and a kernel, recorded once and executed twice. */
static void regular(void *run, void *const *device, float *const *host)
{
	const struct group groups = {N / 64, 1, 1};
	struct wanted captured = {.flags = ANAROS_FLAG_CAPTURE};
	void *list, *queue;

	OK(ZE(library, zeCommandListCreate, void *, void *, const void *,
	      void **)(NULL, NULL, &described, &list));
	OK(ZE(library, zeCommandQueueCreate, void *, void *, const void *,
	      void **)(NULL, NULL, &described, &queue));
	OK(copy(list, device[0], host[0], BYTES));
	OK(copy(list, device[1], host[1], BYTES));
	for (uint32_t i = 0; i < 3; i++)
		OK(ZE(library, zeKernelSetArgumentValue, void *, uint32_t, size_t,
		      const void *)(run, i, sizeof(void *), &device[i]));
	OK(ZE(library, zeCommandListAppendLaunchKernel, void *, void *, const struct group *,
	      void *, uint32_t, void **)(list, run, &groups, NULL, 0, NULL));
	OK(copy(list, host[2], device[2], BYTES));
	OK(ZE(library, zeCommandListClose, void *)(list));
	CHECK(copy(list, host[2], device[2], BYTES) != 0);
	CHECK_EQUAL(sim_bytes(library), 0);
	captured.kind = ANAROS_KIND_GPU_COPY_H2D;
	CHECK_EQUAL(harness_count(&harness, captured), 2);
	CHECK_EQUAL(harness_find(&harness, captured).last.address, (uintptr_t)host[1]);
	captured.kind = ANAROS_KIND_GPU_COPY_D2H;
	CHECK_EQUAL(harness_count(&harness, captured), 2);
	CHECK_EQUAL(sim_calls(library, SIM_COPY), 4);
	captured.kind = ANAROS_KIND_GPU_LAUNCH;
	CHECK_EQUAL(harness_count(&harness, captured), 1);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).last.size_bytes, N);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).last.object, (uintptr_t)list);
	for (int i = 0; i < 2; i++)
		OK(ZE(library, zeCommandQueueExecuteCommandLists, void *, uint32_t, void **,
		      void *)(queue, 1, &list, NULL));
	OK(ZE(library, zeCommandQueueSynchronize, void *, uint64_t)(queue, UINT64_MAX));
	CHECK_EQUAL(sim_bytes(library), 6 * BYTES);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_GRAPH).count, sim_calls(library, SIM_EXECUTE));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_GRAPH).last.object, (uintptr_t)queue);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_GRAPH).last.address, (uintptr_t)list);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).last.object, (uintptr_t)queue);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_CAPTURE).count, 2);
	for (uint32_t i = 0; i < N; i++)
		CHECK(host[2][i] == host[0][i] + host[1][i]);
	OK(ZE(library, zeCommandListDestroy, void *)(list));
	OK(ZE(library, zeCommandQueueDestroy, void *)(queue));
}

static void immediate(void *device, float *host)
{
	uint64_t before = sim_bytes(library), recorded = last_of(ANAROS_KIND_GPU_COPY_H2D).bytes;
	const char zero = 0;
	void *list, *event;

	OK(ZE(library, zeCommandListCreateImmediate, void *, void *, const void *,
	      void **)(NULL, NULL, &described, &list));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_STREAM).last.object, (uintptr_t)list);
	OK(ZE(library, zeEventCreate, void *, const void *, void **)(NULL, NULL, &event));
	OK(copy(list, device, host, 100));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_H2D).last.flags, ANAROS_FLAG_ASYNC);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_H2D).last.address, (uintptr_t)host);
	OK(ZE(library, zeCommandListAppendMemoryFill, void *, void *, const void *, size_t, size_t,
	      void *, uint32_t, void **)(list, device, &zero, 1, 50, NULL, 0, NULL));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_MEMSET).bytes, 50);
	OK(ZE(library, zeCommandListAppendSignalEvent, void *, void *)(list, event));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_EVENT).last.address, (uintptr_t)event);
	/* The first and the last time that it is not done, and that it is. */
	for (int i = 0; i < 5; i++)
		CHECK_EQUAL(ZE(library, zeEventQueryStatus, void *)(event), 1);
	CHECK_EQUAL(ZE(library, zeEventHostSynchronize, void *, uint64_t)(event, 0), 1);
	OK(ZE(library, zeEventHostSynchronize, void *, uint64_t)(event, UINT64_MAX));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).last.object, (uintptr_t)event);
	OK(ZE(library, zeEventQueryStatus, void *)(event));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_QUERY).count, 3);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_QUERY).last.status, 0);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_COPY_H2D).bytes - recorded,
		    sim_bytes(library) - before);
	OK(ZE(library, zeCommandListDestroy, void *)(list));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_STREAM).last.object, (uintptr_t)list);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_STREAM).last.size_bytes, 0);
	/* Refused: with the result that the program gets. */
	CHECK_EQUAL(ZE(library, zeMemFree, void *, void *)(NULL, NULL), 0x78000004);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).last.status, 0x78000004);
}

int main(void)
{
	void *device[3];
	float *host[3];

	harness = harness_open();
	library = ze_open();
	OK(ZE(library, zeInit, uint32_t)(0));
	for (int i = 0; i < 3; i++) {
		device[i] = memory("device");
		host[i] = memory("host");
	}
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).last.flags,
		    ANAROS_FLAG_PINNED | ANAROS_MEMORY_HOST);
	for (uint32_t i = 0; i < N; i++) {
		host[0][i] = (float)i / 3;
		host[1][i] = (float)i * 5;
	}
	regular(kernel(), device, host);
	immediate(device[0], host[0]);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
