// SPDX-License-Identifier: Apache-2.0
/* Description: copies 64 bytes to a device of the simulated CUDA driver, again and again. */
#define _GNU_SOURCE
#include "cuda.h"

#define BYTES 64

int main(int argc, char **argv)
{
	static const char source[BYTES];
	struct driver cuda;
	struct bench bench;
	uint64_t done = 0, memory;

	cuda_begin(&cuda);
	cuda_expect("cuMemAlloc", cuda.allocate(&memory, BYTES));
	bench_start(&bench, argc, argv);
	while (done < bench.calls) {
		uint64_t start = bench_now_ns();

		for (uint64_t i = 0; i < bench.batch; i++)
			if (cuda.copy(memory, source, BYTES, NULL))
				bench_fail("cuMemcpyHtoDAsync");
		bench_sample(&bench, bench_now_ns() - start, bench.batch);
		cuda_expect("cuCtxSynchronize", cuda.synchronize());
		done += bench.batch;
		bench_pace(&bench, done);
	}
	bench_finish(&bench, done);
	return 0;
}
