// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what calls of each family say in their records: memory and its
 * sorts, images, unified shared memory, command buffers, events, and calls
 * that fail. A queue that profiles tells device times; where device time is
 * off, the driver is asked for no event.
 */
#include "opencl_test.h"

#define BYTES 4096u

static struct harness harness;
static struct cl cl;

static struct anaros_record last_of(uint16_t kind)
{
	return calls_of(&harness, kind).last;
}

static void check(uint16_t kind, uint64_t size, const void *address)
{
	CHECK_EQUAL(last_of(kind).size_bytes, size);
	CHECK_EQUAL(last_of(kind).address, (uintptr_t)address);
	CHECK_EQUAL(last_of(kind).object, (uintptr_t)cl.queue);
}

static void buffers(void)
{
	size_t region[] = {1024, 512};
	void *buffer = cl_buffer(&cl, 0, BYTES), *part;

	part = CLP(cl.library, clCreateSubBuffer, void *, uint64_t, unsigned int, size_t *,
		   void *)(buffer, 0, 0x1220, region, NULL);
	/* Its memory is the other's. */
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, 0);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).address, (uintptr_t)buffer);
	OK(CL(cl.library, clReleaseMemObject, void *)(part));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).object, (uintptr_t)part);
	OK(CL(cl.library, clEnqueueMigrateMemObjects, void *, unsigned int, void **, uint64_t,
	      WAITS)(cl.queue, 1, &buffer, 0, NONE));
	check(ANAROS_KIND_GPU_PREFETCH, BYTES, buffer);
	OK(CL(cl.library, clReleaseMemObject, void *)(buffer));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).size_bytes, BYTES);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_FREE).count, 2);
}

static void imported(void)
{
	uint64_t properties[] = {0x2060, 3, 0};

	CLP(cl.library, clCreateBufferWithProperties, void *, uint64_t *, uint64_t, size_t, void *,
	    void *)
	(cl.context, properties, 0, BYTES, NULL, NULL);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_IMPORTED);
}

static void images(void)
{
	size_t description[10] = {0x10f1, 8, 4}, origin[3] = {0}, region[3] = {8, 2, 1}, row;
	uint32_t pixels[16] = {1, 2, 3}, back[16];
	void *image, *mapped, *buffer = cl_buffer(&cl, 0, BYTES);

	image = CLP(cl.library, clCreateImage, void *, uint64_t, void *, size_t *, void *,
		    void *)(cl.context, 0, NULL, description, NULL, NULL);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_ARRAY);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, 4 * 8 * 4);
	OK(CL(cl.library, clEnqueueWriteImage, void *, void *, int, size_t *, size_t *, size_t,
	      size_t, void *, WAITS)(cl.queue, image, 1, origin, region, 0, 0, pixels, NONE));
	check(ANAROS_KIND_GPU_COPY_H2D, 64, pixels);
	OK(CL(cl.library, clEnqueueReadImage, void *, void *, int, size_t *, size_t *, size_t,
	      size_t, void *, WAITS)(cl.queue, image, 1, origin, region, 0, 0, back, NONE));
	check(ANAROS_KIND_GPU_COPY_D2H, 64, back);
	CHECK(memcmp(pixels, back, 64) == 0);
	OK(CL(cl.library, clEnqueueCopyBufferToImage, void *, void *, void *, size_t, size_t *,
	      size_t *, WAITS)(cl.queue, buffer, image, 0, origin, region, NONE));
	check(ANAROS_KIND_GPU_COPY_D2D, sim_bytes(cl.driver, SIM_D2D), image);
	OK(CL(cl.library, clEnqueueFillImage, void *, void *, void *, size_t *, size_t *,
	      WAITS)(cl.queue, image, pixels, origin, region, NONE));
	check(ANAROS_KIND_GPU_MEMSET, 64, image);
	mapped = CLP(cl.library, clEnqueueMapImage, void *, void *, int, uint64_t, size_t *,
		     size_t *, size_t *, size_t *, WAITS,
		     void *)(cl.queue, image, 1, 1, origin, region, &row, NULL, NONE, NULL);
	check(ANAROS_KIND_GPU_MAP, 64, mapped);
}

static void *usm(const char *name, uint16_t flags)
{
	void *memory;
	int status = 1;

	memory = ((void *(*)(void *, void *, void *, size_t, int, int *))cl_extension(
	    cl.library, name))(cl.context, cl.devices[0], NULL, BYTES, 0, &status);
	OK(status);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, flags);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).object, (uintptr_t)memory);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, BYTES);
	return memory;
}

static void shared_memory(void)
{
	void *device = usm("clDeviceMemAllocINTEL", ANAROS_MEMORY_DEVICE);
	void *shared = usm("clSharedMemAllocINTEL", ANAROS_MEMORY_MANAGED);
	void *host, *svm;
	int one = 1;

	host = CLEP(cl.library, clHostMemAllocINTEL, void *, void *, size_t, int,
		    void *)(cl.context, NULL, BYTES, 0, NULL);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_HOST | ANAROS_FLAG_PINNED);
	OK(CLE(cl.library, clEnqueueMemcpyINTEL, void *, int, void *, void *, size_t,
	       WAITS)(cl.queue, 0, device, host, 100, NONE));
	check(ANAROS_KIND_GPU_COPY, sim_bytes(cl.driver, SIM_ANY), device);
	OK(CLE(cl.library, clEnqueueMemFillINTEL, void *, void *, void *, size_t, size_t,
	       WAITS)(cl.queue, shared, &one, 4, 200, NONE));
	check(ANAROS_KIND_GPU_MEMSET, 200, shared);
	OK(CLE(cl.library, clEnqueueMigrateMemINTEL, void *, void *, size_t, uint64_t,
	       WAITS)(cl.queue, shared, 300, 0, NONE));
	check(ANAROS_KIND_GPU_PREFETCH, 300, shared);
	OK(CLE(cl.library, clMemFreeINTEL, void *, void *)(cl.context, shared));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).object, (uintptr_t)shared);
	CHECK_EQUAL(CLE(cl.library, clMemBlockingFreeINTEL, void *, void *)(cl.context, &one), -30);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).status, -30);
	svm = CLP(cl.library, clSVMAlloc, void *, uint64_t, size_t, int)(cl.context, 0, BYTES, 0);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_MANAGED);
	OK(CL(cl.library, clEnqueueSVMFree, void *, unsigned int, void **, void *, void *,
	      WAITS)(cl.queue, 1, &svm, NULL, NULL, NONE));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).object, (uintptr_t)svm);
}

static void command_buffers(void *kernel)
{
	size_t items[] = {16, 4};
	void *buffer, *source = cl_buffer(&cl, 0, BYTES), *target = cl_buffer(&cl, 0, BYTES);
	uint64_t launches = calls_of(&harness, ANAROS_KIND_GPU_LAUNCH).count;

	buffer = CLEP(cl.library, clCreateCommandBufferKHR, unsigned int, void **, void *,
		      void *)(1, &cl.queue, NULL, NULL);
	check(ANAROS_KIND_GPU_CAPTURE, 0, NULL);
	OK(CLE(cl.library, clCommandNDRangeKernelKHR, void *, void *, void *, void *, unsigned int,
	       void *, size_t *, void *, unsigned int, void *, void *,
	       void *)(buffer, NULL, NULL, kernel, 2, NULL, items, NULL, 0, NULL, NULL, NULL));
	check(ANAROS_KIND_GPU_LAUNCH, 64, kernel);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).flags, ANAROS_FLAG_CAPTURE | ANAROS_FLAG_ASYNC);
	/* With properties and, as earlier versions of the extension, without. */
	OK(CLE(cl.library, clCommandCopyBufferKHR, void *, void *, void *, void *, void *, size_t,
	       size_t, size_t, unsigned int, void *, void *,
	       void *)(buffer, NULL, NULL, source, target, 1, 2, 30, 0, NULL, NULL, NULL));
	check(ANAROS_KIND_GPU_COPY_D2D, 30, target);
	OK(CLE(cl.library, clCommandCopyBufferKHR, void *, void *, void *, void *, size_t, size_t,
	       size_t, unsigned int, void *, void *,
	       void *)(buffer, NULL, source, target, 1, 2, 40, 0, NULL, NULL, NULL));
	check(ANAROS_KIND_GPU_COPY_D2D, 40, target);
	OK(CLE(cl.library, clFinalizeCommandBufferKHR, void *)(buffer));
	check(ANAROS_KIND_GPU_CAPTURE, 0, buffer);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_INSTANTIATE).object, (uintptr_t)buffer);
	for (int i = 0; i < 3; i++)
		OK(CLE(cl.library, clEnqueueCommandBufferKHR, unsigned int, void *, void *,
		       WAITS)(0, NULL, buffer, NONE));
	check(ANAROS_KIND_GPU_GRAPH, 0, buffer);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_GRAPH).count, 3);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_LAUNCH).count, launches + 1);
	OK(CLE(cl.library, clReleaseCommandBufferKHR, void *)(buffer));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_INSTANTIATE).address, 0);
}

static void native(void *data)
{
	*(int *)data = 7;
}

static void called(void *event, int status, void *data)
{
	(void)event, (void)status;
	*(int *)data = 8;
}

static void events(void *kernel, uint64_t queries)
{
	void *event, *user;
	size_t items = 4;
	int status = 1, value = 0;

	OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *, size_t *,
	      void *, WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, 0, NULL, &event));
	for (int i = 0; i < 10 && status != 0; i++)
		OK(CL(cl.library, clGetEventInfo, void *, unsigned int, size_t, void *,
		      void *)(event, 0x11d3, sizeof(status), &status, NULL));
	/* Running, again and again, is one record; complete is the other. */
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_QUERY).count, queries);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_QUERY).status, 0);
	OK(CL(cl.library, clSetEventCallback, void *, int, void *, void *)(event, 0, called,
									   &value));
	CHECK_EQUAL(value, 8);
	check(ANAROS_KIND_GPU_HOST_CALL, 0, called);
	OK(CL(cl.library, clEnqueueNativeKernel, void *, void *, void *, size_t, unsigned int,
	      void *, void *, WAITS)(cl.queue, native, &value, sizeof(value), 0, NULL, NULL, NONE));
	CHECK_EQUAL(value, 7);
	check(ANAROS_KIND_GPU_HOST_CALL, 0, native);
	user = CLP(cl.library, clCreateUserEvent, void *, void *)(cl.context, NULL);
	OK(CL(cl.library, clSetUserEventStatus, void *, int)(user, 0));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SIGNAL).address, (uintptr_t)user);
	OK(CL(cl.library, clFlush, void *)(cl.queue));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FLUSH).object, (uintptr_t)cl.queue);
}

static void semaphores(void)
{
	void *semaphore = CLEP(cl.library, clCreateSemaphoreWithPropertiesKHR, void *, void *,
			       void *)(cl.context, NULL, NULL);

	OK(CLE(cl.library, clEnqueueSignalSemaphoresKHR, void *, unsigned int, void **, void *,
	       WAITS)(cl.queue, 1, &semaphore, NULL, NONE));
	check(ANAROS_KIND_GPU_SIGNAL, 0, semaphore);
	OK(CLE(cl.library, clEnqueueWaitSemaphoresKHR, void *, unsigned int, void **, void *,
	       WAITS)(cl.queue, 1, &semaphore, NULL, NONE));
	check(ANAROS_KIND_GPU_SIGNAL, 1, semaphore);
}

static void failures(void *kernel)
{
	size_t items = 4;
	int status = 0;

	sim_faults(cl.driver, "clEnqueueNDRangeKernel@1=-5;clDeviceMemAllocINTEL@1=-4");
	errno = 99;
	CHECK_EQUAL(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *,
		       size_t *, void *, WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, NONE),
		    -5);
	CHECK_EQUAL(errno, 99);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).status, -5);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_LAUNCH).size_bytes, 0);
	CHECK(CLEP(cl.library, clDeviceMemAllocINTEL, void *, void *, void *, size_t, int,
		   int *)(cl.context, cl.devices[0], NULL, 64, 0, &status) == NULL);
	CHECK_EQUAL(status, -4);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).status, -4);
	sim_faults(cl.driver, NULL);
}

static uint64_t on_device(uint16_t kind)
{
	return harness_count(&harness,
			     (struct wanted){.kind = kind, .flags = ANAROS_FLAG_DEVICE_TIME});
}

int main(void)
{
	void *kernel;

	harness = harness_open();
	harness.control->device_time = ANAROS_DEVICE_TIME_QUEUE;
	cl = cl_begin(SIM_LOADER, 2 /* profiling */);
	kernel = cl_kernel(&cl);
	buffers();
	imported();
	images();
	shared_memory();
	command_buffers(kernel);
	events(kernel, 2);
	semaphores();
	failures(kernel);
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	/* A launch, a native kernel and three command buffers; copies, fills, maps and migrations.
	 */
	CHECK_EQUAL(on_device(ANAROS_KIND_GPU_EXECUTE), 5);
	CHECK_EQUAL(on_device(ANAROS_KIND_GPU_TRANSFER), 9);
	CHECK_EQUAL(harness.shared->device_times_unread, 0);
	harness.control->device_time = ANAROS_DEVICE_TIME_OFF;
	events(kernel, 4);
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	CHECK_EQUAL(on_device(ANAROS_KIND_GPU_EXECUTE), 5);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
