// SPDX-License-Identifier: Apache-2.0
/*
 * Description: children of a program that used OpenCL, and a child's child,
 * go on with its queue and make their own; they compute the same, and record
 * under their own numbers with their device times.
 */
#include "calls.h"

#define ITEMS 64u
#define TIMES 5u

static void *kernel, *in, *out;

static void add(void *queue)
{
	float x[ITEMS], y[ITEMS];
	size_t items = ITEMS;

	for (unsigned int i = 0; i < ITEMS; i++)
		x[i] = (float)i / 3;
	OK(CL(cl.library, clEnqueueWriteBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(queue, in, 1, 0, sizeof(x), x, NONE));
	for (unsigned int i = 0; i < TIMES; i++)
		OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *,
		      size_t *, void *, WAITS)(queue, kernel, 1, NULL, &items, NULL, NONE));
	OK(CL(cl.library, clEnqueueReadBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(queue, out, 1, 0, sizeof(y), y, NONE));
	for (unsigned int i = 0; i < ITEMS; i++)
		CHECK(y[i] == x[i] + 1);
	OK(CL(cl.library, clFinish, void *)(queue));
}

/* The records of a process that are device times, or that are calls. */
struct counts {
	uint32_t pid;
	uint16_t kind;
	uint64_t calls, times;
};

static void see(const struct anaros_record *record, void *context)
{
	struct counts *counts = context;

	if (record->pid != counts->pid || record->kind != counts->kind)
		return;
	if ((record->flags & ANAROS_FLAG_DEVICE_TIME) != 0)
		counts->times++;
	else
		counts->calls++;
}

static struct counts of(pid_t pid, uint16_t kind)
{
	struct counts counts = {.pid = (uint32_t)pid, .kind = kind};

	harness_each(&harness, see, &counts);
	return counts;
}

/* What one add() leaves, and no queue of another's that it inherits. */
static void told(pid_t pid, uint64_t adds)
{
	CHECK_EQUAL(of(pid, ANAROS_KIND_GPU_LAUNCH).calls, adds * TIMES);
	CHECK_EQUAL(of(pid, ANAROS_KIND_GPU_EXECUTE).times, adds * TIMES);
	CHECK_EQUAL(of(pid, ANAROS_KIND_GPU_TRANSFER).times, adds * 2);
	CHECK_EQUAL(of(pid, ANAROS_KIND_GPU_COPY_H2D).calls, adds);
	CHECK_EQUAL(of(pid, ANAROS_KIND_GPU_COPY_D2H).calls, adds);
	CHECK_EQUAL(of(pid, ANAROS_KIND_GPU_SYNC).calls, adds);
}

static int in_child(int generation)
{
	void *queue;

	alarm(120);
	add(cl.queue);
	queue = CLP(cl.library, clCreateCommandQueue, void *, void *, uint64_t,
		    int *)(cl.context, cl.devices[0], 2 /* profiling */, NULL);
	add(queue);
	OK(CL(cl.library, clReleaseCommandQueue, void *)(queue));
	if (generation == 1) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(in_child(2));
		CHECK_EQUAL(harness_wait(pid), 0);
		told(pid, 2);
		add(cl.queue);
	}
	return 0;
}

int main(void)
{
	begin();
	kernel = cl_kernel(&cl);
	in = cl_buffer(&cl, 0, ITEMS * sizeof(float));
	out = cl_buffer(&cl, 0, ITEMS * sizeof(float));
	OK(CL(cl.library, clSetKernelArg, void *, unsigned int, size_t, void *)(kernel, 0,
										sizeof(in), &in));
	OK(CL(cl.library, clSetKernelArg, void *, unsigned int, size_t, void *)(kernel, 1,
										sizeof(out), &out));
	add(cl.queue);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(in_child(1));
		CHECK_EQUAL(harness_wait(pid), 0);
		told(pid, 3);
		add(cl.queue);
	}
	told(getpid(), 4);
	CHECK_EQUAL(harness.shared->device_times_unread, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
