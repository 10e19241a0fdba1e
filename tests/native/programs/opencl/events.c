// SPDX-License-Identifier: Apache-2.0
/*
 * Description: events are asked, waited for, called back from and made by the
 * user, semaphores signal and wait; each is told with what it is about. Where
 * device time is off, the driver is asked for no event.
 */
#include "calls.h"

static void *launched(void *kernel)
{
	size_t items = 4;
	void *event;

	OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *, size_t *,
	      void *, WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, 0, NULL, &event));
	return event;
}

/* The first and the last time that it is not complete, in whatever state, and that it is. */
static void asked(void *kernel, uint64_t queries)
{
	void *event = launched(kernel);
	int status = 1;

	for (int i = 0; i < 10 && status != 0; i++)
		OK(CL(cl.library, clGetEventInfo, void *, unsigned int, size_t, void *,
		      void *)(event, 0x11d3, sizeof(status), &status, NULL));
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_QUERY), queries);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_QUERY).status, 0);
	OK(CL(cl.library, clReleaseEvent, void *)(event));
}

/* Of the queue: it tells since when it had the last of the commands. */
static void waits_since(uint16_t kind, unsigned int count, void **events)
{
	uint64_t start_ns = last_of(kind).start_ns;
	struct anaros_record wait;

	OK(CL(cl.library, clWaitForEvents, unsigned int, void **)(count, events));
	wait = last_of(ANAROS_KIND_GPU_SYNC);
	CHECK_EQUAL(wait.object, (uintptr_t)events[0]);
	CHECK_EQUAL(wait.address, (uintptr_t)cl.queue);
	CHECK_EQUAL(wait.start_ns - wait.size_bytes, start_ns);
}

static void waited_for(void *kernel)
{
	void *events[] = {launched(kernel), launched(kernel)};

	waits_since(ANAROS_KIND_GPU_LAUNCH, 2, events);
	CHECK_EQUAL(CL(cl.library, clWaitForEvents, unsigned int, void **)(0, NULL), -30);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).status, -30);
	for (int i = 0; i < 2; i++)
		OK(CL(cl.library, clReleaseEvent, void *)(events[i]));
}

/* Commands of a queue without order say nothing of each other. */
static void waited_for_one_of_any_order(void *kernel)
{
	void *queue = cl.queue, *event;

	cl.queue = CLP(cl.library, clCreateCommandQueue, void *, void *, uint64_t,
		       void *)(cl.context, cl.devices[0], 1 /* out of order */, NULL);
	event = launched(kernel);
	OK(CL(cl.library, clWaitForEvents, unsigned int, void **)(1, &event));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).address, (uintptr_t)cl.queue);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).size_bytes, 0);
	OK(CL(cl.library, clReleaseEvent, void *)(event));
	OK(CL(cl.library, clReleaseCommandQueue, void *)(cl.queue));
	cl.queue = queue;
}

static void native(void *data)
{
	*(int *)data = 7;
}

static void called(void *event, int status, void *data)
{
	(void)event;
	*(int *)data = status + 8;
}

static void called_back(void *kernel)
{
	void *event = launched(kernel);
	int value = 0;

	OK(CL(cl.library, clSetEventCallback, void *, int, void *, void *)(event, 0, called,
									   &value));
	CHECK_EQUAL(value, 8);
	check(ANAROS_KIND_GPU_HOST_CALL, 0, called);
	OK(CL(cl.library, clEnqueueNativeKernel, void *, void *, void *, size_t, unsigned int,
	      void *, void *, WAITS)(cl.queue, native, &value, sizeof(value), 0, NULL, NULL, NONE));
	CHECK_EQUAL(value, 7);
	check(ANAROS_KIND_GPU_HOST_CALL, 0, native);
	OK(CL(cl.library, clReleaseEvent, void *)(event));
}

/* One of the user's belongs to no queue; it ends when the program says so, or fails. */
static void of_the_user(void *kernel)
{
	void *user, *event;
	size_t items = 4;
	int value = 0;

	for (int status = 0; status >= -1; status--) {
		user = CLP(cl.library, clCreateUserEvent, void *, void *)(cl.context, NULL);
		OK(CL(cl.library, clSetEventCallback, void *, int, void *, void *)(user, 0, called,
										   &value));
		CHECK_EQUAL(last_of(ANAROS_KIND_GPU_HOST_CALL).object, 0);
		CHECK_EQUAL(last_of(ANAROS_KIND_GPU_HOST_CALL).address, (uintptr_t)called);
		CHECK_EQUAL(value, 0);
		OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *,
		      size_t *, void *,
		      WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, 1, &user, &event));
		OK(CL(cl.library, clSetUserEventStatus, void *, int)(user, status));
		CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SIGNAL).address, (uintptr_t)user);
		CHECK_EQUAL(value, status + 8);
		value = 0;
		OK(CL(cl.library, clWaitForEvents, unsigned int, void **)(1, &user));
		CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).object, (uintptr_t)user);
		CHECK_EQUAL(last_of(ANAROS_KIND_GPU_SYNC).address, 0);
		OK(CL(cl.library, clReleaseEvent, void *)(event));
		OK(CL(cl.library, clReleaseEvent, void *)(user));
	}
	OK(CL(cl.library, clFlush, void *)(cl.queue));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FLUSH).object, (uintptr_t)cl.queue);
}

static void ordered(void)
{
	void *marker;

	OK(CL(cl.library, clEnqueueMarkerWithWaitList, void *, WAITS)(cl.queue, 0, NULL, &marker));
	check(ANAROS_KIND_GPU_EVENT, 0, marker);
	waits_since(ANAROS_KIND_GPU_EVENT, 1, &marker);
	OK(CL(cl.library, clEnqueueBarrierWithWaitList, void *, WAITS)(cl.queue, 1, &marker, NULL));
	check(ANAROS_KIND_GPU_EVENT, 0, NULL);
	OK(CL(cl.library, clReleaseEvent, void *)(marker));
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

static void all(void *kernel, uint64_t queries)
{
	asked(kernel, queries);
	waited_for(kernel);
	waited_for_one_of_any_order(kernel);
	called_back(kernel);
	of_the_user(kernel);
	ordered();
	semaphores();
}

int main(void)
{
	void *kernel;

	begin();
	kernel = cl_kernel(&cl);
	all(kernel, 3);
	ran(7, 0);
	harness.control->device_time = ANAROS_DEVICE_TIME_OFF;
	all(kernel, 6);
	ran(7, 0);
	return 0;
}
