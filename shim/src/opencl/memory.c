// SPDX-License-Identifier: Apache-2.0
/*
 * Memory objects. One ends when its last reference goes, and the runtime
 * holds references too: only the runtime knows when that is, and tells it to
 * a destructor callback.
 */
#include "opencl/opencl.h"

#define OBJECTS_ASKED 64u

static void record_end(cl_mem memory, uint16_t memory_class, uint64_t size)
{
	struct anaros_call call;

	if (!anaros_may_record())
		return;
	call.start_ns = anaros_now_ns();
	anaros_record_at(call.start_ns, call.start_ns,
			 &(struct anaros_fields){
			     .kind = ANAROS_KIND_GPU_FREE,
			     .flags = memory_class,
			     .object = (uintptr_t)memory,
			     .size_bytes = size,
			 });
}

/* One for each class, so that the callback's argument can be the size. */
#define DESTROYED(name, memory_class)                                                              \
	static void name(cl_mem memory, void *size)                                                \
	{                                                                                          \
		record_end(memory, memory_class, (uintptr_t)size);                                 \
	}
DESTROYED(device_destroyed, ANAROS_MEMORY_DEVICE)
DESTROYED(array_destroyed, ANAROS_MEMORY_ARRAY)
DESTROYED(imported_destroyed, ANAROS_MEMORY_IMPORTED)

static cl_notify_memory destructor_of(uint16_t memory_class)
{
	if (memory_class == ANAROS_MEMORY_ARRAY)
		return array_destroyed;
	return memory_class == ANAROS_MEMORY_IMPORTED ? imported_destroyed : device_destroyed;
}

static uint16_t pinned(cl_bitfield flags)
{
	return flags & (CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR) ? ANAROS_FLAG_PINNED : 0;
}

uint64_t cl_memory_bytes(const struct cl_api *api, cl_uint count, const cl_mem *objects)
{
	int saved = errno;
	uint64_t bytes = 0;

	for (cl_uint i = 0; api->clGetMemObjectInfo != NULL && i < count && i < OBJECTS_ASKED;
	     i++) {
		size_t size = 0;

		api->clGetMemObjectInfo(objects[i], CL_MEM_SIZE, sizeof(size), &size, NULL);
		bytes += size;
	}
	errno = saved;
	return count <= OBJECTS_ASKED ? bytes : 0;
}

/* The object whose memory this one has; NULL: its own. */
static cl_mem parent_of(const struct cl_api *api, cl_mem memory)
{
	cl_mem parent = NULL;

	if (api->clGetMemObjectInfo != NULL)
		api->clGetMemObjectInfo(memory, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(cl_mem),
					&parent, NULL);
	return parent;
}

/* `flags`: the class, and whether the host side is page-locked. `size` 0: the runtime knows. */
static void allocated(const struct cl_api *api, const struct anaros_call *call, cl_mem memory,
		      uint16_t flags, uint64_t size, const void *host, cl_int status)
{
	uint64_t end_ns = anaros_now_ns();
	int saved = errno;
	cl_mem parent = NULL;

	if (memory != NULL && size == 0) {
		parent = parent_of(api, memory);
		size = parent == NULL ? cl_memory_bytes(api, 1, &memory) : 0;
	}
	anaros_record_at(call->start_ns, end_ns,
			 &(struct anaros_fields){
			     .kind = ANAROS_KIND_GPU_ALLOC,
			     .flags = flags,
			     .status = status,
			     .object = (uintptr_t)memory,
			     .size_bytes = size,
			     .address = parent != NULL ? (uintptr_t)parent : (uintptr_t)host,
			 });
	/* After the record: the memory is not gone before the caller has it. */
	if (memory != NULL && api->clSetMemObjectDestructorCallback != NULL)
		api->clSetMemObjectDestructorCallback(
		    memory, destructor_of(flags & ANAROS_FLAG_FD_TYPE_MASK),
		    (void *)(uintptr_t)size);
	errno = saved;
}

/* Pairs that end with 0. */
static uint16_t class_of(const cl_ulong *properties, uint16_t otherwise)
{
	for (; properties != NULL && properties[0] != 0; properties += 2)
		if (properties[0] >= CL_EXTERNAL_MEMORY_HANDLE &&
		    properties[0] <= CL_EXTERNAL_MEMORY_HANDLE_LAST)
			return ANAROS_MEMORY_IMPORTED;
	return otherwise;
}

/* Properties are read only where the runtime took them. */
#define CLASS(otherwise) (made != NULL ? class_of(properties, otherwise) : (otherwise))

CL_CREATE(cl_mem, clCreateBuffer,
	  (cl_context context, cl_bitfield flags, size_t size, void *host, cl_int *status),
	  (context, flags, size, host, status),
	  allocated(api, &call, made, pinned(flags), size, host, *status))

#define BUFFER(create, name)                                                                       \
	create(cl_mem, name,                                                                       \
	       (cl_context context, const cl_ulong *properties, cl_bitfield flags, size_t size,    \
		void *host, cl_int *status),                                                       \
	       (context, properties, flags, size, host, status),                                   \
	       allocated(api, &call, made, CLASS(ANAROS_MEMORY_DEVICE) | pinned(flags), size,      \
			 host, *status))
BUFFER(CL_CREATE, clCreateBufferWithProperties)
BUFFER(CL_CREATE_EXTENSION, clCreateBufferWithPropertiesINTEL)

/* Part of another buffer, which has the memory. */
CL_CREATE(cl_mem, clCreateSubBuffer,
	  (cl_mem buffer, cl_bitfield flags, cl_uint how, const void *region, cl_int *status),
	  (buffer, flags, how, region, status),
	  allocated(api, &call, made, ANAROS_MEMORY_DEVICE, 0, buffer, *status))

CL_CREATE(cl_mem, clCreateImage,
	  (cl_context context, cl_bitfield flags, const void *format, const void *description,
	   void *host, cl_int *status),
	  (context, flags, format, description, host, status),
	  allocated(api, &call, made, ANAROS_MEMORY_ARRAY | pinned(flags), 0, host, *status))

#define IMAGE(create, name)                                                                        \
	create(cl_mem, name,                                                                       \
	       (cl_context context, const cl_ulong *properties, cl_bitfield flags,                 \
		const void *format, const void *description, void *host, cl_int *status),          \
	       (context, properties, flags, format, description, host, status),                    \
	       allocated(api, &call, made, CLASS(ANAROS_MEMORY_ARRAY) | pinned(flags), 0, host,    \
			 *status))
IMAGE(CL_CREATE, clCreateImageWithProperties)
IMAGE(CL_CREATE_EXTENSION, clCreateImageWithPropertiesINTEL)

CL_CREATE(cl_mem, clCreateImage2D,
	  (cl_context context, cl_bitfield flags, const void *format, size_t width, size_t height,
	   size_t row, void *host, cl_int *status),
	  (context, flags, format, width, height, row, host, status),
	  allocated(api, &call, made, ANAROS_MEMORY_ARRAY | pinned(flags), 0, host, *status))
CL_CREATE(cl_mem, clCreateImage3D,
	  (cl_context context, cl_bitfield flags, const void *format, size_t width, size_t height,
	   size_t depth, size_t row, size_t slice, void *host, cl_int *status),
	  (context, flags, format, width, height, depth, row, slice, host, status),
	  allocated(api, &call, made, ANAROS_MEMORY_ARRAY | pinned(flags), 0, host, *status))

CL_CREATE(cl_mem, clCreatePipe,
	  (cl_context context, cl_bitfield flags, cl_uint packet_bytes, cl_uint packets,
	   const cl_properties *properties, cl_int *status),
	  (context, flags, packet_bytes, packets, properties, status),
	  allocated(api, &call, made, ANAROS_MEMORY_DEVICE, (uint64_t)packet_bytes *packets, NULL,
		    *status))

CL_CREATE_EXTENSION(cl_mem, clImportMemoryARM,
		    (cl_context context, cl_bitfield flags, const cl_properties *properties,
		     void *memory, size_t size, cl_int *status),
		    (context, flags, properties, memory, size, status),
		    allocated(api, &call, made, ANAROS_MEMORY_IMPORTED, size, memory, *status))
