/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenCL: the part of its ABI that the shim uses, the real functions, and
 * the shapes of the wrappers. A wrapper has an entry for each way in:
 *
 *   its name   what the loader would have bound the caller to is called
 *              (library.c);
 *   found      the program asked dlsym or OpenCL itself and the answer was an
 *              address in a library: each library has an entry of its own
 *              (found.c).
 *
 * What an OpenCL library itself calls, a loader its drivers for one, is part
 * of a call that is recorded already, and passes.
 */
#ifndef ANAROS_OPENCL_H
#define ANAROS_OPENCL_H

#include "core/device.h"
#include "core/shim.h"
#include "opencl/hooks.h"

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
typedef struct cl_command_buffer_object *cl_command_buffer;
typedef void (*cl_notify_context)(const char *, const void *, size_t, void *);
typedef void (*cl_notify_ended)(cl_context, void *);
typedef void (*cl_notify_memory)(cl_mem, void *);
typedef void (*cl_notify_program)(cl_program, void *);
typedef void (*cl_notify_event)(cl_event, cl_int, void *);
typedef void (*cl_notify_svm)(cl_command_queue, cl_uint, void **, void *);
typedef void (*cl_native_kernel)(void *);

enum {
	CL_SUCCESS = 0,
	CL_DEVICE_NOT_FOUND = -1,
	CL_MEM_OBJECT_ALLOCATION_FAILURE = -4,
	CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST = -14,
	CL_INVALID_OPERATION = -59,
	CL_PLATFORM_NOT_FOUND_KHR = -1001,

	CL_COMPLETE = 0,

	CL_PLATFORM_VERSION = 0x0901,
	CL_DEVICE_NAME = 0x102b,
	CL_DEVICE_VERSION = 0x102f,
	CL_CONTEXT_PLATFORM = 0x1084,
	CL_QUEUE_DEVICE = 0x1091,
	CL_QUEUE_PROPERTIES = 0x1093,
	CL_MEM_SIZE = 0x1102,
	CL_MEM_ASSOCIATED_MEMOBJECT = 0x1107,
	CL_IMAGE_ELEMENT_SIZE = 0x1111,
	CL_KERNEL_FUNCTION_NAME = 0x1190,
	CL_EVENT_COMMAND_QUEUE = 0x11d0,
	CL_EVENT_COMMAND_EXECUTION_STATUS = 0x11d3,
	CL_PROFILING_COMMAND_QUEUED = 0x1280,
	CL_PROFILING_COMMAND_START = 0x1282,
	CL_PROFILING_COMMAND_END = 0x1283,

	CL_QUEUE_OUT_OF_ORDER = 1 << 0,
	CL_QUEUE_PROFILING_ENABLE = 1 << 1,
	CL_MEM_USE_HOST_PTR = 1 << 3,
	CL_MEM_ALLOC_HOST_PTR = 1 << 4,
	CL_DEVICE_TYPE_DEFAULT = 1 << 0,

	/* Handles of other libraries' memory: the first and the last that may come. */
	CL_EXTERNAL_MEMORY_HANDLE = 0x2060,
	CL_EXTERNAL_MEMORY_HANDLE_LAST = 0x206f,
};

#define CL_DEVICE_TYPE_ALL ((cl_bitfield)0xffffffffu)

/* The real functions of one OpenCL library; NULL where it lacks one. */
struct cl_api {
#define ANAROS_CL(type, name, arguments) type(*name) arguments;
	ANAROS_OPENCL(ANAROS_CL, ANAROS_CL, ANAROS_CL)
#undef ANAROS_CL
	bool passes; /* for calls that come from an OpenCL library */
};

/* library.c */
struct cl_function {
	const char *name;
	size_t offset;
	void *exported; /* NULL: handed out by address only, or not wrapped */
	bool wrapped;
};
extern const struct cl_function cl_functions[] __attribute__((visibility("hidden")));
extern const size_t cl_function_count __attribute__((visibility("hidden")));

static inline void **cl_entry(struct cl_api *api, size_t function)
{
	return (void **)((char *)api + cl_functions[function].offset);
}

#define CL_SITES 4096u
struct cl_site {
	const void *caller;
	const struct cl_api *api; /* NULL: no library in its scope */
	bool passes;              /* it lies in an OpenCL library */
};
extern struct cl_site cl_sites[CL_SITES] __attribute__((visibility("hidden")));
const struct cl_api *cl_library_slow(const void *caller) COLD;
bool cl_is_inside_slow(const void *caller) COLD;
/* What lay in objects, or led to libraries, that are no longer loaded. */
void cl_libraries_forget(void) COLD;

static inline unsigned int cl_site_of(const void *caller)
{
	return (unsigned int)(((uintptr_t)caller * 0x9e3779b97f4a7c15ull) >> 52);
}

/* The library that `caller`, a return address, would have reached. */
static inline const struct cl_api *cl_library(const void *caller)
{
	const struct cl_site *site = &cl_sites[cl_site_of(caller)];

	if (likely(__atomic_load_n(&site->caller, __ATOMIC_ACQUIRE) == caller)) {
		const struct cl_api *api = __atomic_load_n(&site->api, __ATOMIC_ACQUIRE);

		if (likely(api != NULL))
			return api;
	}
	return cl_library_slow(caller);
}

/* found.c: libraries that addresses were found in, as their own calls see them last. */
#define CL_FOUND 4u
extern struct cl_api cl_founds[CL_FOUND][2] __attribute__((visibility("hidden")));
void cl_founds_forget(void) COLD;

static inline const struct cl_api *cl_found(unsigned int way, const void *caller)
{
	const struct cl_site *site = &cl_sites[cl_site_of(caller)];
	bool inside = likely(__atomic_load_n(&site->caller, __ATOMIC_ACQUIRE) == caller)
			  ? site->passes
			  : cl_is_inside_slow(caller);

	return &cl_founds[way][inside];
}

/* Whether an address lies in an object that is an OpenCL library, or in the shim. */
bool cl_in_library(const void *address) COLD;
/*
 * What to give out for a function that came `by` some way. `api`, if not
 * NULL, has what the shim itself calls where the function's library lacks it.
 */
void *cl_exchange(const struct cl_api *api, enum anaros_way by, const char *name,
		  void *function) COLD;
/* The wrapper for one that is in a library, NULL: none can stand for it. */
void *anaros_opencl_wrapper_of(const char *name, void *function) COLD;

/*
 * For the shim's dlsym: jumped to, so that the return address is the
 * program's. Not for RTLD_NEXT, nor for RTLD_DEFAULT where the shim exports
 * the name.
 */
bool anaros_opencl_wraps(const char *name);
bool anaros_opencl_exports(const char *name);
/* A name of OpenCL's form: clblas, clfft and others are libraries' own. */
static inline bool anaros_opencl_may_have(const char *name)
{
	return name[0] == 'c' && name[1] == 'l' && name[2] >= 'A' && name[2] <= 'Z';
}
void *anaros_opencl_from_dlsym(void *handle, const char *name);

/*
 * From here until cl_leave it is OpenCL that is at work: for the call, or for
 * what we ask it. What it asks other device libraries for is part of that.
 */
static inline bool cl_within(const struct cl_api *api)
{
	if (api->passes || !anaros_device_outermost() || !anaros_may_record())
		return false;
	anaros_device_inside = true;
	return true;
}

static inline bool cl_enter(const struct cl_api *api, struct anaros_call *call)
{
	if (!cl_within(api))
		return false;
	call->start_ns = anaros_now_ns();
	return true;
}

static inline void cl_leave(void)
{
	anaros_device_inside = false;
}

#define CL_UNPACK(...) __VA_ARGS__
#define CL_ENTRY(linkage, entry, api, type, name, parameters, arguments)                           \
	linkage type entry parameters;                                                             \
	linkage type entry parameters                                                              \
	{                                                                                          \
		return cl_do_##name(api, CL_UNPACK arguments);                                     \
	}
#define CL_ENTRY_FOUND(way, type, name, parameters, arguments)                                     \
	CL_ENTRY(, anaros_found##way##_##name, cl_found(way, __builtin_return_address(0)), type,   \
		 name, parameters, arguments)

/* Begins a wrapper: what follows is its body, which has the library in `api`. */
#define CL_EXTENSION(attribute, type, name, parameters, arguments)                                 \
	static attribute type cl_do_##name(const struct cl_api *api, CL_UNPACK parameters);        \
	CL_ENTRY_FOUND(0, type, name, parameters, arguments)                                       \
	CL_ENTRY_FOUND(1, type, name, parameters, arguments)                                       \
	CL_ENTRY_FOUND(2, type, name, parameters, arguments)                                       \
	CL_ENTRY_FOUND(3, type, name, parameters, arguments)                                       \
	static attribute type cl_do_##name(const struct cl_api *api, CL_UNPACK parameters)
#define CL_HOOK(attribute, type, name, parameters, arguments)                                      \
	static attribute type cl_do_##name(const struct cl_api *api, CL_UNPACK parameters);        \
	CL_ENTRY(EXPORT, name, cl_library(__builtin_return_address(0)), type, name, parameters,    \
		 arguments)                                                                        \
	CL_EXTENSION(attribute, type, name, parameters, arguments)

/* Where calls are many, each entry has its own copy; elsewhere they share one. */
#define CL_HOT  inline __attribute__((always_inline))
#define CL_RARE __attribute__((noinline))

/* What is exported has a prototype, so a wrapper that strays does not compile. */
#define ANAROS_CL(type, name, arguments) EXPORT type name arguments;
#define ANAROS_CL_NONE(type, name, arguments)
ANAROS_OPENCL(ANAROS_CL, ANAROS_CL_NONE, ANAROS_CL_NONE)
#undef ANAROS_CL
#define ANAROS_CL(type, name, arguments)                                                           \
	type anaros_found0_##name arguments __attribute__((visibility("hidden")));                 \
	type anaros_found1_##name arguments __attribute__((visibility("hidden")));                 \
	type anaros_found2_##name arguments __attribute__((visibility("hidden")));                 \
	type anaros_found3_##name arguments __attribute__((visibility("hidden")));
ANAROS_OPENCL(ANAROS_CL, ANAROS_CL, ANAROS_CL_NONE)
#undef ANAROS_CL
#undef ANAROS_CL_NONE

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
/* All queues of a library that is no longer loaded. */
void cl_queues_forget(const struct cl_api *api) COLD;
/* False: its commands may run in any order, or nobody knows. */
bool cl_in_order(cl_command_queue handle);
/* When the command of an event was enqueued: 0 where that is not known. */
void cl_event_made(cl_event event, uint64_t start_ns);
uint64_t cl_event_made_ns(cl_event event);
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

/* What the runtime is to be given for `event`. Enters; cl_done leaves. */
cl_event *cl_begin(struct cl_call *call, const struct cl_api *api, cl_command_queue queue,
		   cl_event *event);
void cl_done(struct cl_call *call, cl_int result, bool blocking, struct anaros_fields *fields);

/*
 * A command that goes into `queue`: the parameters with their types, the
 * arguments, and what records `result` by way of cl_done, where `call` has
 * the rest. Parameters end in WAIT_LIST, arguments in WAITED.
 */
#define WAIT_LIST cl_uint waits, const cl_event *list, cl_event *event
#define WAITED    waits, list, event
#define CL_COMMAND_BODY(name, arguments, ...)                                                      \
	{                                                                                          \
		struct cl_call call;                                                               \
		cl_int result;                                                                     \
                                                                                                   \
		CL_REQUIRE(api, name, CL_INVALID_OPERATION);                                       \
		event = cl_begin(&call, api, queue, event);                                        \
		result = api->name arguments;                                                      \
		__VA_ARGS__;                                                                       \
		return result;                                                                     \
	}
#define CL_COMMAND(name, parameters, arguments, ...)                                               \
	CL_HOOK(CL_HOT, cl_int, name, parameters, arguments)                                       \
	CL_COMMAND_BODY(name, arguments, __VA_ARGS__)
#define CL_COMMAND_EXTENSION(name, parameters, arguments, ...)                                     \
	CL_EXTENSION(CL_HOT, cl_int, name, parameters, arguments)                                  \
	CL_COMMAND_BODY(name, arguments, __VA_ARGS__)
/* For commands that are large, or few. */
#define CL_COMMAND_RARE(name, parameters, arguments, ...)                                          \
	CL_HOOK(CL_RARE, cl_int, name, parameters, arguments)                                      \
	CL_COMMAND_BODY(name, arguments, __VA_ARGS__)
#define CL_COMMAND_EXTENSION_RARE(name, parameters, arguments, ...)                                \
	CL_EXTENSION(CL_RARE, cl_int, name, parameters, arguments)                                 \
	CL_COMMAND_BODY(name, arguments, __VA_ARGS__)

/*
 * A call that makes an object, `made`, and tells its success in `*status`,
 * its last parameter, which the application may leave out.
 */
#define CL_CREATE_BODY(type, name, arguments, before, ...)                                         \
	{                                                                                          \
		struct anaros_call call;                                                           \
		cl_int own = CL_SUCCESS;                                                           \
		type made;                                                                         \
                                                                                                   \
		CL_REQUIRE(api, name, NULL);                                                       \
		if (!cl_enter(api, &call))                                                         \
			return api->name arguments;                                                \
		before;                                                                            \
		status = status != NULL ? status : &own;                                           \
		made = api->name arguments;                                                        \
		__VA_ARGS__;                                                                       \
		cl_leave();                                                                        \
		return made;                                                                       \
	}
#define CL_CREATE(type, name, parameters, arguments, ...)                                          \
	CL_HOOK(CL_RARE, type, name, parameters, arguments)                                        \
	CL_CREATE_BODY(type, name, arguments, (void)0, __VA_ARGS__)
#define CL_CREATE_EXTENSION(type, name, parameters, arguments, ...)                                \
	CL_EXTENSION(CL_RARE, type, name, parameters, arguments)                                   \
	CL_CREATE_BODY(type, name, arguments, (void)0, __VA_ARGS__)
/* One that is given a function of the program, `notify`, to call. */
#define CL_CREATE_NOTIFYING(type, name, parameters, arguments, ...)                                \
	CL_HOOK(CL_RARE, type, name, parameters, arguments)                                        \
	CL_CREATE_BODY(type, name, arguments, notify = ANAROS_CALLBACK(notify), __VA_ARGS__)

/* A call of which no device time is told. */
#define CL_PLAIN_BODY(name, arguments, before, ...)                                                \
	{                                                                                          \
		struct anaros_call call;                                                           \
		cl_int result;                                                                     \
                                                                                                   \
		CL_REQUIRE(api, name, CL_INVALID_OPERATION);                                       \
		if (!cl_enter(api, &call))                                                         \
			return api->name arguments;                                                \
		before;                                                                            \
		result = api->name arguments;                                                      \
		__VA_ARGS__;                                                                       \
		cl_leave();                                                                        \
		return result;                                                                     \
	}
#define CL_PLAIN(name, parameters, arguments, ...)                                                 \
	CL_HOOK(CL_RARE, cl_int, name, parameters, arguments)                                      \
	CL_PLAIN_BODY(name, arguments, (void)0, __VA_ARGS__)
#define CL_PLAIN_EXTENSION(name, parameters, arguments, ...)                                       \
	CL_EXTENSION(CL_RARE, cl_int, name, parameters, arguments)                                 \
	CL_PLAIN_BODY(name, arguments, (void)0, __VA_ARGS__)
#define CL_PLAIN_NOTIFYING(name, parameters, arguments, ...)                                       \
	CL_HOOK(CL_RARE, cl_int, name, parameters, arguments)                                      \
	CL_PLAIN_BODY(name, arguments, notify = ANAROS_CALLBACK(notify), __VA_ARGS__)

/* A call that is no record, for which a driver asks another library. */
#define CL_UNRECORDED(name, parameters, arguments, before)                                         \
	CL_HOOK(CL_RARE, cl_int, name, parameters, arguments)                                      \
	{                                                                                          \
		cl_int result;                                                                     \
                                                                                                   \
		CL_REQUIRE(api, name, CL_INVALID_OPERATION);                                       \
		if (!cl_within(api))                                                               \
			return api->name arguments;                                                \
		before;                                                                            \
		result = api->name arguments;                                                      \
		cl_leave();                                                                        \
		return result;                                                                     \
	}

#define CL_NOTE(status_, ...)                                                                      \
	anaros_device_note(&call, &(struct anaros_fields){.status = (status_), __VA_ARGS__})

/* event.c: NULL for an event of the user's, which belongs to no queue. */
cl_command_queue cl_queue_of_event(const struct cl_api *api, cl_event event) COLD;
/* memory.c: of several objects; 0: not told. */
uint64_t cl_memory_bytes(const struct cl_api *api, cl_uint count, const cl_mem *objects) COLD;
/* kernel.c */
/* Sends a name unless it is the last that `object` was given. */
void cl_name(uint16_t name_class, const void *object, const char *text);
/* What the runtime refused may point anywhere. */
static inline uint64_t cl_items(cl_int result, cl_uint dimensions, const size_t *global)
{
	uint64_t items = 1;

	if (result != CL_SUCCESS || global == NULL)
		return 0;
	for (cl_uint i = 0; i < dimensions; i++)
		items *= global[i];
	return items;
}

/* Bytes of a block of `region` bytes, rows and slices. */
static inline uint64_t cl_volume(const size_t *region)
{
	return region != NULL ? (uint64_t)region[0] * region[1] * region[2] : 0;
}

static inline void cl_copied(struct cl_call *call, cl_int result, bool blocking, uint16_t kind,
			     uint64_t size, uint64_t address)
{
	cl_done(call, result, blocking,
		&(struct anaros_fields){.kind = kind, .size_bytes = size, .address = address});
}

#define CL_COPIED(kind, blocking, size, at)                                                        \
	cl_copied(&call, result, blocking, ANAROS_KIND_GPU_##kind, size, (uintptr_t)(at))

#endif
