// SPDX-License-Identifier: Apache-2.0
/*
 * Description: shared virtual memory, coarse and fine, is one sort; it is
 * mapped, copied, filled, migrated, given to a kernel and freed by address,
 * at once or in a queue.
 */
#include "calls.h"

#define FINE (1 << 10)

static void *allocated(uint64_t flags)
{
	void *memory =
	    CLP(cl.library, clSVMAlloc, void *, uint64_t, size_t, int)(cl.context, flags, BYTES, 0);

	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_MANAGED);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).object, (uintptr_t)memory);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, BYTES);
	return memory;
}

static void freed(const void *memory)
{
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).object, (uintptr_t)memory);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).flags & ANAROS_FLAG_FD_TYPE_MASK,
		    ANAROS_MEMORY_MANAGED);
}

static void fill(void *memory, uint32_t value)
{
	OK(CL(cl.library, clEnqueueSVMMemFill, void *, void *, void *, size_t, size_t,
	      WAITS)(cl.queue, memory, &value, sizeof(value), BYTES, NONE));
	check(ANAROS_KIND_GPU_MEMSET, BYTES, memory);
}

static void coarse(uint32_t *one, uint32_t *other)
{
	OK(CL(cl.library, clEnqueueSVMMap, void *, int, uint64_t, void *, size_t,
	      WAITS)(cl.queue, 1, 2 /* to write */, one, BYTES, NONE));
	check(ANAROS_KIND_GPU_MAP, BYTES, one);
	one[3] = 5;
	OK(CL(cl.library, clEnqueueSVMUnmap, void *, void *, WAITS)(cl.queue, one, NONE));
	check(ANAROS_KIND_GPU_UNMAP, 0, one);
	OK(CL(cl.library, clEnqueueSVMMemcpy, void *, int, void *, void *, size_t,
	      WAITS)(cl.queue, 1, other, one, BYTES, NONE));
	check(ANAROS_KIND_GPU_COPY, BYTES, other);
	CHECK_EQUAL(other[3], 5);
	fill(one, 9);
	CHECK_EQUAL(one[BYTES / 4 - 1], 9);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_COPY).bytes, sim_bytes(cl.driver, SIM_ANY));
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_MEMSET).bytes,
		    sim_bytes(cl.driver, SIM_FILL));
}

static void migrated(void *one, void *other)
{
	void *pointers[] = {one, other};
	size_t sizes[] = {100, 200};

	OK(CL(cl.library, clEnqueueSVMMigrateMem, void *, unsigned int, void **, size_t *, uint64_t,
	      WAITS)(cl.queue, 2, pointers, sizes, 0, NONE));
	check(ANAROS_KIND_GPU_PREFETCH, 300, one);
	/* Whole allocations, whose sizes the call does not tell. */
	OK(CL(cl.library, clEnqueueSVMMigrateMem, void *, unsigned int, void **, size_t *, uint64_t,
	      WAITS)(cl.queue, 2, pointers, NULL, 0, NONE));
	check(ANAROS_KIND_GPU_PREFETCH, 0, one);
}

static void computed(float *x, float *y)
{
	void *kernel = cl_kernel(&cl);
	size_t items = 8;

	for (unsigned int i = 0; i < items; i++)
		x[i] = (float)i;
	OK(CL(cl.library, clSetKernelArgSVMPointer, void *, unsigned int, void *)(kernel, 0, x));
	OK(CL(cl.library, clSetKernelArgSVMPointer, void *, unsigned int, void *)(kernel, 1, y));
	OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *, size_t *,
	      void *, WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, NONE));
	check(ANAROS_KIND_GPU_LAUNCH, items, kernel);
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	for (unsigned int i = 0; i < items; i++)
		CHECK(y[i] == x[i] + 1);
}

static void frees(void *queue, unsigned int count, void **pointers, void *data)
{
	(void)queue;
	for (unsigned int i = 0; i < count; i++)
		CL(cl.library, clSVMFree, void *, void *)(cl.context, pointers[i]);
	*(unsigned int *)data = count;
}

/* By the call, in a queue, and in a queue by a function of the program's. */
static void all_freed(void *one, void *other)
{
	void *pointers[] = {other, allocated(0)}, *last = allocated(FINE);
	uint64_t before = count_of(ANAROS_KIND_GPU_FREE);
	unsigned int called = 0;

	CL(cl.library, clSVMFree, void *, void *)(cl.context, NULL);
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_FREE), before);
	CL(cl.library, clSVMFree, void *, void *)(cl.context, one);
	freed(one);
	OK(CL(cl.library, clEnqueueSVMFree, void *, unsigned int, void **, void *, void *,
	      WAITS)(cl.queue, 2, pointers, NULL, NULL, NONE));
	freed(pointers[1]);
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_FREE), before + 3);
	OK(CL(cl.library, clEnqueueSVMFree, void *, unsigned int, void **, void *, void *,
	      WAITS)(cl.queue, 1, &last, frees, &called, NONE));
	freed(last);
	CHECK_EQUAL(called, 1);
}

int main(void)
{
	void *one, *other;

	begin();
	one = allocated(0);
	other = allocated(FINE);
	coarse(one, other);
	migrated(one, other);
	computed(one, other);
	all_freed(one, other);
	CHECK_EQUAL(count_of(ANAROS_KIND_GPU_ALLOC), sim_calls(cl.driver, "clSVMAlloc"));
	ran(1, 6);
	return 0;
}
