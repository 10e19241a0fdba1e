// SPDX-License-Identifier: Apache-2.0
/*
 * Description: times each launch of an empty kernel on the simulated CUDA
 * driver by itself, and tells the distribution. The clock is the processor's
 * counter where there is one, with a fence on either side: nothing of the call
 * is left when it is read. What the clock takes, the median of readings with
 * nothing between them by the same thread, is subtracted. A launch that was
 * interrupted is one of many: neither it nor a neighbour moves the median.
 *
 * usage: cuda_each_launch CALLS THREADS
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "cuda.h"

#define THREADS_MAX 64
/* Ticks that are told apart; what took longer counts as that long. */
#define TICKS 65536

struct distribution {
	uint64_t count[TICKS];
	uint64_t calls;
};

struct worker {
	pthread_t thread;
	uint64_t calls;
	double clock_ticks; /* the median of what a reading takes */
	struct distribution launches;
};

static struct driver cuda;
static struct worker workers[THREADS_MAX];
static struct distribution all;
static pthread_barrier_t begun;

static inline uint64_t ticks(void)
{
#ifdef __x86_64__
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#else
	return bench_now_ns();
#endif
}

static inline void took(struct distribution *found, uint64_t time)
{
	found->count[time < TICKS ? time : TICKS - 1]++;
	found->calls++;
}

/* The tick that a part of the calls does not exceed; of those in it, their share is meant. */
static double quantile(const struct distribution *found, double part)
{
	double wanted = part * (double)found->calls, so_far = 0;

	for (int tick = 0; tick < TICKS; tick++) {
		double here = (double)found->count[tick];

		if (here > 0 && so_far + here >= wanted)
			return tick + (wanted - so_far) / here;
		so_far += here;
	}
	return TICKS;
}

static double clock_ticks(void)
{
	static __thread struct distribution nothing;

	memset(&nothing, 0, sizeof(nothing));
	for (int i = 0; i < 100000; i++) {
		uint64_t start = ticks();

		took(&nothing, ticks() - start);
	}
	return quantile(&nothing, 0.5);
}

static void *work(void *mine)
{
	static const struct bench as_fast_as_it_goes;
	struct worker *worker = mine;
	void *stream;

	cuda_expect("cuCtxSetCurrent", cuda.set_current(cuda.context));
	cuda_expect("cuStreamCreate", cuda.create_stream(&stream, 1));
	worker->clock_ticks = clock_ticks();
	pthread_barrier_wait(&begun);
	while (worker->launches.calls < worker->calls) {
		for (int i = 0; i < BATCH; i++) {
			uint64_t start = ticks();

			if (cuda_launch(&cuda, stream))
				bench_fail("the launch of a kernel");
			took(&worker->launches, ticks() - start);
		}
		bench_pace(&as_fast_as_it_goes, 0);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t calls = argc > 1 ? strtoull(argv[1], NULL, 10) : 400000;
	int threads = argc > 2 ? atoi(argv[2]) : 1;
	uint64_t start_ns, start, elapsed_ns;
	double clock = 0, ns_per_tick;

	if (threads < 1 || threads > THREADS_MAX)
		bench_fail("the number of threads");
	cuda_begin(&cuda);
	bench_settle();
	pthread_barrier_init(&begun, NULL, (unsigned int)threads);
	start_ns = bench_now_ns();
	start = ticks();
	for (int i = 0; i < threads; i++) {
		workers[i].calls = calls / (uint64_t)threads;
		cuda_expect("pthread_create",
			    pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		clock += workers[i].clock_ticks / threads;
		all.calls += workers[i].launches.calls;
		for (int tick = 0; tick < TICKS; tick++)
			all.count[tick] += workers[i].launches.count[tick];
	}
	elapsed_ns = bench_now_ns() - start_ns;
	ns_per_tick = (double)elapsed_ns / (double)(ticks() - start);
	printf("{\"ns_per_call\": %.2f, \"p90_ns\": %.2f, \"p99_ns\": %.2f, \"clock_ns\": %.2f, "
	       "\"calls\": %llu, \"seconds\": %.6f}\n",
	       (quantile(&all, 0.5) - clock) * ns_per_tick,
	       (quantile(&all, 0.9) - clock) * ns_per_tick,
	       (quantile(&all, 0.99) - clock) * ns_per_tick, clock * ns_per_tick,
	       (unsigned long long)all.calls, (double)elapsed_ns / 1e9);
	return 0;
}
