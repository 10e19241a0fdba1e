// SPDX-License-Identifier: Apache-2.0
/*
 * What the shim adds to one cuLaunchKernel of an empty kernel, in ns:
 *
 *	record libanaros.so launch_bench [BATCHES]
 *
 * prints the medians "bare wrapped added". Batches of bare and wrapped calls
 * take turns in one process, so that both meet the same machine. Full chunks
 * are set free as the drain does; else the cost of first touches is measured.
 */
#include "harness.h"

#include <dlfcn.h>
#include <time.h>

#define BATCH 1000

typedef int (*launch_function)(void *, unsigned int, unsigned int, unsigned int, unsigned int,
			       unsigned int, unsigned int, unsigned int, void *, void **, void **);

static void *kernel, *stream;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double batch_ns(launch_function launch)
{
	uint64_t start_ns = now_ns();

	for (int i = 0; i < BATCH; i++)
		CHECK_EQUAL(launch(kernel, 1, 1, 1, 32, 1, 1, 0, stream, NULL, NULL), 0);
	return (double)(now_ns() - start_ns) / BATCH;
}

static void set_free(const struct harness *harness)
{
	for (uint32_t i = 0; i < harness->control->chunk_count; i++) {
		struct anaros_chunk_header *header = &harness->chunks[i].header;

		if (harness->owners[i] == 0 || !__atomic_load_n(&header->sealed, __ATOMIC_ACQUIRE))
			continue;
		header->committed = header->drained = header->sealed = 0;
		__atomic_store_n(&harness->owners[i], 0, __ATOMIC_RELEASE);
		__atomic_fetch_sub(&harness->shared->chunks_in_use, 1, __ATOMIC_RELAXED);
	}
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), ascending);
	return values[count / 2];
}

static void *function(void *(*find)(void *, const char *), void *driver, const char *name)
{
	void *found = find(driver, name);

	CHECK(found != NULL);
	return found;
}

/* dlsym without the shim: it interposes no dlvsym. */
static void *(*bare_dlsym(void))(void *, const char *)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	void *(*find)(void *, const char *);

	*(void **)&find = dlvsym(libc, "dlsym", "GLIBC_2.34");
	if (find == NULL)
		harness_skip("this C library has no dlsym of its own");
	return find;
}

int main(int argc, char **argv)
{
	int batches = argc > 1 ? atoi(argv[1]) : 400;
	struct harness harness = harness_open();
	double bare_ns[batches], wrapped_ns[batches], added_ns[batches];
	void *(*find)(void *, const char *) = bare_dlsym();
	launch_function bare, wrapped;
	void *driver, *context, *module;

	setenv("ANAROS_SIM_INLINE", "1", 1);
	setenv("ANAROS_SIM_SPEED", "0", 1);
	driver = dlopen(argc > 2 ? argv[2] : "libcuda.so.1", RTLD_NOW);
	if (driver == NULL)
		harness_skip("the simulated driver is not on the library path");
	CHECK(!((int (*)(unsigned int))function(find, driver, "cuInit"))(0));
	CHECK(!((int (*)(void **, int))function(find, driver, "cuDevicePrimaryCtxRetain"))(&context,
											   0));
	CHECK(!((int (*)(void *))function(find, driver, "cuCtxSetCurrent"))(context));
	CHECK(!((int (*)(void **, const char *))function(find, driver, "cuModuleLoadData"))(
	    &module, "anaros-sim-image\n"));
	CHECK(!((int (*)(void **, void *, const char *))function(
	    find, driver, "cuModuleGetFunction"))(&kernel, module, "noop"));
	CHECK(!((int (*)(void **, unsigned int))function(find, driver, "cuStreamCreate"))(&stream,
											  1));
	bare = (launch_function)function(find, driver, "cuLaunchKernel");
	wrapped = (launch_function)function(dlsym, driver, "cuLaunchKernel");
	CHECK(bare != wrapped);
	for (int i = -20; i < batches; i++) {
		int at = i < 0 ? 0 : i;

		/* Each goes first half of the time. */
		if (i % 2 == 0)
			bare_ns[at] = batch_ns(bare);
		wrapped_ns[at] = batch_ns(wrapped);
		if (i % 2 != 0)
			bare_ns[at] = batch_ns(bare);
		added_ns[at] = wrapped_ns[at] - bare_ns[at];
		set_free(&harness);
	}
	CHECK_EQUAL(harness_drops(&harness), 0);
	printf("%.1f %.1f %.1f\n", median(bare_ns, batches), median(wrapped_ns, batches),
	       median(added_ns, batches));
	return 0;
}
