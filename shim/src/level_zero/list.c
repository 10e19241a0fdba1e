// SPDX-License-Identifier: Apache-2.0
/* Commands: what is appended to a list, and lists that are executed. */
#include "core/question.h"
#include "level_zero/level_zero.h"

#define SLOTS  4096u
#define PROBES 8u

/* A small map of handles; where there is no room the value is missing, nothing else. */
struct known {
	uint64_t handle;
	uint64_t value;
};

/* Regular lists: CAPTURE. Immediate ones and queues: ASYNC, or 0 where a call waits for its work.
 */
static struct known ways[SLOTS];
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

/* What was kept of it, else `unknown`. */
static uint64_t forget(struct known *map, uint64_t handle, uint64_t unknown)
{
	struct known *slot = handle != 0 ? find(map, handle) : NULL;

	if (slot == NULL)
		return unknown;
	unknown = __atomic_load_n(&slot->value, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->handle, 0, __ATOMIC_RELEASE);
	return unknown;
}

static uint16_t flags_of(const void *list)
{
	const struct known *way = find(ways, (uintptr_t)list);

	if (way == NULL)
		return ANAROS_FLAG_CAPTURE;
	return anaros_cuda_flags((uintptr_t)list,
				 (uint16_t)__atomic_load_n(&way->value, __ATOMIC_RELAXED));
}

static uint16_t queue_flags(const void *queue)
{
	const struct known *way = find(ways, (uintptr_t)queue);

	return way != NULL ? (uint16_t)__atomic_load_n(&way->value, __ATOMIC_RELAXED)
			   : ANAROS_FLAG_ASYNC;
}

/* ze_command_queue_desc_t. */
struct queue_description {
	int type;
	const void *next;
	uint32_t ordinal, index, flags;
	int mode;
	int priority;
};

#define SYNCHRONOUS 1

static uint64_t way_of(const struct queue_description *told)
{
	return told != NULL && told->mode == SYNCHRONOUS ? 0 : ANAROS_FLAG_ASYNC;
}

/* The events that a command waits for, and the one that it signals. */
struct events {
	void *signal;
	uint32_t count;
	void *const *waits;
};

static void event(const struct anaros_fields *of, uint64_t start_ns, uint64_t end_ns,
		  const void *handle, uint64_t waited)
{
	uint64_t list = of->object, address = (uintptr_t)handle;

	if (handle == NULL)
		return;
	if (unlikely(__atomic_load_n(&anaros_cuda_captures, __ATOMIC_RELAXED) != 0))
		anaros_cuda_joins(of->status, waited ? list : address, waited ? address : list);
	if (waited == 0)
		anaros_question_over(address);
	anaros_record_at(start_ns, end_ns,
			 &(struct anaros_fields){
			     .kind = ANAROS_KIND_GPU_EVENT,
			     .flags = of->flags,
			     .status = of->status,
			     .object = list,
			     .size_bytes = waited,
			     .address = address,
			 });
}

/*
 * In the order in which a device does it; all with the times of the call. An
 * event is a fact of its own: that the thread waits for it later is all that
 * tells when the list was done.
 */
static void command(const struct anaros_call *call, const struct anaros_fields *fields,
		    struct events events)
{
	uint64_t end_ns = anaros_now_ns();

	if (events.waits != NULL)
		for (uint32_t i = 0; i < events.count; i++)
			event(fields, call->start_ns, end_ns, events.waits[i], 1);
	anaros_record_at(call->start_ns, end_ns, fields);
	if (events.signal != NULL)
		event(fields, call->start_ns, end_ns, events.signal, 0);
}

#define EVENTS ((struct events){hSignalEvent, numWaitEvents, phWaitEvents})
#define NONE   ((struct events){NULL, 0, NULL})

#define ENQUEUED(kind_, list, flags_, address_, bytes, events_)                                    \
	command(&call,                                                                             \
		&(struct anaros_fields){.kind = (kind_),                                           \
					.status = result,                                          \
					.flags = (flags_),                                         \
					.object = (uintptr_t)(list),                               \
					.address = (uintptr_t)(address_),                          \
					.size_bytes = (bytes)},                                    \
		events_)
#define COMMAND(kind_, address_, bytes)                                                            \
	ENQUEUED(ANAROS_KIND_GPU_##kind_, hCommandList, flags_of(hCommandList), address_, bytes,   \
		 EVENTS)
/* One that neither waits nor signals. */
#define COMMAND_ALONE(kind_, address_, bytes)                                                      \
	ENQUEUED(ANAROS_KIND_GPU_##kind_, hCommandList, flags_of(hCommandList), address_, bytes,   \
		 NONE)

static uint64_t threads_of(const void *kernel, const struct ze_group *groups)
{
	const struct known *size = kernel != NULL ? find(group_sizes, (uintptr_t)kernel) : NULL;
	uint64_t each = size != NULL ? __atomic_load_n(&size->value, __ATOMIC_RELAXED) : 1;

	return groups != NULL ? each * groups->x * groups->y * groups->z : 0;
}

ZE_WRAP(zeKernelSetGroupSize,
	if (result == ZE_SUCCESS)
	    keep(group_sizes, (uintptr_t)hKernel, (uint64_t)groupSizeX *groupSizeY *groupSizeZ))
ZE_WRAP(zeKernelDestroy, forget(group_sizes, (uintptr_t)hKernel, 0))

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
/* They wait together, and the last of them signals. */
ZE_WRAP(
    zeCommandListAppendLaunchMultipleKernelsIndirect, struct events events = EVENTS;
    for (uint32_t i = 0; phKernels != NULL && i < numKernels; i++) {
	    events.count = i == 0 ? numWaitEvents : 0;
	    events.signal = i + 1 == numKernels ? hSignalEvent : NULL;
	    ENQUEUED(ANAROS_KIND_GPU_LAUNCH, hCommandList, flags_of(hCommandList), phKernels[i], 0,
		     events);
    })
ZE_AROUND(zeCommandListAppendHostFunction, const void *told = pfnHostFunction;
	  pfnHostFunction = ANAROS_CALLBACK(pfnHostFunction), COMMAND(HOST_CALL, told, 0))

/* All memory is of one address space: the direction is where it was allocated. */
#define COPY(dst, src, bytes)                                                                      \
	const struct anaros_span_way way = anaros_span_way_of((uintptr_t)(dst), (uintptr_t)(src)); \
	ENQUEUED(way.kind, hCommandList, flags_of(hCommandList), way.address, bytes, EVENTS)

ZE_WRAP(zeCommandListAppendMemoryCopy, COPY(dstptr, srcptr, size))
ZE_WRAP(zeCommandListAppendMemoryCopyWithParameters, COPY(dstptr, srcptr, size))
ZE_WRAP(zeCommandListAppendMemoryCopyFromContext, COPY(dstptr, srcptr, size))
ZE_WRAP(zeCommandListAppendMemoryFill, COMMAND(MEMSET, ptr, size))
ZE_WRAP(zeCommandListAppendMemoryFillWithParameters, COMMAND(MEMSET, ptr, size))
ZE_WRAP(zeCommandListAppendMemoryPrefetch, COMMAND_ALONE(PREFETCH, ptr, size))
/* What is built for ray tracing: how large it is, only its builder knows. */
ZE_WRAP(zeRTASBuilderCommandListAppendCopyExt, COPY(dstptr, srcptr, size))

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

/* The start of a region: rows and slices as the call says they are apart. */
static uint64_t region_start(const void *memory, const struct copy_region *region, uint32_t pitch,
			     uint32_t slice_pitch)
{
	if (region == NULL)
		return (uintptr_t)memory;
	return (uintptr_t)memory + region->origin[0] + (uint64_t)region->origin[1] * pitch +
	       (uint64_t)region->origin[2] * slice_pitch;
}

ZE_WRAP(zeCommandListAppendMemoryCopyRegion,
	COPY(region_start(dstptr, dstRegion, dstPitch, dstSlicePitch),
	     region_start(srcptr, srcRegion, srcPitch, srcSlicePitch), region_bytes(dstRegion)))

/* A region of an image is counted in elements; without one it is the whole image. */
#define IMAGE(image, region) anaros_ze_image_bytes(image, region)
/* Memory that an image is copied from or to: it tells the direction. */
#define MANAGED_OR_HOST(memory)                                                                    \
	(anaros_span_of((uintptr_t)(memory)) == ANAROS_PLACE_HOST ||                               \
	 anaros_span_of((uintptr_t)(memory)) == ANAROS_PLACE_MANAGED)
#define TO_MEMORY                                                                                  \
	ENQUEUED(MANAGED_OR_HOST(dstptr) ? ANAROS_KIND_GPU_COPY_D2H : ANAROS_KIND_GPU_COPY_D2D,    \
		 hCommandList, flags_of(hCommandList), dstptr, IMAGE(hSrcImage, pSrcRegion),       \
		 EVENTS)
#define FROM_MEMORY                                                                                \
	bool host = MANAGED_OR_HOST(srcptr);                                                       \
	ENQUEUED(host ? ANAROS_KIND_GPU_COPY_H2D : ANAROS_KIND_GPU_COPY_D2D, hCommandList,         \
		 flags_of(hCommandList), host ? (uintptr_t)srcptr : (uintptr_t)hDstImage,          \
		 IMAGE(hDstImage, pDstRegion), EVENTS)

ZE_WRAP(zeCommandListAppendImageCopy, COMMAND(COPY_D2D, hDstImage, IMAGE(hDstImage, NULL)))
ZE_WRAP(zeCommandListAppendImageCopyRegion,
	COMMAND(COPY_D2D, hDstImage, IMAGE(hDstImage, pDstRegion)))
ZE_WRAP(zeCommandListAppendImageCopyToMemory, TO_MEMORY)
ZE_WRAP(zeCommandListAppendImageCopyFromMemory, FROM_MEMORY)
ZE_WRAP(zeCommandListAppendImageCopyToMemoryExt, TO_MEMORY)
ZE_WRAP(zeCommandListAppendImageCopyFromMemoryExt, FROM_MEMORY)

/* A barrier waits for all that was appended before, or for the events that it names. */
#define EVENT(handle, waited)                                                                      \
	event(&(struct anaros_fields){.status = result,                                            \
				      .flags = flags_of(hCommandList),                             \
				      .object = (uintptr_t)hCommandList},                          \
	      call.start_ns, anaros_now_ns(), handle, waited)
#define BARRIER                                                                                    \
	for (uint32_t i = 0; phWaitEvents != NULL && i < numWaitEvents; i++)                       \
		EVENT(phWaitEvents[i], 1);                                                         \
	EVENT(hSignalEvent, 0)

ZE_WRAP(zeCommandListAppendBarrier, BARRIER)
ZE_WRAP(zeCommandListAppendMemoryRangesBarrier, BARRIER)
ZE_WRAP(zeCommandListAppendSignalEvent, EVENT(hEvent, 0))
ZE_WRAP(zeCommandListAppendWaitOnEvents,
	for (uint32_t i = 0; phEvents != NULL && i < numEvents; i++) EVENT(phEvents[i], 1))

/* Semaphores of another library: they wait, or are signalled, between the events. */
#define SEMAPHORES(waits)                                                                          \
	struct events events = EVENTS;                                                             \
	for (uint32_t i = 0; phSemaphores != NULL && i < numSemaphores; i++) {                     \
		events.count = i == 0 ? numWaitEvents : 0;                                         \
		events.signal = i + 1 == numSemaphores ? hSignalEvent : NULL;                      \
		ENQUEUED(ANAROS_KIND_GPU_SIGNAL, hCommandList, flags_of(hCommandList),             \
			 phSemaphores[i], waits, events);                                          \
	}

ZE_WRAP(zeCommandListAppendSignalExternalSemaphoreExt, SEMAPHORES(0))
ZE_WRAP(zeCommandListAppendWaitExternalSemaphoreExt, SEMAPHORES(1))

#define NOTE(kind_, object_, address_, bytes)                                                      \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_##kind_, .object = (uintptr_t)(object_),               \
		    .address = (uintptr_t)(address_), .size_bytes = (bytes))

/* size_bytes 1: made; 0: destroyed. */
ZE_WRAP(zeCommandListCreateImmediate,
	keep(ways, (uintptr_t)DEVICE_OUT(phCommandList), way_of(altdesc));
	NOTE(STREAM, DEVICE_OUT(phCommandList), 0, 1))
ZE_WRAP(zeCommandQueueCreate, keep(ways, (uintptr_t)DEVICE_OUT(phCommandQueue), way_of(desc));
	NOTE(STREAM, DEVICE_OUT(phCommandQueue), 0, 1))
ZE_WRAP(zeCommandQueueDestroy, forget(ways, (uintptr_t)hCommandQueue, 0);
	NOTE(STREAM, hCommandQueue, 0, 0))
ZE_WRAP(zeCommandListDestroy, if (forget(ways, (uintptr_t)hCommandList, ANAROS_FLAG_CAPTURE) ==
				  ANAROS_FLAG_CAPTURE) NOTE(INSTANTIATE, hCommandList, 0, 0);
	else NOTE(STREAM, hCommandList, 0, 0))

/* A regular list takes commands from here on, and is the graph when it is closed. */
ZE_WRAP(zeCommandListCreate, keep(ways, (uintptr_t)DEVICE_OUT(phCommandList), ANAROS_FLAG_CAPTURE);
	NOTE(CAPTURE, DEVICE_OUT(phCommandList), 0, 0))
ZE_WRAP(zeCommandListReset, NOTE(CAPTURE, hCommandList, 0, 0))
ZE_WRAP(zeCommandListClose, NOTE(CAPTURE, hCommandList, hCommandList, 0))
ZE_WRAP(zeCommandListCreateCloneExp,
	keep(ways, (uintptr_t)DEVICE_OUT(phClonedCommandList), ANAROS_FLAG_CAPTURE);
	NOTE(INSTANTIATE, DEVICE_OUT(phClonedCommandList), hCommandList, 0))

/* One after the other: the first waits, the last signals. */
#define EXECUTED(on, events_)                                                                      \
	const struct events all = events_;                                                         \
	struct events events = all;                                                                \
	for (uint32_t i = 0; phCommandLists != NULL && i < numCommandLists; i++) {                 \
		events.count = i == 0 ? all.count : 0;                                             \
		events.signal = i + 1 == numCommandLists ? all.signal : NULL;                      \
		ENQUEUED(ANAROS_KIND_GPU_GRAPH, on, queue_flags(on), phCommandLists[i], 0,         \
			 events);                                                                  \
	}

/* A fence is signalled as an event is. */
ZE_WRAP(zeCommandQueueExecuteCommandLists,
	EXECUTED(hCommandQueue, ((struct events){hFence, 0, NULL})))
ZE_WRAP(zeCommandListImmediateAppendCommandListsExp, EXECUTED(hCommandListImmediate, EVENTS))
ZE_WRAP(zeCommandListImmediateAppendCommandListsWithParameters,
	EXECUTED(hCommandListImmediate, EVENTS))

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
