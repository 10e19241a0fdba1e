/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenCL: the part of its ABI that the shim uses, the real functions, and
 * the shapes of the wrappers.
 */
#ifndef ANAROS_OPENCL_H
#define ANAROS_OPENCL_H

#include "opencl/hooks.h"
#include "core/shim.h"

typedef int32_t cl_int;
typedef uint32_t cl_uint;
typedef uint64_t cl_ulong;
typedef uint64_t cl_bitfield;
typedef intptr_t cl_properties;
typedef struct cl_platform *cl_platform_id;
typedef struct cl_device *cl_device_id;
typedef struct cl_context_object *cl_context;
typedef struct cl_queue_object *cl_command_queue;
typedef struct cl_memory *cl_mem;
typedef struct cl_program_object *cl_program;
typedef struct cl_kernel_object *cl_kernel;
typedef struct cl_event_object *cl_event;
typedef void (*cl_notify_context)(const char *, const void *, size_t, void *);
typedef void (*cl_notify_memory)(cl_mem, void *);
typedef void (*cl_notify_program)(cl_program, void *);

#define CL_WAITS cl_uint, const cl_event *, cl_event *

enum {
	CL_SUCCESS = 0,
	CL_DEVICE_NOT_FOUND = -1,
	CL_MEM_OBJECT_ALLOCATION_FAILURE = -4,
	CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST = -14,
	CL_INVALID_OPERATION = -59,
	CL_PLATFORM_NOT_FOUND_KHR = -1001,

	CL_COMPLETE = 0,

	CL_DEVICE_NAME = 0x102b,
	CL_CONTEXT_PLATFORM = 0x1084,
	CL_QUEUE_DEVICE = 0x1091,
	CL_QUEUE_PROPERTIES = 0x1093,
	CL_MEM_SIZE = 0x1102,
	CL_IMAGE_ELEMENT_SIZE = 0x1111,
	CL_KERNEL_FUNCTION_NAME = 0x1190,
	CL_EVENT_COMMAND_QUEUE = 0x11d0,
	CL_EVENT_COMMAND_EXECUTION_STATUS = 0x11d3,
	CL_PROFILING_COMMAND_QUEUED = 0x1280,
	CL_PROFILING_COMMAND_START = 0x1282,
	CL_PROFILING_COMMAND_END = 0x1283,

	CL_QUEUE_PROFILING_ENABLE = 1 << 1,
	CL_MEM_USE_HOST_PTR = 1 << 3,
	CL_MEM_ALLOC_HOST_PTR = 1 << 4,
	CL_DEVICE_TYPE_DEFAULT = 1 << 0,
};

#define CL_DEVICE_TYPE_ALL ((cl_bitfield)0xffffffffu)

/* The real functions of one OpenCL library; NULL where it lacks one. */
struct cl_api {
#define ANAROS_CL(type, name, arguments) type(*name) arguments;
	ANAROS_OPENCL(ANAROS_CL, ANAROS_CL)
#undef ANAROS_CL
};

/* What is exported has a prototype, so a wrapper that strays does not compile. */
#define ANAROS_CL(type, name, arguments) EXPORT type name arguments;
#define ANAROS_CL_NONE(type, name, arguments)
ANAROS_OPENCL(ANAROS_CL, ANAROS_CL_NONE)
#undef ANAROS_CL
#undef ANAROS_CL_NONE

/* library.c */
#define CL_SITES 4096u
struct cl_site {
	const void *caller;
	const struct cl_api *api;
};
extern struct cl_site cl_sites[CL_SITES] __attribute__((visibility("hidden")));
const struct cl_api *cl_library_slow(const void *caller) COLD;

static inline unsigned int cl_site_of(const void *caller)
{
	return (unsigned int)(((uintptr_t)caller * 0x9e3779b97f4a7c15ull) >> 52);
}

/* The library that `caller`, a return address, would have reached. */
static inline const struct cl_api *cl_library(const void *caller)
{
	const struct cl_site *site = &cl_sites[cl_site_of(caller)];

	if (likely(__atomic_load_n(&site->caller, __ATOMIC_ACQUIRE) == caller))
		return site->api;
	return cl_library_slow(caller);
}

/*
 * For the shim's dlsym: jumped to, so that the return address is the
 * program's. Not for RTLD_NEXT and RTLD_DEFAULT.
 */
bool anaros_opencl_wraps(const char *name);
void *anaros_opencl_from_dlsym(void *handle, const char *name);

#define CL_LIBRARY() cl_library(__builtin_return_address(0))

/* Leaves the wrapper where there is nothing to call. */
#define CL_REQUIRE(api, name, failure)                                                             \
	do {                                                                                       \
		if (unlikely((api) == NULL || (api)->name == NULL))                                \
			return failure;                                                            \
	} while (0)

/* times.c */
struct cl_queue;
/* NULL: not known. */
struct cl_queue *cl_queue_lookup(cl_command_queue handle);
/* Describes a queue that the application holds `references` of. */
struct cl_queue *cl_queue_learn(const struct cl_api *api, cl_command_queue handle,
				int32_t references) COLD;
void cl_queue_retained(struct cl_queue *queue);
/* True: that was the application's last reference. */
bool cl_queue_released(struct cl_queue *queue);
void cl_queue_forget(struct cl_queue *queue) COLD;
/* A call that waited for all that was in a queue when it began. */
struct cl_waited {
	uint64_t start_ns;
	uint64_t end_ns;
};
/* Records the device times of what is complete; NULL is no queue, and no such call. */
void cl_harvest(struct cl_queue *queue, const struct cl_waited *waited);

struct cl_call {
	struct anaros_call call;
	const struct cl_api *api;
	cl_command_queue handle;
	struct cl_queue *queue; /* NULL: no device times are taken */
	cl_event *event;        /* what the runtime is given */
	cl_event own;           /* ours, where the application wants none */
	bool recording;
};

void cl_begin(struct cl_call *call, cl_command_queue queue, cl_event *event);
void cl_done(struct cl_call *call, cl_int result, bool blocking, struct anaros_fields *fields);

#define CL_ENQUEUE(call_, name, queue, event_, failure)                                            \
	do {                                                                                       \
		(call_).api = CL_LIBRARY();                                                        \
		CL_REQUIRE((call_).api, name, failure);                                            \
		cl_begin(&(call_), (queue), (event_));                                             \
	} while (0)

/*
 * A command that goes into `queue`: the parameters with their types, the
 * arguments, and what records `result` by way of cl_done, where `call` has
 * the rest. Parameters end in WAIT_LIST, arguments in WAITED.
 */
#define WAIT_LIST cl_uint waits, const cl_event *list, cl_event *event
#define WAITED    waits, list, call.event
#define CL_COMMAND(name, parameters, arguments, record)                                            \
	cl_int name parameters                                                                     \
	{                                                                                          \
		struct cl_call call;                                                               \
		cl_int result;                                                                     \
                                                                                                   \
		CL_ENQUEUE(call, name, queue, event, CL_INVALID_OPERATION);                        \
		result = call.api->name arguments;                                                 \
		record;                                                                            \
		return result;                                                                     \
	}

/*
 * A call that makes an object, `made`, and tells its success in `*status`,
 * its last parameter, which the application may leave out.
 */
#define CL_CREATE(type, name, parameters, arguments, record)                                       \
	type name parameters                                                                       \
	{                                                                                          \
		const struct cl_api *api = CL_LIBRARY();                                           \
		struct anaros_call call;                                                           \
		cl_int own;                                                                        \
		type made;                                                                         \
                                                                                                   \
		CL_REQUIRE(api, name, NULL);                                                       \
		if (!anaros_enter(&call))                                                          \
			return api->name arguments;                                                \
		status = status != NULL ? status : &own;                                           \
		made = api->name arguments;                                                        \
		record;                                                                            \
		return made;                                                                       \
	}

/* kernel.c */
/* Sends a name unless it is the last that `object` was given. */
void cl_name(uint16_t name_class, const void *object, const char *text);

#endif
