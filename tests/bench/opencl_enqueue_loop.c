// SPDX-License-Identifier: Apache-2.0
/*
 * Description: enqueues a kernel to OpenCL, again and again. Built with
 * -DLIBRARY it is the OpenCL: one that takes a kernel and does nothing, for a
 * real one spends more on a lock that its worker holds than a record costs.
 * BENCH_OPENCL names it.
 */
#include <stddef.h>

#ifdef LIBRARY

/* What tells an OpenCL from other libraries. */
int clGetPlatformIDs(unsigned room, void **platforms, unsigned *count)
{
	(void)room, (void)platforms;
	*count = 0;
	return 0;
}

int clEnqueueNDRangeKernel(void *queue, void *kernel, unsigned dimensions, const size_t *offset,
			   const size_t *global, const size_t *local, unsigned waits,
			   const void *list, void *event)
{
	(void)queue, (void)kernel, (void)dimensions, (void)offset, (void)global, (void)local;
	(void)waits, (void)list, (void)event;
	return 0;
}

#else

#define _GNU_SOURCE
#include <dlfcn.h>

#include "bench.h"

typedef int (*enqueue_fn)(void *queue, void *kernel, unsigned dimensions, const size_t *offset,
			  const size_t *global, const size_t *local, unsigned waits,
			  const void *list, void *event);

int main(int argc, char **argv)
{
	const char *name = getenv("BENCH_OPENCL");
	void *library = dlopen(name ? name : "libOpenCL.so.1", RTLD_NOW);
	const size_t size = 64;
	enqueue_fn enqueue = NULL;
	int queue, kernel;
	struct bench bench;
	uint64_t done = 0;

	if (library)
		*(void **)&enqueue = dlsym(library, "clEnqueueNDRangeKernel");
	if (!enqueue) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	bench_start(&bench, argc, argv);
	while (done < bench.calls) {
		uint64_t start = bench_now_ns();

		for (uint64_t i = 0; i < bench.batch; i++)
			if (enqueue(&queue, &kernel, 1, NULL, &size, &size, 0, NULL, NULL))
				bench_fail("clEnqueueNDRangeKernel");
		bench_sample(&bench, bench_now_ns() - start, bench.batch);
		done += bench.batch;
		bench_pace(&bench, done);
	}
	bench_finish(&bench, done);
	return 0;
}

#endif
