// SPDX-License-Identifier: Apache-2.0
/*
 * Description: buffers, parts of buffers, pipes and memory of another library
 * are told with their sort and size, and freed when their last reference goes.
 */
#include "calls.h"

static void buffers(void)
{
	void *buffer = cl_buffer(&cl, 0, BYTES);

	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_DEVICE);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, BYTES);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).object, (uintptr_t)buffer);
	OK(CL(cl.library, clEnqueueMigrateMemObjects, void *, unsigned int, void **, uint64_t,
	      WAITS)(cl.queue, 1, &buffer, 0, NONE));
	check(ANAROS_KIND_GPU_PREFETCH, BYTES, buffer);
	OK(CL(cl.library, clRetainMemObject, void *)(buffer));
	OK(CL(cl.library, clReleaseMemObject, void *)(buffer));
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_FREE), 0);
	OK(CL(cl.library, clReleaseMemObject, void *)(buffer));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).object, (uintptr_t)buffer);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).size_bytes, BYTES);
	buffer = cl_buffer(&cl, 1 << 4 /* the runtime's host memory */, BYTES);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags,
		    ANAROS_MEMORY_DEVICE | ANAROS_FLAG_PINNED);
	OK(CL(cl.library, clReleaseMemObject, void *)(buffer));
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_FREE), 2);
}

/* Its memory is the other's: 0 bytes, and what is written there is in both. */
static void sub_buffers(void)
{
	size_t region[] = {1024, 512};
	void *buffer = cl_buffer(&cl, 0, BYTES), *part;
	char text[512] = "part", back[BYTES];
	uint64_t frees = count_of(ANAROS_KIND_GPU_FREE);

	part = CLP(cl.library, clCreateSubBuffer, void *, uint64_t, unsigned int, size_t *,
		   void *)(buffer, 0, 0x1220, region, NULL);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, 0);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).object, (uintptr_t)part);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).address, (uintptr_t)buffer);
	OK(CL(cl.library, clEnqueueWriteBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(cl.queue, part, 1, 0, sizeof(text), text, NONE));
	check(ANAROS_KIND_GPU_COPY_H2D, sizeof(text), text);
	OK(CL(cl.library, clEnqueueReadBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(cl.queue, buffer, 1, 0, BYTES, back, NONE));
	check(ANAROS_KIND_GPU_COPY_D2H, BYTES, back);
	CHECK(strcmp(back + region[0], "part") == 0);
	OK(CL(cl.library, clReleaseMemObject, void *)(part));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).object, (uintptr_t)part);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).size_bytes, 0);
	OK(CL(cl.library, clReleaseMemObject, void *)(buffer));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).size_bytes, BYTES);
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_FREE), frees + 2);
}

static void pipes(void)
{
	void *pipe = CLP(cl.library, clCreatePipe, void *, uint64_t, unsigned int, unsigned int,
			 void *, void *)(cl.context, 0, 16, 100, NULL, NULL);

	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_DEVICE);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, 16 * 100);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).object, (uintptr_t)pipe);
	OK(CL(cl.library, clReleaseMemObject, void *)(pipe));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).object, (uintptr_t)pipe);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).size_bytes, 16 * 100);
}

static void imported(void)
{
	uint64_t properties[] = {0x2060, 3, 0};

	CLP(cl.library, clCreateBufferWithProperties, void *, uint64_t *, uint64_t, size_t, void *,
	    void *)
	(cl.context, properties, 0, BYTES, NULL, NULL);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_IMPORTED);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, BYTES);
}

int main(void)
{
	begin();
	buffers();
	sub_buffers();
	pipes();
	imported();
	ran(0, 3);
	return 0;
}
