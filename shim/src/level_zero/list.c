// SPDX-License-Identifier: Apache-2.0
/* Commands: what is appended to a list, and lists that are executed. */
#include "level_zero/level_zero.h"

#define SLOTS  4096u
#define PROBES 8u

/* A small map of handles; where there is no room the value is missing, nothing else. */
struct known {
	uint64_t handle;
	uint64_t value;
};

static struct known immediates[SLOTS]; /* value: unused */
static struct known group_sizes[SLOTS];

static struct known *find(struct known *map, uint64_t handle)
{
	unsigned int start = (unsigned int)((handle * 0x9e3779b97f4a7c15ull) >> 52);

	for (unsigned int i = 0; i < PROBES; i++) {
		struct known *slot = &map[(start + i) % SLOTS];

		if (__atomic_load_n(&slot->handle, __ATOMIC_ACQUIRE) == handle)
			return slot;
	}
	return NULL;
}

static void keep(struct known *map, uint64_t handle, uint64_t value)
{
	unsigned int start = (unsigned int)((handle * 0x9e3779b97f4a7c15ull) >> 52);
	struct known *slot = handle != 0 ? find(map, handle) : NULL;

	for (unsigned int i = 0; handle != 0 && slot == NULL && i < PROBES; i++) {
		struct known *free = &map[(start + i) % SLOTS];
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&free->handle, &none, handle, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			slot = free;
	}
	if (slot != NULL)
		__atomic_store_n(&slot->value, value, __ATOMIC_RELAXED);
}

/* True: it was there. */
static bool forget(struct known *map, uint64_t handle)
{
	struct known *slot = handle != 0 ? find(map, handle) : NULL;

	if (slot != NULL)
		__atomic_store_n(&slot->handle, 0, __ATOMIC_RELEASE);
	return slot != NULL;
}

uint16_t anaros_ze_list_flags(const void *list)
{
	if (find(immediates, (uintptr_t)list) == NULL)
		return ANAROS_FLAG_CAPTURE;
	return anaros_cuda_flags((uintptr_t)list, ANAROS_FLAG_ASYNC);
}

#define COMMAND(kind_, address_, bytes)                                                            \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_##kind_,                                             \
		      .flags = anaros_ze_list_flags(hCommandList),                                 \
		      .object = (uintptr_t)hCommandList, .address = (uintptr_t)(address_),         \
		      .size_bytes = (bytes))

static uint64_t threads_of(const void *kernel, const struct ze_group *groups)
{
	const struct known *size = kernel != NULL ? find(group_sizes, (uintptr_t)kernel) : NULL;
	uint64_t each = size != NULL ? __atomic_load_n(&size->value, __ATOMIC_RELAXED) : 1;

	return groups != NULL ? each * groups->x * groups->y * groups->z : 0;
}

ZE_WRAP(zeKernelSetGroupSize,
	if (result == ZE_SUCCESS)
	    keep(group_sizes, (uintptr_t)hKernel, (uint64_t)groupSizeX *groupSizeY *groupSizeZ))
ZE_WRAP(zeKernelDestroy, forget(group_sizes, (uintptr_t)hKernel))

ZE_WRAP(zeCommandListAppendLaunchKernel,
	COMMAND(LAUNCH, hKernel, threads_of(hKernel, pLaunchFuncArgs)))
ZE_WRAP(zeCommandListAppendLaunchCooperativeKernel,
	COMMAND(LAUNCH, hKernel, threads_of(hKernel, pLaunchFuncArgs)))
ZE_WRAP(zeCommandListAppendLaunchKernelWithParameters,
	COMMAND(LAUNCH, hKernel, threads_of(hKernel, pGroupCounts)))
ZE_WRAP(zeCommandListAppendLaunchKernelWithArguments,
	COMMAND(LAUNCH, hKernel,
		(uint64_t)groupCounts.x *groupCounts.y *groupCounts.z *groupSizes.x *groupSizes
		    .y *groupSizes.z))
/* How many groups is in memory, and may be written by the device: not told. */
ZE_WRAP(zeCommandListAppendLaunchKernelIndirect, COMMAND(LAUNCH, hKernel, 0))
ZE_WRAP(zeCommandListAppendLaunchMultipleKernelsIndirect,
	for (uint32_t i = 0; phKernels != NULL && i < numKernels; i++)
	    COMMAND(LAUNCH, phKernels[i], 0))
ZE_WRAP(zeCommandListAppendHostFunction, COMMAND(HOST_CALL, pfnHostFunction, 0))

/* All memory is of one address space: the direction is in the map of addresses. */
ZE_WRAP(zeCommandListAppendMemoryCopy, COMMAND(COPY, dstptr, size))
ZE_WRAP(zeCommandListAppendMemoryCopyWithParameters, COMMAND(COPY, dstptr, size))
ZE_WRAP(zeCommandListAppendMemoryCopyFromContext, COMMAND(COPY, dstptr, size))
ZE_WRAP(zeCommandListAppendMemoryFill, COMMAND(MEMSET, ptr, size))
ZE_WRAP(zeCommandListAppendMemoryFillWithParameters, COMMAND(MEMSET, ptr, size))
ZE_WRAP(zeCommandListAppendMemoryPrefetch, COMMAND(PREFETCH, ptr, size))

/* ze_copy_region_t; a depth of 0 is that of two dimensions. */
struct copy_region {
	uint32_t origin[3], width, height, depth;
};

static uint64_t region_bytes(const struct copy_region *region)
{
	if (region == NULL)
		return 0;
	return (uint64_t)region->width * (region->height != 0 ? region->height : 1) *
	       (region->depth != 0 ? region->depth : 1);
}

ZE_WRAP(zeCommandListAppendMemoryCopyRegion, COMMAND(COPY, dstptr, region_bytes(dstRegion)))
/* The bytes of an image are its driver's to know. */
ZE_WRAP(zeCommandListAppendImageCopy, COMMAND(COPY_D2D, hDstImage, 0))
ZE_WRAP(zeCommandListAppendImageCopyRegion, COMMAND(COPY_D2D, hDstImage, 0))
ZE_WRAP(zeCommandListAppendImageCopyToMemory, COMMAND(COPY, dstptr, 0))
ZE_WRAP(zeCommandListAppendImageCopyFromMemory, COMMAND(COPY, hDstImage, 0))
ZE_WRAP(zeCommandListAppendImageCopyToMemoryExt, COMMAND(COPY, dstptr, 0))
ZE_WRAP(zeCommandListAppendImageCopyFromMemoryExt, COMMAND(COPY, hDstImage, 0))

/* A barrier waits for all that was appended before, and may signal an event. */
ZE_WRAP(zeCommandListAppendBarrier, COMMAND(EVENT, hSignalEvent, 1))
ZE_WRAP(zeCommandListAppendMemoryRangesBarrier, COMMAND(EVENT, hSignalEvent, 1))
ZE_WRAP(zeCommandListAppendSignalEvent, COMMAND(EVENT, hEvent, 0))
ZE_WRAP(zeCommandListAppendWaitOnEvents,
	for (uint32_t i = 0; phEvents != NULL && i < numEvents; i++) COMMAND(EVENT, phEvents[i], 1))
ZE_WRAP(zeCommandListAppendSignalExternalSemaphoreExt,
	for (uint32_t i = 0; phSemaphores != NULL && i < numSemaphores; i++)
	    COMMAND(SIGNAL, phSemaphores[i], 0))
ZE_WRAP(zeCommandListAppendWaitExternalSemaphoreExt,
	for (uint32_t i = 0; phSemaphores != NULL && i < numSemaphores; i++)
	    COMMAND(SIGNAL, phSemaphores[i], 1))

#define NOTE(kind_, object_, address_, bytes)                                                      \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_##kind_, .object = (uintptr_t)(object_),               \
		    .address = (uintptr_t)(address_), .size_bytes = (bytes))

/* size_bytes 1: made; 0: destroyed. */
ZE_WRAP(zeCommandListCreateImmediate, keep(immediates, (uintptr_t)DEVICE_OUT(phCommandList), 1);
	NOTE(STREAM, DEVICE_OUT(phCommandList), 0, 1))
ZE_WRAP(zeCommandQueueCreate, NOTE(STREAM, DEVICE_OUT(phCommandQueue), 0, 1))
ZE_WRAP(zeCommandQueueDestroy, NOTE(STREAM, hCommandQueue, 0, 0))
ZE_WRAP(zeCommandListDestroy,
	if (forget(immediates, (uintptr_t)hCommandList)) NOTE(STREAM, hCommandList, 0, 0);
	else NOTE(INSTANTIATE, hCommandList, 0, 0))

/* A regular list takes commands from here on, and is the graph when it is closed. */
ZE_WRAP(zeCommandListCreate, NOTE(CAPTURE, DEVICE_OUT(phCommandList), 0, 0))
ZE_WRAP(zeCommandListReset, NOTE(CAPTURE, hCommandList, 0, 0))
ZE_WRAP(zeCommandListClose, NOTE(CAPTURE, hCommandList, hCommandList, 0))

#define EXECUTED(on)                                                                               \
	for (uint32_t i = 0; phCommandLists != NULL && i < numCommandLists; i++)                   \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_GRAPH, .flags = ANAROS_FLAG_ASYNC,                   \
		      .object = (uintptr_t)(on), .address = (uintptr_t)phCommandLists[i])

ZE_WRAP(zeCommandQueueExecuteCommandLists, EXECUTED(hCommandQueue))
ZE_WRAP(zeCommandListImmediateAppendCommandListsExp, EXECUTED(hCommandListImmediate))
ZE_WRAP(zeCommandListImmediateAppendCommandListsWithParameters, EXECUTED(hCommandListImmediate))

/* Graphs of their own, captured from an immediate list. */
#define BEGINS                                                                                     \
	anaros_cuda_capture_begins(result, (uintptr_t)hCommandList);                               \
	NOTE(CAPTURE, hCommandList, 0, 0)

ZE_WRAP(zeCommandListBeginGraphCaptureExt, BEGINS)
ZE_WRAP(zeCommandListBeginCaptureIntoGraphExt, BEGINS)
ZE_WRAP(zeCommandListEndGraphCaptureExt, anaros_cuda_capture_ends((uintptr_t)hCommandList);
	NOTE(CAPTURE, hCommandList, DEVICE_OUT(phGraph), 0))
ZE_WRAP(zeCommandListAppendGraphExt, COMMAND(GRAPH, hGraph, 0))
ZE_WRAP(zeGraphInstantiateExt, NOTE(INSTANTIATE, DEVICE_OUT(phExecutableGraph), hGraph, 0))
ZE_WRAP(zeExecutableGraphDestroyExt, NOTE(INSTANTIATE, hGraph, 0, 0))
