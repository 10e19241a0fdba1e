// SPDX-License-Identifier: Apache-2.0
/* Calls OpenCL by its names: linked with a loader, or with one inside. */
#include "../sim.h"

cl_int clGetPlatformIDs(cl_uint, void **, cl_uint *);
cl_int clGetDeviceIDs(void *, cl_ulong, cl_uint, void **, cl_uint *);
void *clCreateContext(const intptr_t *, cl_uint, void *const *, void *, void *, cl_int *);
void *clCreateCommandQueue(void *, void *, cl_ulong, cl_int *);
void *clCreateBuffer(void *, cl_ulong, size_t, void *, cl_int *);
void *clCreateProgramWithSource(void *, cl_uint, const char **, const size_t *, cl_int *);
void *clCreateKernel(void *, const char *, cl_int *);
cl_int clSetKernelArg(void *, cl_uint, size_t, const void *);
cl_int clEnqueueWriteBuffer(void *, void *, cl_uint, size_t, size_t, const void *, cl_uint, void *,
			    void *);
cl_int clEnqueueNDRangeKernel(void *, void *, cl_uint, const size_t *, const size_t *,
			      const size_t *, cl_uint, void *, void *);
cl_int clEnqueueReadBuffer(void *, void *, cl_uint, size_t, size_t, void *, cl_uint, void *,
			   void *);
cl_int clFinish(void *);

/* y = x + 1, `times` launches: 0, or the status of what failed. */
__attribute__((visibility("default"))) int direct(const float *x, float *y, size_t items,
						  unsigned int times);
int direct(const float *x, float *y, size_t items, unsigned int times)
{
	void *platform, *devices[2], *context, *queue, *kernel, *in, *out;
	const char *text = "add";
	cl_int status;

	status = clGetPlatformIDs(1, &platform, NULL);
	if (status != 0 || (status = clGetDeviceIDs(platform, 0xffffffff, 2, devices, NULL)) != 0)
		return status;
	context = clCreateContext(NULL, 2, devices, NULL, NULL, &status);
	queue = clCreateCommandQueue(context, devices[1], 0, &status);
	in = clCreateBuffer(context, 0, 4 * items, NULL, &status);
	out = clCreateBuffer(context, 0, 4 * items, NULL, &status);
	kernel = clCreateKernel(clCreateProgramWithSource(context, 1, &text, NULL, &status), "add",
				&status);
	clSetKernelArg(kernel, 0, sizeof(in), &in);
	clSetKernelArg(kernel, 1, sizeof(out), &out);
	status |= clEnqueueWriteBuffer(queue, in, 0, 0, 4 * items, x, 0, NULL, NULL);
	for (unsigned int i = 0; i < times; i++)
		status |=
		    clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL);
	status |= clFinish(queue);
	status |= clEnqueueReadBuffer(queue, out, 1, 0, 4 * items, y, 0, NULL, NULL);
	return status;
}
