// SPDX-License-Identifier: Apache-2.0
/* Programs, kernels and command buffers. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

CL(struct object *, clCreateProgramWithSource,
   (struct object * context, cl_uint count, const char **texts, const size_t *lengths,
    cl_int *status))
{
	ENTER_OR_NULL(clCreateProgramWithSource, status);
	return sim_make(PROGRAM, NULL);
}

CL(struct object *, clCreateProgramWithIL,
   (struct object * context, const void *code, size_t size, cl_int *status))
{
	ENTER_OR_NULL(clCreateProgramWithIL, status);
	return sim_make(PROGRAM, NULL);
}

CL(cl_int, clBuildProgram,
   (struct object * program, cl_uint count, struct object *const *devices, const char *options,
    void *notify, void *data))
{
	ENTER_OR_FAIL(clBuildProgram);
	return SUCCESS;
}

/* add: y[i] = x[i] + 1, of floats. */
CL(struct object *, clCreateKernel, (struct object * program, const char *name, cl_int *status))
{
	struct object *kernel;

	ENTER_OR_NULL(clCreateKernel, status);
	if (strcmp(name, "add") != 0) {
		TOLD(status, INVALID_KERNEL_NAME);
		return NULL;
	}
	sim_device_kernel();
	kernel = sim_make(KERNEL, program);
	kernel->name = "add";
	return kernel;
}

CL(cl_int, clSetKernelArg, (struct object * kernel, cl_uint at, size_t size, const void *value))
{
	struct object *memory = *(struct object *const *)value;

	ENTER_OR_FAIL(clSetKernelArg);
	kernel->values[at] = (uintptr_t)memory->bytes;
	return SUCCESS;
}

CL(cl_int, clSetKernelArgMemPointerINTEL, (struct object * kernel, cl_uint at, const void *value))
{
	ENTER_OR_FAIL(clSetKernelArgMemPointerINTEL);
	kernel->values[at] = (uintptr_t)value;
	return SUCCESS;
}

static void run(const struct object *kernel, size_t items)
{
	const float *x = (const float *)kernel->values[0];
	float *y = (float *)kernel->values[1];

	if (x != NULL && y != NULL)
		sim_device_run(x, y, items);
}

static size_t product(cl_uint dimensions, const size_t *sizes)
{
	size_t items = 1;

	for (cl_uint i = 0; i < dimensions; i++)
		items *= sizes[i];
	return items;
}

CL(cl_int, clEnqueueNDRangeKernel,
   (struct object * queue, struct object *kernel, cl_uint dimensions, const size_t *offset,
    const size_t *global, const size_t *local, WAIT_LIST))
{
	cl_ulong queued = sim_now();

	ENTER_OR_FAIL(clEnqueueNDRangeKernel);
	if (sim_of(queue, QUEUE) == NULL)
		return INVALID_QUEUE;
	run(kernel, product(dimensions, global));
	return sim_done(queue, queued, event);
}

CL(cl_int, clEnqueueNativeKernel,
   (struct object * queue, void (*function)(void *), void *arguments, size_t size, cl_uint count,
    struct object *const *objects, const void **places, WAIT_LIST))
{
	cl_ulong queued = sim_now();

	ENTER_OR_FAIL(clEnqueueNativeKernel);
	function(arguments);
	sim_device_ask();
	return sim_done(queue, queued, event);
}

CL(struct object *, clCreateCommandBufferKHR,
   (cl_uint count, struct object *const *queues, const cl_ulong *properties, cl_int *status))
{
	ENTER_OR_NULL(clCreateCommandBufferKHR, status);
	return sim_make(BUFFER, queues[0]);
}

CL(cl_int, clFinalizeCommandBufferKHR, (struct object * buffer))
{
	ENTER_OR_FAIL(clFinalizeCommandBufferKHR);
	return sim_of(buffer, BUFFER) != NULL ? SUCCESS : INVALID_OPERATION;
}

CL(cl_int, clCommandNDRangeKernelKHR,
   (struct object * buffer, struct object *queue, const cl_ulong *properties, struct object *kernel,
    cl_uint dimensions, const size_t *offset, const size_t *global, const size_t *local,
    cl_uint waits, const cl_uint *list, cl_uint *point, void **handle))
{
	ENTER_OR_FAIL(clCommandNDRangeKernelKHR);
	buffer->commands++;
	return SUCCESS;
}

/* As version 0.9.5 of the extension has it, and the earlier ones. */
CL(cl_int, clCommandCopyBufferKHR,
   (struct object * buffer, struct object *queue, const cl_ulong *properties, struct object *source,
    struct object *target, size_t from, size_t to, size_t size, cl_uint waits, const cl_uint *list,
    cl_uint *point, void **handle))
{
	ENTER_OR_FAIL(clCommandCopyBufferKHR);
	buffer->commands++;
	return SUCCESS;
}

CL(cl_int, clEnqueueCommandBufferKHR,
   (cl_uint count, struct object **queues, struct object *buffer, WAIT_LIST))
{
	ENTER_OR_FAIL(clEnqueueCommandBufferKHR);
	return sim_done(count > 0 ? queues[0] : buffer->parent, sim_now(), event);
}

/* It came after the shim's lists. */
CL(cl_int, clFutureSIM, (void))
{
	return 7;
}
