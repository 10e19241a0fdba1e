// SPDX-License-Identifier: Apache-2.0
/* Kernels: launches and names. */
#include <string.h>

#include "opencl/opencl.h"

#define NAMED 1024u

/*
 * The last name that each object was given. Runtimes use an address again,
 * and some programs make a kernel for each launch: a name goes out when it
 * differs from the last one of that address.
 */
static uint64_t named[NAMED];

void cl_name(uint16_t name_class, const void *object, const char *text)
{
	uint64_t mark = (uintptr_t)object * 0x9e3779b97f4a7c15ull;
	uint64_t *slot = &named[mark >> 54];
	size_t length = 0;

	for (; text[length] != '\0'; length++)
		mark = (mark ^ (unsigned char)text[length]) * 0x100000001b3ull;
	if (__atomic_exchange_n(slot, mark, __ATOMIC_RELAXED) != mark)
		anaros_name(name_class, (uintptr_t)object, text, length);
}

static inline void launched(struct cl_call *call, cl_int result, cl_kernel kernel, uint64_t items)
{
	cl_done(call, result, false,
		&(struct anaros_fields){
		    .kind = ANAROS_KIND_GPU_LAUNCH,
		    .size_bytes = items,
		    .address = (uintptr_t)kernel,
		});
}

CL_COMMAND(clEnqueueNDRangeKernel,
	   (cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
	    const size_t *global, const size_t *local, WAIT_LIST),
	   (queue, kernel, dimensions, offset, global, local, WAITED),
	   launched(&call, result, kernel, cl_items(result, dimensions, global)))
CL_COMMAND_RARE(clEnqueueTask, (cl_command_queue queue, cl_kernel kernel, WAIT_LIST),
		(queue, kernel, WAITED), launched(&call, result, kernel, 1))
/* A function of the program that the device calls, which is then a CPU. */
CL_HOOK(CL_RARE, cl_int, clEnqueueNativeKernel,
	(cl_command_queue queue, cl_native_kernel function, void *arguments, size_t size,
	 cl_uint count, const cl_mem *objects, const void **places, WAIT_LIST),
	(queue, function, arguments, size, count, objects, places, WAITED))
{
	cl_native_kernel given = function;
	struct cl_call call;
	cl_int result;

	CL_REQUIRE(api, clEnqueueNativeKernel, CL_INVALID_OPERATION);
	event = cl_begin(&call, api, queue, event);
	if (call.recording)
		given = ANAROS_CALLBACK(function);
	result = api->clEnqueueNativeKernel(queue, given, arguments, size, count, objects, places,
					    WAITED);
	CL_COPIED(HOST_CALL, false, 0, function);
	return result;
}

CL_HOOK(CL_RARE, cl_kernel, clCreateKernel, (cl_program program, const char *name, cl_int *status),
	(program, name, status))
{
	cl_kernel kernel;

	CL_REQUIRE(api, clCreateKernel, NULL);
	if (!cl_within(api))
		return api->clCreateKernel(program, name, status);
	kernel = api->clCreateKernel(program, name, status);
	if (kernel != NULL)
		cl_name(ANAROS_NAME_KERNEL, kernel, name);
	cl_leave();
	return kernel;
}

static void name_by_asking(const struct cl_api *api, cl_kernel kernel)
{
	int saved = errno;
	char name[256];
	size_t size = 0;

	if (api->clGetKernelInfo != NULL &&
	    api->clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof(name), name, &size) ==
		CL_SUCCESS &&
	    size > 1)
		cl_name(ANAROS_NAME_KERNEL, kernel, name);
	errno = saved;
}

CL_HOOK(CL_RARE, cl_int, clCreateKernelsInProgram,
	(cl_program program, cl_uint count, cl_kernel *kernels, cl_uint *made),
	(program, count, kernels, made))
{
	cl_uint own = 0;
	cl_int result;

	CL_REQUIRE(api, clCreateKernelsInProgram, CL_INVALID_OPERATION);
	if (!cl_within(api))
		return api->clCreateKernelsInProgram(program, count, kernels, made);
	made = made != NULL ? made : &own;
	result = api->clCreateKernelsInProgram(program, count, kernels, made);
	for (cl_uint i = 0; result == CL_SUCCESS && kernels != NULL && i < *made && i < count; i++)
		name_by_asking(api, kernels[i]);
	cl_leave();
	return result;
}

CL_HOOK(CL_RARE, cl_kernel, clCloneKernel, (cl_kernel source, cl_int *status), (source, status))
{
	cl_kernel kernel;

	CL_REQUIRE(api, clCloneKernel, NULL);
	if (!cl_within(api))
		return api->clCloneKernel(source, status);
	kernel = api->clCloneKernel(source, status);
	if (kernel != NULL)
		name_by_asking(api, kernel);
	cl_leave();
	return kernel;
}
