// SPDX-License-Identifier: Apache-2.0
/*
 * Description: eight threads launch an empty kernel on the simulated CUDA
 * driver, each on a stream of its own. Where there are more threads than
 * processors the time of a call is mostly that of others: what counts is the
 * processor time of the thread itself, in its fastest batch. The number is the
 * mean of the threads'.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "cuda.h"

#define THREADS 8

static struct driver cuda;
static struct bench benches[THREADS];

static uint64_t own_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *work(void *mine)
{
	struct bench *bench = mine;
	void *stream;
	uint64_t done = 0;

	cuda_expect("cuCtxSetCurrent", cuda.set_current(cuda.context));
	cuda_expect("cuStreamCreate", cuda.create_stream(&stream, 1));
	while (done < bench->calls) {
		uint64_t start = own_ns();

		cuda_launch_batch(&cuda, bench->batch, stream);
		bench_sample(bench, own_ns() - start, bench->batch);
		done += bench->batch;
		bench_pace(bench, done);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	struct bench all;

	cuda_begin(&cuda);
	bench_start(&all, argc, argv);
	for (int i = 0; i < THREADS; i++) {
		benches[i] = all;
		benches[i].calls = all.calls / THREADS;
		cuda_expect("pthread_create", pthread_create(&threads[i], NULL, work, &benches[i]));
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		all.fastest_ns += benches[i].fastest_ns / THREADS;
	}
	bench_finish(&all, all.calls);
	return 0;
}
