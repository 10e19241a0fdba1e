// SPDX-License-Identifier: Apache-2.0
/*
 * Description: an OpenCL library is unloaded when the program says so, and one
 * that is loaded after it, elsewhere or in its place, is called and recorded
 * as the first was, more often than the shim could keep libraries.
 */
#include "opencl_test.h"

#include <fcntl.h>
#include <link.h>

#define ITEMS  64u
#define TIMES  3u
#define ROUNDS 12u

static struct harness harness;

/* What one library has: a program's part that is linked with a loader, and that one's driver. */
struct copy {
	char folder[32];
	char program[64], loader[64], driver[64];
};

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	long count;
	int source = open(from, O_RDONLY | O_CLOEXEC);
	int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);

	if (source < 0)
		harness_skip("the simulated OpenCL is not built");
	CHECK(target >= 0);
	while ((count = read(source, bytes, sizeof(bytes))) > 0)
		CHECK_EQUAL(write(target, bytes, (size_t)count), count);
	close(source);
	close(target);
}

static struct copy make_copy(void)
{
	struct copy copy = {.folder = "/tmp/anaros-opencl-XXXXXX"};

	CHECK(mkdtemp(copy.folder) != NULL);
	snprintf(copy.program, sizeof(copy.program), "%s/direct.so", copy.folder);
	snprintf(copy.loader, sizeof(copy.loader), "%s/libOpenCL.so.1", copy.folder);
	snprintf(copy.driver, sizeof(copy.driver), "%s/libsimcl.so", copy.folder);
	copy_file(SIM "direct.so", copy.program);
	copy_file(SIM_LOADER, copy.loader);
	copy_file(SIM_FULL, copy.driver);
	return copy;
}

static void remove_copy(const struct copy *copy)
{
	unlink(copy->program);
	unlink(copy->loader);
	unlink(copy->driver);
	rmdir(copy->folder);
}

static bool is_loaded(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);

	if (handle != NULL)
		OK(dlclose(handle));
	return handle != NULL;
}

static struct link_map map_of(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	struct link_map *map;

	CHECK(handle != NULL && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0);
	OK(dlclose(handle));
	return *map;
}

/* Keeps the place that a library had, so that the next one lies elsewhere. */
static void take_the_place(const struct link_map *map)
{
	char *start = (char *)map->l_addr;

	for (int page = 0; page < 64; page++)
		mmap(start + page * 4096l, 4096, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

/* Functions that the program's part calls by their names. */
static void by_name(bool elsewhere)
{
	uint64_t before = calls_of(&harness, ANAROS_KIND_GPU_LAUNCH).count;

	for (uint64_t round = 1; round <= ROUNDS; round++) {
		struct copy copy = make_copy();
		void *program = dlopen(copy.program, RTLD_NOW | RTLD_LOCAL);
		struct link_map loader;
		float x[ITEMS] = {1, 2, 3}, y[ITEMS];
		int (*direct)(const float *, float *, size_t, unsigned int);

		CHECK(program != NULL);
		loader = map_of(copy.loader);
		*(void **)&direct = dlsym(program, "direct");
		OK(direct(x, y, ITEMS, TIMES));
		CHECK(y[0] == 2 && y[1] == 3 && y[2] == 4 && y[3] == 1);
		CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_LAUNCH).count,
			    before + TIMES * round);
		OK(dlclose(program));
		CHECK(!is_loaded(copy.program));
		CHECK(!is_loaded(copy.loader));
		if (elsewhere)
			take_the_place(&loader);
		remove_copy(&copy);
	}
}

/* A driver whose functions are asked for, with a queue that is never released. */
static void by_address(bool elsewhere)
{
	uint64_t before = calls_of(&harness, ANAROS_KIND_GPU_LAUNCH).count;

	for (uint64_t round = 1; round <= ROUNDS; round++) {
		struct copy copy = make_copy();
		struct cl cl = cl_begin(copy.driver, 2 /* profiling */);
		void *kernel = cl_kernel(&cl);
		struct link_map driver = map_of(copy.driver);
		size_t items = ITEMS;

		for (unsigned int i = 0; i < TIMES; i++)
			OK(CL(cl.library, clEnqueueNDRangeKernel, void *, void *, unsigned int,
			      void *, size_t *, void *,
			      WAITS)(cl.queue, kernel, 1, NULL, &items, NULL, NONE));
		CHECK_EQUAL(sim_calls(cl.library, "clEnqueueNDRangeKernel"), TIMES);
		CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_LAUNCH).count,
			    before + TIMES * round);
		OK(dlclose(cl.library));
		CHECK(!is_loaded(copy.driver));
		if (elsewhere)
			take_the_place(&driver);
		remove_copy(&copy);
	}
}

int main(void)
{
	harness = harness_open();
	harness.control->device_time = ANAROS_DEVICE_TIME_QUEUE;
	by_name(true);
	by_name(false);
	by_address(true);
	by_address(false);
	/* Nobody can be asked for them any more. */
	CHECK_EQUAL(harness.shared->device_times_unread, 2 * ROUNDS * TIMES);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
