// SPDX-License-Identifier: Apache-2.0
/* Kernels: launches, names, and the compiler. */
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

static void launched(struct cl_call *call, cl_int result, cl_kernel kernel, uint64_t items)
{
	cl_done(call, result, false,
		&(struct anaros_fields){
		    .kind = ANAROS_KIND_GPU_LAUNCH,
		    .size_bytes = items,
		    .address = (uintptr_t)kernel,
		});
}

/* What the runtime refused may point anywhere. */
static uint64_t items_of(cl_int result, cl_uint dimensions, const size_t *global)
{
	uint64_t items = 1;

	if (result != CL_SUCCESS || global == NULL)
		return 0;
	for (cl_uint i = 0; i < dimensions; i++)
		items *= global[i];
	return items;
}

CL_COMMAND(clEnqueueNDRangeKernel,
	   (cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
	    const size_t *global, const size_t *local, WAIT_LIST),
	   (queue, kernel, dimensions, offset, global, local, WAITED),
	   launched(&call, result, kernel, items_of(result, dimensions, global)))
CL_COMMAND(clEnqueueTask, (cl_command_queue queue, cl_kernel kernel, WAIT_LIST),
	   (queue, kernel, WAITED), launched(&call, result, kernel, 1))

cl_kernel clCreateKernel(cl_program program, const char *name, cl_int *status)
{
	const struct cl_api *api = CL_LIBRARY();
	cl_kernel kernel;

	CL_REQUIRE(api, clCreateKernel, NULL);
	kernel = api->clCreateKernel(program, name, status);
	if (kernel != NULL && anaros_may_record())
		cl_name(ANAROS_NAME_KERNEL, kernel, name);
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

cl_int clCreateKernelsInProgram(cl_program program, cl_uint count, cl_kernel *kernels,
				cl_uint *made)
{
	const struct cl_api *api = CL_LIBRARY();
	cl_uint own = 0;
	cl_int result;

	CL_REQUIRE(api, clCreateKernelsInProgram, CL_INVALID_OPERATION);
	made = made != NULL ? made : &own;
	result = api->clCreateKernelsInProgram(program, count, kernels, made);
	if (result != CL_SUCCESS || kernels == NULL || !anaros_may_record())
		return result;
	for (cl_uint i = 0; i < *made && i < count; i++)
		name_by_asking(api, kernels[i]);
	return result;
}

cl_kernel clCloneKernel(cl_kernel source, cl_int *status)
{
	const struct cl_api *api = CL_LIBRARY();
	cl_kernel kernel;

	CL_REQUIRE(api, clCloneKernel, NULL);
	kernel = api->clCloneKernel(source, status);
	if (kernel != NULL && anaros_may_record())
		name_by_asking(api, kernel);
	return kernel;
}

static void built(const struct anaros_call *call, cl_program program, cl_int status, uint64_t size)
{
	anaros_record(call, &(struct anaros_fields){
				.kind = ANAROS_KIND_GPU_BUILD,
				.status = status,
				.object = (uintptr_t)program,
				.size_bytes = size,
			    });
}

/* A call of the compiler; what it makes of it, it says in its result. */
#define COMPILE(name, parameters, arguments)                                                       \
	cl_int name parameters                                                                     \
	{                                                                                          \
		const struct cl_api *api = CL_LIBRARY();                                           \
		struct anaros_call call;                                                           \
		cl_int result;                                                                     \
                                                                                                   \
		CL_REQUIRE(api, name, CL_INVALID_OPERATION);                                       \
		if (!anaros_enter(&call))                                                          \
			return api->name arguments;                                                \
		result = api->name arguments;                                                      \
		built(&call, program, result, 0);                                                  \
		return result;                                                                     \
	}
COMPILE(clBuildProgram,
	(cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
	 cl_notify_program notify, void *data),
	(program, count, devices, options, notify, data))
COMPILE(clCompileProgram,
	(cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
	 cl_uint header_count, const cl_program *headers, const char **header_names,
	 cl_notify_program notify, void *data),
	(program, count, devices, options, header_count, headers, header_names, notify, data))
CL_CREATE(cl_program, clLinkProgram,
	  (cl_context context, cl_uint count, const cl_device_id *devices, const char *options,
	   cl_uint input_count, const cl_program *inputs, cl_notify_program notify, void *data,
	   cl_int *status),
	  (context, count, devices, options, input_count, inputs, notify, data, status),
	  built(&call, made, *status, 0))

static uint64_t total(cl_program program, cl_uint count, const size_t *lengths)
{
	uint64_t size = 0;

	for (cl_uint i = 0; program != NULL && i < count; i++)
		size += lengths[i];
	return size;
}
CL_CREATE(cl_program, clCreateProgramWithBinary,
	  (cl_context context, cl_uint count, const cl_device_id *devices, const size_t *lengths,
	   const unsigned char **binaries, cl_int *binary_status, cl_int *status),
	  (context, count, devices, lengths, binaries, binary_status, status),
	  built(&call, made, *status, total(made, count, lengths)))
