// SPDX-License-Identifier: Apache-2.0
/*
 * Description: launches an empty kernel on the simulated CUDA driver, again
 * and again. The driver is found at run time, as the CUDA runtime finds it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "bench.h"

struct driver {
	int (*init)(unsigned int flags);
	int (*retain)(void **context, int device);
	int (*set_current)(void *context);
	int (*load)(void **module, const void *image);
	int (*get_function)(void **function, void *module, const char *name);
	int (*launch)(void *function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
		      unsigned int block_x, unsigned int block_y, unsigned int block_z,
		      unsigned int shared_bytes, void *stream, void **params, void **extra);
	int (*synchronize)(void);
};

static void *find(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (!function) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return function;
}

static void expect(const char *call, int result)
{
	if (result) {
		fprintf(stderr, "%s returned %d\n", call, result);
		exit(1);
	}
}

static void open_driver(struct driver *cuda)
{
	void *library = dlopen("libcuda.so.1", RTLD_NOW);

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&cuda->init = find(library, "cuInit");
	*(void **)&cuda->retain = find(library, "cuDevicePrimaryCtxRetain");
	*(void **)&cuda->set_current = find(library, "cuCtxSetCurrent");
	*(void **)&cuda->load = find(library, "cuModuleLoadData");
	*(void **)&cuda->get_function = find(library, "cuModuleGetFunction");
	*(void **)&cuda->launch = find(library, "cuLaunchKernel");
	*(void **)&cuda->synchronize = find(library, "cuCtxSynchronize");
}

int main(int argc, char **argv)
{
	void *context, *module, *function;
	struct driver cuda;
	struct bench bench;
	uint64_t done = 0;

	open_driver(&cuda);
	expect("cuInit", cuda.init(0));
	expect("cuDevicePrimaryCtxRetain", cuda.retain(&context, 0));
	expect("cuCtxSetCurrent", cuda.set_current(context));
	expect("cuModuleLoadData", cuda.load(&module, "anaros-sim-image\n"));
	expect("cuModuleGetFunction", cuda.get_function(&function, module, "noop"));
	bench_start(&bench, argc, argv);
	while (done < bench.calls) {
		uint64_t start = bench_now_ns();

		for (uint64_t i = 0; i < bench.batch; i++)
			if (cuda.launch(function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL))
				bench_fail("cuLaunchKernel");
		bench_sample(&bench, bench_now_ns() - start, bench.batch);
		expect("cuCtxSynchronize", cuda.synchronize());
		done += bench.batch;
		bench_pace(&bench, done);
	}
	bench_finish(&bench, done);
	return 0;
}
