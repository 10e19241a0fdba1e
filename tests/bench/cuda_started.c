// SPDX-License-Identifier: Apache-2.0
/*
 * Description: says how long it took from its first instruction until a CUDA
 * runtime, which BENCH_CUDART names, is ready: the driver is opened, asked for
 * its 440 functions and initialised, and device 0 is chosen.
 */
#define _GNU_SOURCE
#include "cuda.h"

int main(void)
{
	uint64_t start_ns = bench_now_ns();
	const char *name = getenv("BENCH_CUDART");
	void *library = cuda_library(name ? name : "libcudart.so.13");
	int (*set_device)(int);

	*(void **)&set_device = cuda_find(library, "cudaSetDevice");
	cuda_expect("cudaSetDevice", set_device(0));
	printf("{\"ms\": %.4f}\n", (double)(bench_now_ns() - start_ns) / 1e6);
	return 0;
}
