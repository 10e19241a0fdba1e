// SPDX-License-Identifier: Apache-2.0
/* The loader: what is exported, most of it by way of the driver's table. */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static struct list_table lists; /* as the getter gave it */

EXPORT int zeGetCommandListProcAddrTable(uint32_t version, void **table);
EXPORT int zeGetCommandListProcAddrTable(uint32_t version, void **table)
{
	if (version < API_VERSION || version > 0x1000fu)
		return UNSUPPORTED_VERSION;
	memcpy(table, &sim_driver_lists, sizeof(sim_driver_lists));
	return SUCCESS;
}

EXPORT int zeGetGlobalProcAddrTable(uint32_t version, void **table);
EXPORT int zelLoaderGetVersions(size_t *count, void *versions);
EXPORT int zelLoaderGetVersions(size_t *count, void *versions)
{
	(void)versions;
	*count = 1;
	return SUCCESS;
}

EXPORT int zeInit(uint32_t flags);
EXPORT int zeInit(uint32_t flags)
{
	(void)flags;
	sim_begin();
	return zeGetCommandListProcAddrTable(API_VERSION, (void **)&lists);
}

EXPORT int zeGetGlobalProcAddrTable(uint32_t version, void **table)
{
	if (version < API_VERSION)
		return UNSUPPORTED_VERSION;
	table[0] = (void *)zeInit;
	return SUCCESS;
}

#define FORWARD(name, member, parameters, arguments)                                               \
	EXPORT int name parameters;                                                                \
	EXPORT int name parameters                                                                 \
	{                                                                                          \
		return lists.member arguments;                                                     \
	}

FORWARD(zeCommandListCreate, create, (void *context, void *device, const void *desc, void **list),
	(context, device, desc, list))
FORWARD(zeCommandListCreateImmediate, create_immediate,
	(void *context, void *device, const void *desc, void **list), (context, device, desc, list))
FORWARD(zeCommandListDestroy, destroy, (void *list), (list))
FORWARD(zeCommandListClose, close, (void *list), (list))
FORWARD(zeCommandListReset, reset, (void *list), (list))
FORWARD(zeCommandListAppendBarrier, barrier,
	(void *list, void *event, uint32_t count, void **waits), (list, event, count, waits))
FORWARD(zeCommandListAppendMemoryCopy, copy,
	(void *list, void *dst, const void *src, size_t size, void *event, uint32_t count,
	 void **waits),
	(list, dst, src, size, event, count, waits))
FORWARD(zeCommandListAppendMemoryFill, fill,
	(void *list, void *dst, const void *pattern, size_t pattern_size, size_t size, void *event,
	 uint32_t count, void **waits),
	(list, dst, pattern, pattern_size, size, event, count, waits))
FORWARD(zeCommandListAppendSignalEvent, signal, (void *list, void *event), (list, event))
FORWARD(zeCommandListAppendWaitOnEvents, wait, (void *list, uint32_t count, void **events),
	(list, count, events))
FORWARD(zeCommandListAppendLaunchKernel, launch,
	(void *list, void *kernel, const struct group *groups, void *event, uint32_t count,
	 void **waits),
	(list, kernel, groups, event, count, waits))

static int allocate(void **out, size_t size)
{
	if (sim_state() != SUCCESS)
		return sim_state();
	*out = size != 0 ? calloc(1, size) : NULL;
	return *out != NULL ? SUCCESS : INVALID_ARGUMENT;
}

#define SIMPLE(name, parameters, ...)                                                              \
	EXPORT int name parameters;                                                                \
	EXPORT int name parameters                                                                 \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

SIMPLE(zeContextCreate, (void *driver, const void *desc, void **context), (void)driver; (void)desc;
       return allocate(context, 1);)
SIMPLE(zeContextDestroy, (void *context), free(context); return SUCCESS;)
SIMPLE(zeMemAllocDevice,
       (void *context, const void *desc, size_t size, size_t alignment, void *device, void **out),
       (void)context;
       (void)desc; (void)alignment; (void)device; return allocate(out, size);)
SIMPLE(zeMemAllocHost, (void *context, const void *desc, size_t size, size_t alignment, void **out),
       (void)context;
       (void)desc; (void)alignment; return allocate(out, size);)
SIMPLE(zeMemAllocShared,
       (void *context, const void *desc, const void *host, size_t size, size_t alignment,
	void *device, void **out),
       (void)context;
       (void)desc; (void)host; (void)alignment; (void)device; return allocate(out, size);)
SIMPLE(zeMemFree, (void *context, void *pointer), (void)context;
       if (pointer == NULL) return INVALID_ARGUMENT; free(pointer); return SUCCESS;)
SIMPLE(zeModuleCreate, (void *context, void *device, const void *desc, void **module, void **log),
       (void)context;
       (void)device; (void)desc; (void)log; return allocate(module, 1);)

struct kernel_desc {
	int type;
	const void *next;
	uint32_t flags;
	const char *name;
};

SIMPLE(zeKernelCreate, (void *module, const struct kernel_desc *desc, void **kernel), (void)module;
       if (strcmp(desc->name, "vector_add") != 0) return INVALID_KERNEL_NAME;
       return allocate(kernel, sizeof(struct kernel));)
SIMPLE(zeKernelDestroy, (void *kernel), free(kernel); return SUCCESS;)
SIMPLE(zeKernelSetGroupSize, (void *kernel, uint32_t x, uint32_t y, uint32_t z),
       ((struct kernel *)kernel)->group_size = (uint64_t)x * y * z;
       return SUCCESS;)
SIMPLE(zeKernelSetArgumentValue, (void *kernel, uint32_t index, size_t size, const void *value),
       if (index > 3 || size > 8) return INVALID_ARGUMENT;
       memcpy(&((struct kernel *)kernel)->values[index], value, size); return SUCCESS;)
SIMPLE(zeCommandQueueCreate, (void *context, void *device, const void *desc, void **queue),
       (void)context;
       (void)device; (void)desc; return allocate(queue, 1);)
SIMPLE(zeCommandQueueDestroy, (void *queue), free(queue); return SUCCESS;)
SIMPLE(zeEventCreate, (void *pool, const void *desc, void **event), (void)pool; (void)desc;
       return allocate(event, sizeof(struct event));)
SIMPLE(zeEventDestroy, (void *event), free(event); return SUCCESS;)

/* The queue is done with a list before the call is back: the strictest order there is. */
SIMPLE(
    zeCommandQueueExecuteCommandLists, (void *queue, uint32_t count, void **given, void *fence),
    (void)queue;
    (void)fence; sim_count(SIM_EXECUTE); if (sim_state() != SUCCESS) return sim_state();
    for (uint32_t i = 0; i < count; i++) {
	    if (!sim_is_closed(given[i]))
		    return INVALID_ARGUMENT;
	    sim_run(given[i]);
    } return SUCCESS;)
SIMPLE(zeCommandQueueSynchronize, (void *queue, uint64_t timeout), (void)timeout;
       return queue != NULL ? sim_state() : INVALID_NULL_HANDLE;)
SIMPLE(zeCommandListHostSynchronize, (void *list, uint64_t timeout), (void)timeout;
       if (sim_state() != SUCCESS) return sim_state(); sim_run(list); return SUCCESS;)
SIMPLE(zeEventHostSynchronize, (void *event, uint64_t timeout),
       if (sim_state() != SUCCESS) return sim_state();
       if (timeout != 0) sim_run_immediates();
       return ((struct event *)event)->done ? SUCCESS : NOT_READY;)
SIMPLE(zeEventQueryStatus, (void *event), if (sim_state() != SUCCESS) return sim_state();
       return ((struct event *)event)->done ? SUCCESS : NOT_READY;)
SIMPLE(zeCommandListAppendHostFunction,
       (void *list, void *function, void *data, const void *next, void *event, uint32_t count,
	void **waits),
       (void)next;
       (void)count; (void)waits; return sim_append_call(list, function, data, event);)

/* The loader's own, whatever stands before it: what tests measure without the shim. */
extern __typeof__(zeCommandListAppendLaunchKernel) own_launch
    __attribute__((alias("zeCommandListAppendLaunchKernel"), visibility("hidden")));
EXPORT void *anaros_sim_launch(void);
EXPORT void *anaros_sim_launch(void)
{
	return (void *)own_launch;
}

/* Of a release that is still to come. */
SIMPLE(zeAnarosLater, (void), return SUCCESS;)
