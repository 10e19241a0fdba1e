// SPDX-License-Identifier: Apache-2.0
/*
 * Memory with an address that host and device both know: shared virtual
 * memory of OpenCL 2.0 and of ARM, and unified shared memory of Intel, which
 * tells memory of the device, of the host and of both apart.
 */
#include "opencl/opencl.h"

static void allocated(const struct anaros_call *call, void *memory, uint16_t flags, size_t size,
		      cl_int status)
{
	anaros_device_note(call, &(struct anaros_fields){
				     .kind = ANAROS_KIND_GPU_ALLOC,
				     .flags = flags,
				     .status = status,
				     .object = (uintptr_t)memory,
				     .size_bytes = size,
				     .address = (uintptr_t)memory,
				 });
}

/* Recorded before the call: another thread may be given the address at once. */
static void goes(const struct anaros_call *call, void *memory, uint16_t flags)
{
	anaros_device_note(call, &(struct anaros_fields){
				     .kind = ANAROS_KIND_GPU_FREE,
				     .flags = flags,
				     .object = (uintptr_t)memory,
				     .address = (uintptr_t)memory,
				 });
}

#define SVM_ALLOC(begin, name)                                                                     \
	begin(CL_RARE, void *, name,                                                               \
	      (cl_context context, cl_bitfield flags, size_t size, cl_uint alignment),             \
	      (context, flags, size, alignment))                                                   \
	{                                                                                          \
		struct anaros_call call;                                                           \
		void *memory;                                                                      \
                                                                                                   \
		CL_REQUIRE(api, name, NULL);                                                       \
		if (!cl_enter(api, &call))                                                         \
			return api->name(context, flags, size, alignment);                         \
		memory = api->name(context, flags, size, alignment);                               \
		allocated(&call, memory, ANAROS_MEMORY_MANAGED, size,                              \
			  memory != NULL ? 0 : CL_MEM_OBJECT_ALLOCATION_FAILURE);                  \
		cl_leave();                                                                        \
		return memory;                                                                     \
	}
SVM_ALLOC(CL_HOOK, clSVMAlloc)
SVM_ALLOC(CL_EXTENSION, clSVMAllocARM)

#define SVM_FREE(begin, name)                                                                      \
	begin(CL_RARE, void, name, (cl_context context, void *memory), (context, memory))          \
	{                                                                                          \
		struct anaros_call call;                                                           \
		bool recording;                                                                    \
                                                                                                   \
		CL_REQUIRE(api, name, );                                                           \
		recording = memory != NULL && cl_enter(api, &call);                                \
		if (recording)                                                                     \
			goes(&call, memory, ANAROS_MEMORY_MANAGED);                                \
		api->name(context, memory);                                                        \
		if (recording)                                                                     \
			cl_leave();                                                                \
	}
SVM_FREE(CL_HOOK, clSVMFree)
SVM_FREE(CL_EXTENSION, clSVMFreeARM)

/* Freed on the device, one record for each. */
static void enqueued_frees(const struct anaros_call *call, cl_int result, cl_uint count,
			   void **pointers)
{
	struct anaros_fields fields = {.kind = ANAROS_KIND_GPU_FREE,
				       .flags = ANAROS_MEMORY_MANAGED | ANAROS_FLAG_ASYNC,
				       .status = result};

	for (cl_uint i = 0; pointers != NULL && i < count; i++) {
		fields.object = fields.address = (uintptr_t)pointers[i];
		anaros_record(call, &fields);
	}
}

/* A callback may do with the list what it likes, and at once: then it is read before. */
#define SVM_ENQUEUED_FREE(begin, name)                                                             \
	begin(CL_RARE, cl_int, name,                                                               \
	      (cl_command_queue queue, cl_uint count, void **pointers, cl_notify_svm notify,       \
	       void *data, WAIT_LIST),                                                             \
	      (queue, count, pointers, notify, data, WAITED))                                      \
	{                                                                                          \
		struct anaros_call call;                                                           \
		bool recording;                                                                    \
		cl_int result;                                                                     \
                                                                                                   \
		CL_REQUIRE(api, name, CL_INVALID_OPERATION);                                       \
		recording = cl_enter(api, &call);                                                  \
		if (recording && notify != NULL) {                                                 \
			enqueued_frees(&call, CL_SUCCESS, count, pointers);                        \
			notify = ANAROS_CALLBACK(notify);                                          \
		}                                                                                  \
		result = api->name(queue, count, pointers, notify, data, WAITED);                  \
		if (recording && notify == NULL && result == CL_SUCCESS)                           \
			enqueued_frees(&call, result, count, pointers);                            \
		if (recording)                                                                     \
			cl_leave();                                                                \
		return result;                                                                     \
	}
SVM_ENQUEUED_FREE(CL_HOOK, clEnqueueSVMFree)
SVM_ENQUEUED_FREE(CL_EXTENSION, clEnqueueSVMFreeARM)

/* Copies, whose direction the call does not tell, and fills. */
#define COPY(command, name)                                                                        \
	command(name,                                                                              \
		(cl_command_queue queue, cl_uint blocking, void *target, const void *source,       \
		 size_t size, WAIT_LIST),                                                          \
		(queue, blocking, target, source, size, WAITED),                                   \
		CL_COPIED(COPY, blocking, size, target))
COPY(CL_COMMAND, clEnqueueSVMMemcpy)
COPY(CL_COMMAND_EXTENSION, clEnqueueSVMMemcpyARM)
COPY(CL_COMMAND_EXTENSION, clEnqueueMemcpyINTEL)

#define FILL(command, name)                                                                        \
	command(name,                                                                              \
		(cl_command_queue queue, void *target, const void *pattern, size_t pattern_size,   \
		 size_t size, WAIT_LIST),                                                          \
		(queue, target, pattern, pattern_size, size, WAITED),                              \
		CL_COPIED(MEMSET, false, size, target))
FILL(CL_COMMAND, clEnqueueSVMMemFill)
FILL(CL_COMMAND_EXTENSION, clEnqueueSVMMemFillARM)
FILL(CL_COMMAND_EXTENSION, clEnqueueMemFillINTEL)
CL_COMMAND_EXTENSION_RARE(clEnqueueMemsetINTEL,
			  (cl_command_queue queue, void *target, cl_int value, size_t size,
			   WAIT_LIST),
			  (queue, target, value, size, WAITED),
			  CL_COPIED(MEMSET, false, size, target))

#define MAP(command, name)                                                                         \
	command(name,                                                                              \
		(cl_command_queue queue, cl_uint blocking, cl_bitfield flags, void *host,          \
		 size_t size, WAIT_LIST),                                                          \
		(queue, blocking, flags, host, size, WAITED),                                      \
		CL_COPIED(MAP, blocking, size, host))
MAP(CL_COMMAND, clEnqueueSVMMap)
MAP(CL_COMMAND_EXTENSION, clEnqueueSVMMapARM)

#define UNMAP(command, name)                                                                       \
	command(name, (cl_command_queue queue, void *host, WAIT_LIST), (queue, host, WAITED),      \
		CL_COPIED(UNMAP, false, 0, host))
UNMAP(CL_COMMAND, clEnqueueSVMUnmap)
UNMAP(CL_COMMAND_EXTENSION, clEnqueueSVMUnmapARM)

/* A size of 0, or none at all, means the whole allocation, which the runtime knows. */
static uint64_t total(cl_int result, cl_uint count, const size_t *sizes)
{
	uint64_t bytes = 0;

	for (cl_uint i = 0; result == CL_SUCCESS && sizes != NULL && i < count; i++)
		bytes += sizes[i];
	return bytes;
}
CL_COMMAND_RARE(clEnqueueSVMMigrateMem,
		(cl_command_queue queue, cl_uint count, const void **pointers, const size_t *sizes,
		 cl_bitfield flags, WAIT_LIST),
		(queue, count, pointers, sizes, flags, WAITED),
		CL_COPIED(PREFETCH, false, total(result, count, sizes),
			  result == CL_SUCCESS && count > 0 ? pointers[0] : NULL))
CL_COMMAND_EXTENSION_RARE(clEnqueueMigrateMemINTEL,
			  (cl_command_queue queue, const void *memory, size_t size,
			   cl_bitfield flags, WAIT_LIST),
			  (queue, memory, size, flags, WAITED),
			  CL_COPIED(PREFETCH, false, size, memory))

/* Unified shared memory. */
#define HOST_FLAGS (ANAROS_MEMORY_HOST | ANAROS_FLAG_PINNED)
CL_CREATE_EXTENSION(void *, clHostMemAllocINTEL,
		    (cl_context context, const cl_ulong *properties, size_t size, cl_uint alignment,
		     cl_int *status),
		    (context, properties, size, alignment, status),
		    allocated(&call, made, HOST_FLAGS, size, *status))
#define USM_ALLOC(name, flags)                                                                     \
	CL_CREATE_EXTENSION(void *, name,                                                          \
			    (cl_context context, cl_device_id device, const cl_ulong *properties,  \
			     size_t size, cl_uint alignment, cl_int *status),                      \
			    (context, device, properties, size, alignment, status),                \
			    allocated(&call, made, flags, size, *status))
USM_ALLOC(clDeviceMemAllocINTEL, ANAROS_MEMORY_DEVICE)
USM_ALLOC(clSharedMemAllocINTEL, ANAROS_MEMORY_MANAGED)

/* One function for all three sorts. */
#define USM_FREE(name)                                                                             \
	CL_PLAIN_EXTENSION(name, (cl_context context, void *memory), (context, memory),            \
			   if (memory != NULL)                                                     \
			       CL_NOTE(result, .kind = ANAROS_KIND_GPU_FREE,                       \
				       .object = (uintptr_t)memory, .address = (uintptr_t)memory))
USM_FREE(clMemFreeINTEL)
USM_FREE(clMemBlockingFreeINTEL)
