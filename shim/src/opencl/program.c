// SPDX-License-Identifier: Apache-2.0
/* Programs: where their code comes from, and the compiler. */
#include <string.h>

#include "opencl/opencl.h"

/* `size`: of what it was made from; 0 for the compiler, which says in its result what it made of
 * it. */
#define BUILT(program, status_, size)                                                              \
	CL_NOTE(status_, .kind = ANAROS_KIND_GPU_BUILD, .object = (uintptr_t)(program),            \
		.size_bytes = (size))

CL_PLAIN_NOTIFYING(clBuildProgram,
		   (cl_program program, cl_uint count, const cl_device_id *devices,
		    const char *options, cl_notify_program notify, void *data),
		   (program, count, devices, options, notify, data), BUILT(program, result, 0))
CL_PLAIN_NOTIFYING(clCompileProgram,
		   (cl_program program, cl_uint count, const cl_device_id *devices,
		    const char *options, cl_uint header_count, const cl_program *headers,
		    const char **header_names, cl_notify_program notify, void *data),
		   (program, count, devices, options, header_count, headers, header_names, notify,
		    data),
		   BUILT(program, result, 0))
CL_CREATE_NOTIFYING(cl_program, clLinkProgram,
		    (cl_context context, cl_uint count, const cl_device_id *devices,
		     const char *options, cl_uint input_count, const cl_program *inputs,
		     cl_notify_program notify, void *data, cl_int *status),
		    (context, count, devices, options, input_count, inputs, notify, data, status),
		    BUILT(made, *status, 0))

/* A length of 0 is that of a text with an end. */
static uint64_t text_bytes(cl_program program, cl_uint count, const char **texts,
			   const size_t *lengths)
{
	uint64_t size = 0;

	for (cl_uint i = 0; program != NULL && i < count; i++)
		size += lengths != NULL && lengths[i] != 0 ? lengths[i] : strlen(texts[i]);
	return size;
}
CL_CREATE(cl_program, clCreateProgramWithSource,
	  (cl_context context, cl_uint count, const char **texts, const size_t *lengths,
	   cl_int *status),
	  (context, count, texts, lengths, status),
	  BUILT(made, *status, text_bytes(made, count, texts, lengths)))

static uint64_t binary_bytes(cl_program program, cl_uint count, const size_t *lengths)
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
	  BUILT(made, *status, binary_bytes(made, count, lengths)))

#define INTERMEDIATE(create, name)                                                                 \
	create(cl_program, name,                                                                   \
	       (cl_context context, const void *code, size_t size, cl_int *status),                \
	       (context, code, size, status), BUILT(made, *status, size))
INTERMEDIATE(CL_CREATE, clCreateProgramWithIL)
INTERMEDIATE(CL_CREATE_EXTENSION, clCreateProgramWithILKHR)

CL_CREATE(cl_program, clCreateProgramWithBuiltInKernels,
	  (cl_context context, cl_uint count, const cl_device_id *devices, const char *names,
	   cl_int *status),
	  (context, count, devices, names, status), BUILT(made, *status, 0))
