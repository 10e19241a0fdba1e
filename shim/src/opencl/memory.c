// SPDX-License-Identifier: Apache-2.0
/*
 * Device memory. A buffer ends when its last reference goes, and the runtime
 * holds references too: only the runtime knows when that is, and tells it to
 * a destructor callback.
 */
#include "opencl/opencl.h"

static void destroyed(cl_mem memory, void *size)
{
	struct anaros_call call;

	if (anaros_enter(&call))
		anaros_record_at(call.start_ns, call.start_ns,
				 &(struct anaros_fields){
				     .kind = ANAROS_KIND_GPU_FREE,
				     .object = (uintptr_t)memory,
				     .size_bytes = (uintptr_t)size,
				 });
}

static uint16_t pinned(cl_bitfield flags)
{
	return flags & (CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR) ? ANAROS_FLAG_PINNED : 0;
}

static void allocated(const struct cl_api *api, const struct anaros_call *call, cl_mem memory,
		      cl_bitfield flags, size_t size, const void *host, cl_int status)
{
	uint64_t end_ns = anaros_now_ns();
	int saved = errno;

	if (memory != NULL && size == 0 && api->clGetMemObjectInfo != NULL)
		api->clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof(size), &size, NULL);
	anaros_record_at(call->start_ns, end_ns,
			 &(struct anaros_fields){
			     .kind = ANAROS_KIND_GPU_ALLOC,
			     .flags = pinned(flags),
			     .status = status,
			     .object = (uintptr_t)memory,
			     .size_bytes = size,
			     .address = (uintptr_t)host,
			 });
	/* After the record: the memory is not gone before the caller has it. */
	if (memory != NULL && api->clSetMemObjectDestructorCallback != NULL)
		api->clSetMemObjectDestructorCallback(memory, destroyed, (void *)(uintptr_t)size);
	errno = saved;
}

CL_CREATE(cl_mem, clCreateBuffer,
	  (cl_context context, cl_bitfield flags, size_t size, void *host, cl_int *status),
	  (context, flags, size, host, status),
	  allocated(api, &call, made, flags, size, host, *status))
CL_CREATE(cl_mem, clCreateBufferWithProperties,
	  (cl_context context, const cl_ulong *properties, cl_bitfield flags, size_t size,
	   void *host, cl_int *status),
	  (context, properties, flags, size, host, status),
	  allocated(api, &call, made, flags, size, host, *status))
CL_CREATE(cl_mem, clCreateImage,
	  (cl_context context, cl_bitfield flags, const void *format, const void *description,
	   void *host, cl_int *status),
	  (context, flags, format, description, host, status),
	  allocated(api, &call, made, flags, 0, host, *status))

/* Shared virtual memory is one address for host and device. */
void *clSVMAlloc(cl_context context, cl_bitfield flags, size_t size, cl_uint alignment)
{
	const struct cl_api *api = CL_LIBRARY();
	struct anaros_call call;
	void *memory;

	CL_REQUIRE(api, clSVMAlloc, NULL);
	if (!anaros_enter(&call))
		return api->clSVMAlloc(context, flags, size, alignment);
	memory = api->clSVMAlloc(context, flags, size, alignment);
	anaros_record(&call, &(struct anaros_fields){
				 .kind = ANAROS_KIND_GPU_ALLOC,
				 .status = memory != NULL ? 0 : CL_MEM_OBJECT_ALLOCATION_FAILURE,
				 .object = (uintptr_t)memory,
				 .size_bytes = size,
				 .address = (uintptr_t)memory,
			     });
	return memory;
}

void clSVMFree(cl_context context, void *memory)
{
	const struct cl_api *api = CL_LIBRARY();
	struct anaros_call call;
	bool recording;

	CL_REQUIRE(api, clSVMFree, );
	recording = memory != NULL && anaros_enter(&call);
	/* Recorded first: another thread may be given the address at once. */
	if (recording)
		anaros_record(&call, &(struct anaros_fields){
					 .kind = ANAROS_KIND_GPU_FREE,
					 .object = (uintptr_t)memory,
					 .address = (uintptr_t)memory,
				     });
	api->clSVMFree(context, memory);
}
