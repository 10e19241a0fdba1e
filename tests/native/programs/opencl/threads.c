// SPDX-License-Identifier: Apache-2.0
/*
 * Description: threads that work on one queue, and threads that each make
 * their own, compute what they would alone; each call is one record, and each
 * command's device time is told or counted as unread.
 */
#include "calls.h"

#include <pthread.h>

#define THREADS 8
#define TIMES   200u
#define ITEMS   64u

static pthread_barrier_t barrier;

struct work {
	pthread_t thread;
	void *queue;       /* NULL: one of its own */
	float start;       /* what it adds to */
	uint64_t commands; /* that it gave to a queue */
};

static void *own_queue(void)
{
	return CLP(cl.library, clCreateCommandQueue, void *, void *, uint64_t,
		   int *)(cl.context, cl.devices[1], 2 /* profiling */, NULL);
}

/* Adds 1, TIMES times, from one buffer to the other and back. */
static float add(struct work *work, void *queue)
{
	void *kernel = cl_kernel(&cl), *buffers[2], *event;
	float values[ITEMS] = {work->start};
	size_t items = ITEMS;

	for (int i = 0; i < 2; i++)
		buffers[i] = cl_buffer(&cl, 0, sizeof(values));
	OK(CL(cl.library, clEnqueueWriteBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(queue, buffers[0], 1, 0, sizeof(values), values, NONE));
	for (unsigned int i = 0; i < TIMES; i++) {
		for (unsigned int at = 0; at < 2; at++)
			OK(CL(cl.library, clSetKernelArg, void *, unsigned int, size_t,
			      void *)(kernel, at, sizeof(void *), &buffers[(i + at) % 2]));
		OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *,
		      size_t *, void *,
		      WAITS)(queue, kernel, 1, NULL, &items, NULL, 0, NULL, i % 2 ? &event : NULL));
		if (i % 2) {
			OK(CL(cl.library, clWaitForEvents, unsigned int, void **)(1, &event));
			OK(CL(cl.library, clReleaseEvent, void *)(event));
		}
	}
	OK(CL(cl.library, clEnqueueReadBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(queue, buffers[TIMES % 2], 1, 0, sizeof(values), values, NONE));
	for (int i = 0; i < 2; i++)
		OK(CL(cl.library, clReleaseMemObject, void *)(buffers[i]));
	work->commands += TIMES + 2;
	return values[0];
}

static void *works(void *argument)
{
	struct work *work = argument;
	void *queue = work->queue;

	pthread_barrier_wait(&barrier);
	if (queue == NULL)
		queue = own_queue();
	CHECK(add(work, queue) == work->start + TIMES);
	OK(CL(cl.library, clFinish, void *)(queue));
	if (work->queue == NULL)
		OK(CL(cl.library, clReleaseCommandQueue, void *)(queue));
	return NULL;
}

static void matches(uint16_t kind, const char *function)
{
	CHECK_EQUAL(count_of(kind), sim_calls(cl.driver, function));
}

/* How many commands all threads gave to queues. */
static uint64_t together(void *queue)
{
	struct work works_of[THREADS] = {0};
	uint64_t commands = 0;

	for (int i = 0; i < THREADS; i++) {
		works_of[i].queue = queue;
		works_of[i].start = (float)i;
		OK(pthread_create(&works_of[i].thread, NULL, works, &works_of[i]));
	}
	for (int i = 0; i < THREADS; i++) {
		OK(pthread_join(works_of[i].thread, NULL));
		commands += works_of[i].commands;
	}
	return commands;
}

int main(void)
{
	uint64_t commands;

	begin();
	OK(pthread_barrier_init(&barrier, NULL, THREADS));
	commands = together(cl.queue);
	commands += together(NULL);
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	matches(ANAROS_KIND_GPU_LAUNCH, "clEnqueueNDRangeKernel");
	matches(ANAROS_KIND_GPU_COPY_H2D, "clEnqueueWriteBuffer");
	matches(ANAROS_KIND_GPU_COPY_D2H, "clEnqueueReadBuffer");
	matches(ANAROS_KIND_GPU_ALLOC, "clCreateBuffer");
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_FREE), 2 * 2 * THREADS);
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_STREAM), 1 + 2 * THREADS);
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_LAUNCH), 2 * THREADS * TIMES);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_COPY_H2D).bytes,
		    sim_bytes(cl.driver, SIM_H2D));
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_COPY_D2H).bytes,
		    sim_bytes(cl.driver, SIM_D2H));
	CHECK_EQUAL(on_device(ANAROS_KIND_GPU_EXECUTE) + on_device(ANAROS_KIND_GPU_TRANSFER) +
			harness.shared->device_times_unread,
		    commands);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
