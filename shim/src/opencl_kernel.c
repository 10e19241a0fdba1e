// SPDX-License-Identifier: Apache-2.0
/* Kernels: launches, names, and the compiler. */
#include <string.h>

#include "opencl.h"

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

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
			      const size_t *offset, const size_t *global, const size_t *local,
			      cl_uint waits, const cl_event *list, cl_event *event)
{
	struct cl_call call;
	uint64_t items = 1;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueNDRangeKernel, queue, event);
	result = call.api->clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local,
						  waits, list, call.event);
	if (!call.recording)
		return result;
	/* What the runtime refused may point anywhere. */
	for (cl_uint i = 0; result == CL_SUCCESS && global != NULL && i < dimensions; i++)
		items *= global[i];
	cl_done(&call, result, false,
		&(struct anaros_fields){
		    .kind = ANAROS_KIND_GPU_LAUNCH,
		    .size_bytes = result == CL_SUCCESS && global != NULL ? items : 0,
		    .address = (uintptr_t)kernel,
		});
	return result;
}

cl_int clEnqueueTask(cl_command_queue queue, cl_kernel kernel, cl_uint waits, const cl_event *list,
		     cl_event *event)
{
	struct cl_call call;
	cl_int result;

	CL_ENQUEUE(call, clEnqueueTask, queue, event);
	result = call.api->clEnqueueTask(queue, kernel, waits, list, call.event);
	cl_done(&call, result, false,
		&(struct anaros_fields){
		    .kind = ANAROS_KIND_GPU_LAUNCH,
		    .size_bytes = 1,
		    .address = (uintptr_t)kernel,
		});
	return result;
}

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

cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
		      const char *options, cl_notify_program notify, void *data)
{
	const struct cl_api *api = CL_LIBRARY();
	struct anaros_call call;
	cl_int result;

	CL_REQUIRE(api, clBuildProgram, CL_INVALID_OPERATION);
	if (!anaros_enter(&call))
		return api->clBuildProgram(program, count, devices, options, notify, data);
	result = api->clBuildProgram(program, count, devices, options, notify, data);
	built(&call, program, result, 0);
	return result;
}

cl_int clCompileProgram(cl_program program, cl_uint count, const cl_device_id *devices,
			const char *options, cl_uint header_count, const cl_program *headers,
			const char **header_names, cl_notify_program notify, void *data)
{
	const struct cl_api *api = CL_LIBRARY();
	struct anaros_call call;
	cl_int result;

	CL_REQUIRE(api, clCompileProgram, CL_INVALID_OPERATION);
	if (!anaros_enter(&call))
		return api->clCompileProgram(program, count, devices, options, header_count,
					     headers, header_names, notify, data);
	result = api->clCompileProgram(program, count, devices, options, header_count, headers,
				       header_names, notify, data);
	built(&call, program, result, 0);
	return result;
}

cl_program clLinkProgram(cl_context context, cl_uint count, const cl_device_id *devices,
			 const char *options, cl_uint input_count, const cl_program *inputs,
			 cl_notify_program notify, void *data, cl_int *status)
{
	const struct cl_api *api = CL_LIBRARY();
	struct anaros_call call;
	cl_program program;
	cl_int own;

	CL_REQUIRE(api, clLinkProgram, NULL);
	if (!anaros_enter(&call))
		return api->clLinkProgram(context, count, devices, options, input_count, inputs,
					  notify, data, status);
	status = status != NULL ? status : &own;
	program = api->clLinkProgram(context, count, devices, options, input_count, inputs, notify,
				     data, status);
	built(&call, program, *status, 0);
	return program;
}

cl_program clCreateProgramWithBinary(cl_context context, cl_uint count, const cl_device_id *devices,
				     const size_t *lengths, const unsigned char **binaries,
				     cl_int *binary_status, cl_int *status)
{
	const struct cl_api *api = CL_LIBRARY();
	struct anaros_call call;
	cl_program program;
	uint64_t size = 0;
	cl_int own;

	CL_REQUIRE(api, clCreateProgramWithBinary, NULL);
	if (!anaros_enter(&call))
		return api->clCreateProgramWithBinary(context, count, devices, lengths, binaries,
						      binary_status, status);
	status = status != NULL ? status : &own;
	program = api->clCreateProgramWithBinary(context, count, devices, lengths, binaries,
						 binary_status, status);
	for (cl_uint i = 0; program != NULL && i < count; i++)
		size += lengths[i];
	built(&call, program, *status, size);
	return program;
}
