// SPDX-License-Identifier: Apache-2.0
/* Description: launches an empty kernel on the simulated CUDA driver, again and again. */
#define _GNU_SOURCE
#include "cuda.h"

int main(int argc, char **argv)
{
	struct driver cuda;
	struct bench bench;
	uint64_t done = 0;

	cuda_begin(&cuda);
	bench_start(&bench, argc, argv);
	while (done < bench.calls) {
		uint64_t start = bench_now_ns();

		cuda_launch_batch(&cuda, bench.batch, NULL);
		bench_sample(&bench, bench_now_ns() - start, bench.batch);
		cuda_expect("cuCtxSynchronize", cuda.synchronize());
		done += bench.batch;
		bench_pace(&bench, done);
	}
	bench_finish(&bench, done);
	return 0;
}
