// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what goes into a command buffer is marked as such, and each
 * time that it is enqueued is one record.
 */
#include "calls.h"

static void command_buffers(void *kernel)
{
	size_t items[] = {16, 4};
	void *buffer, *source = cl_buffer(&cl, 0, BYTES), *target = cl_buffer(&cl, 0, BYTES);
	uint64_t launches = count_of(ANAROS_KIND_GPU_LAUNCH);

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
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_GRAPH), 3);
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_LAUNCH), launches + 1);
	OK(CLE(cl.library, clReleaseCommandBufferKHR, void *)(buffer));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_INSTANTIATE).address, 0);
}

int main(void)
{
	begin();
	command_buffers(cl_kernel(&cl));
	ran(3, 0);
	return 0;
}
