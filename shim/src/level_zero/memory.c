// SPDX-License-Identifier: Apache-2.0
/* Memory, code, contexts, waits and questions of Level Zero. */
#include "core/question.h"
#include "level_zero/level_zero.h"

#define ALLOC(object_, bytes, flags_, address_)                                                    \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_ALLOC, .flags = (flags_),                              \
		    .object = (uintptr_t)(object_), .size_bytes = (bytes),                         \
		    .address = (uintptr_t)(address_))
#define FREE(object_, flags_)                                                                      \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_FREE, .flags = (flags_), .object = (uintptr_t)(object_))

#define MADE(place, bytes)                                                                         \
	anaros_span_made((uintptr_t)DEVICE_OUT(pptr), bytes, ANAROS_PLACE_##place)
#define GONE(start) anaros_span_gone((uintptr_t)(start), 0, call.start_ns)

ZE_WRAP(zeMemAllocDevice, MADE(DEVICE, size);
	ALLOC(DEVICE_OUT(pptr), size, ANAROS_MEMORY_DEVICE, 0))
ZE_WRAP(zeMemAllocShared, MADE(MANAGED, size);
	ALLOC(DEVICE_OUT(pptr), size, ANAROS_MEMORY_MANAGED, DEVICE_OUT(pptr)))
ZE_WRAP(zeMemAllocHost,
	ALLOC(DEVICE_OUT(pptr), size, ANAROS_FLAG_PINNED | ANAROS_MEMORY_HOST, DEVICE_OUT(pptr)))
/* What is freed tells its class by the address that was allocated. */
ZE_WRAP(zeMemFree, GONE(ptr); FREE(ptr, ANAROS_MEMORY_DEVICE))
ZE_WRAP(zeMemFreeExt, GONE(ptr); FREE(ptr, ANAROS_MEMORY_DEVICE))
ZE_WRAP(zeMemOpenIpcHandle, MADE(DEVICE, 0); ALLOC(DEVICE_OUT(pptr), 0, ANAROS_MEMORY_IMPORTED, 0))
ZE_WRAP(zeMemCloseIpcHandle, GONE(ptr); FREE(ptr, ANAROS_MEMORY_IMPORTED))

/* What every descriptor begins with. */
struct description {
	int type;
	const void *next;
	uint32_t flags;
};

struct physical_description {
	struct description head;
	size_t bytes;
};

struct kernel_description {
	struct description head;
	const char *name;
};

_Static_assert(offsetof(struct kernel_description, name) == 24, "the loader's");

ZE_WRAP(zePhysicalMemCreate, const struct physical_description *told = desc;
	ALLOC(DEVICE_OUT(phPhysicalMemory), told != NULL ? told->bytes : 0, ANAROS_MEMORY_PHYSICAL,
	      0))
ZE_WRAP(zePhysicalMemDestroy, FREE(hPhysicalMemory, ANAROS_MEMORY_PHYSICAL))

#define RANGE(kind_, object_, address_)                                                            \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_##kind_, .object = (uintptr_t)(object_),               \
		    .size_bytes = size, .address = (uintptr_t)(address_))

ZE_WRAP(zeVirtualMemReserve, RANGE(RESERVE, DEVICE_OUT(pptr), 1))
ZE_WRAP(zeVirtualMemFree, RANGE(RESERVE, ptr, 0))
ZE_WRAP(zeVirtualMemMap,
	if (result == ZE_SUCCESS) anaros_span_made((uintptr_t)ptr, size, ANAROS_PLACE_DEVICE);
	RANGE(VM_MAP, ptr, hPhysicalMemory))
ZE_WRAP(zeVirtualMemSetAccessAttribute, RANGE(VM_MAP, ptr, 0))
ZE_WRAP(zeVirtualMemUnmap, anaros_span_gone((uintptr_t)ptr, size, call.start_ns);
	RANGE(VM_UNMAP, ptr, 0))

ZE_WRAP(zeModuleCreate,
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_BUILD, .object = (uintptr_t)DEVICE_OUT(phModule)))
/* Modules that are linked to each other. */
ZE_WRAP(zeModuleDynamicLink,
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_BUILD,
		    .object = phModules != NULL && numModules != 0 ? (uintptr_t)phModules[0] : 0))
ZE_WRAP(zeKernelCreate, const struct kernel_description *told = desc;
	anaros_device_name((uintptr_t)DEVICE_OUT(phKernel), told != NULL ? told->name : NULL))

#define CONTEXT(context_, what)                                                                    \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_CONTEXT, .object = (uintptr_t)(context_),              \
		    .size_bytes = (what))

ZE_WRAP(zeContextCreate, CONTEXT(DEVICE_OUT(phContext), 1))
ZE_WRAP(zeContextCreateEx, CONTEXT(DEVICE_OUT(phContext), 1))
ZE_WRAP(zeContextDestroy, CONTEXT(hContext, 0))

#define WAITED(object_)                                                                            \
	anaros_questions_over();                                                                   \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_SYNC, .object = (object_))
#define QUESTION(object_)                                                                          \
	if (anaros_answer_is_news(&call, (uintptr_t)(object_), result, result == ZE_NOT_READY))    \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_QUERY, .object = (uintptr_t)(object_))
/* A wait that has no time to wait is a question. */
#define WAIT(object_)                                                                              \
	if (timeout != 0) {                                                                        \
		WAITED((uintptr_t)(object_));                                                      \
	} else                                                                                     \
		QUESTION(object_)

ZE_WRAP(zeCommandQueueSynchronize, WAIT(hCommandQueue))
ZE_WRAP(zeCommandListHostSynchronize, WAIT(hCommandList))
ZE_WRAP(zeFenceHostSynchronize, WAIT(hFence))
ZE_WRAP(zeEventHostSynchronize, WAIT(hEvent))
ZE_WRAP(zeDeviceSynchronize, WAITED(0))
ZE_WRAP(zeEventQueryStatus, QUESTION(hEvent))
ZE_WRAP(zeFenceQueryStatus, QUESTION(hFence))
/* The host lets work go on that waits for the event. */
ZE_WRAP(zeEventHostSignal,
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_SIGNAL, .address = (uintptr_t)hEvent))
