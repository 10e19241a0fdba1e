// SPDX-License-Identifier: Apache-2.0
/*
 * Description: unified shared memory tells whose it is: the device's, the
 * host's or both sides'; it is copied, filled, migrated and freed by address.
 */
#include "calls.h"

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

static void unified_memory(void)
{
	void *device = usm("clDeviceMemAllocINTEL", ANAROS_MEMORY_DEVICE);
	void *shared = usm("clSharedMemAllocINTEL", ANAROS_MEMORY_MANAGED);
	void *host;
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
}

int main(void)
{
	begin();
	unified_memory();
	ran(0, 3);
	return 0;
}
