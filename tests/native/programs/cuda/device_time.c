// SPDX-License-Identifier: Apache-2.0
/*
 * Description: with device time on, every kernel, copy and fill that ran is
 * told once, of the thread that made its call, between that call and the wait
 * for it, though the clock it comes from is off and of another speed.
 */
#include "cupti_test.h"

#include <pthread.h>
#include <time.h>

#define THREADS  3
#define LAUNCHES 200
#define COPIES   20
#define BYTES    4096

static void *driver, *context, *kernel;

static void *work(void *unused)
{
	char host[BYTES];
	uint64_t memory;
	void *stream;

	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&stream, 1));
	OK(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&memory, BYTES));
	for (int i = 0; i < LAUNCHES; i++)
		OK(((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 2, 1, 1, 4, 1, 1, 0,
								      stream, NULL, NULL));
	for (int i = 0; i < COPIES; i++) {
		OK(CUDA(driver, cuMemcpyHtoDAsync_v2, uint64_t, const void *, size_t,
			void *)(memory, host, BYTES, stream));
		OK(CUDA(driver, cuMemsetD8Async, uint64_t, unsigned char, size_t,
			void *)(memory, 1, BYTES, stream));
	}
	OK(CUDA(driver, cuStreamSynchronize, void *)(stream));
	return unused;
}

static struct span {
	uint64_t first_ns, last_ns, off_thread, wrong;
} span;

static void look(const struct anaros_record *record, void *context_)
{
	const struct harness *harness = context_;

	if (record->kind != ANAROS_KIND_GPU_EXECUTE)
		return;
	if (harness_count(harness,
			  (struct wanted){.kind = ANAROS_KIND_GPU_LAUNCH, .tid = record->tid}) == 0)
		span.off_thread++;
	if (record->context == 0 || record->size_bytes != 8 ||
	    (record->flags & ANAROS_FLAG_DEVICE_TIME) == 0)
		span.wrong++;
	if (span.first_ns == 0 || record->start_ns < span.first_ns)
		span.first_ns = record->start_ns;
	if (record->start_ns + record->duration_ns > span.last_ns)
		span.last_ns = record->start_ns + record->duration_ns;
}

int main(void)
{
	struct harness harness = harness_open();
	pthread_t threads[THREADS];
	uint64_t begin_ns, end_ns, residual_ns;

	setenv("ANAROS_SIM_CUPTI_OFFSET_NS", "-123456789012", 1);
	setenv("ANAROS_SIM_CUPTI_DRIFT_PPM", "150", 1);
	driver = cupti_start(&harness);
	CHECK_EQUAL(cupti_told(&harness, ANAROS_TIMING_ON), 1);
	OK(CUDA(driver, cuDevicePrimaryCtxRetain, void **, int)(&context, 0));
	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	kernel = cuda_kernel(driver, "noop");
	usleep(300000); /* the clock's line is drawn */
	begin_ns = test_now_ns();
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, work, NULL));
	for (int i = 0; i < THREADS; i++)
		OK(pthread_join(threads[i], NULL));
	end_ns = test_now_ns();
	CUPTI_WAIT(cuda_records(&harness, ANAROS_KIND_GPU_EXECUTE) == THREADS * LAUNCHES);
	CUPTI_WAIT(cuda_records(&harness, ANAROS_KIND_GPU_TRANSFER) == 2 * THREADS * COPIES);
	harness_each(&harness, look, &harness);
	residual_ns = harness.shared->device_clock_residual_ns;
	CHECK(residual_ns != 0);
	CHECK(residual_ns < 5000000);
	CHECK_EQUAL(span.off_thread, 0);
	CHECK_EQUAL(span.wrong, 0);
	CHECK(span.first_ns + residual_ns >= begin_ns);
	CHECK(span.last_ns <= end_ns + residual_ns);
	CHECK_EQUAL(harness.shared->device_times_lost, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
