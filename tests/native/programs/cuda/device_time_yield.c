// SPDX-License-Identifier: Apache-2.0
/*
 * Description: another tool in the process that asks for CUPTI gets it, and
 * every record from then on; a child that was forked meanwhile has none of it;
 * when the recording ends CUPTI is left.
 */
#include "cupti_test.h"

typedef int (*subscribe)(void **, void (*)(void *, int, uint32_t, const void *), void *);

static void *driver, *kernel;

static void launch(void)
{
	OK(((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0, NULL,
							      NULL, NULL));
	OK(CUDA(driver, cuCtxSynchronize, void)());
}

static void start(struct harness *harness)
{
	driver = cupti_start(harness);
	cuda_start(driver);
	CHECK_EQUAL(cupti_told(harness, ANAROS_TIMING_ON), 1);
	kernel = cuda_kernel(driver, "noop");
	launch();
	CUPTI_WAIT(cuda_records(harness, ANAROS_KIND_GPU_EXECUTE) == 1);
}

/* The child only leaves, as one does that goes on to run another program. */
static void fork_and_leave(void)
{
	pid_t child = fork();

	if (child == 0)
		exit(3);
	CHECK_EQUAL(harness_wait(child), 3);
}

static void give_way(struct harness *harness)
{
	void *library, *seat, *second;

	start(harness);
	fork_and_leave();
	library = dlopen(getenv("ANAROS_CUPTI"), RTLD_NOW);
	CHECK(library != NULL);
	OK(((subscribe)cuda_symbol(library, "cuptiSubscribe"))(&seat, NULL, NULL));
	CHECK_EQUAL(cupti_told(harness, ANAROS_TIMING_GIVEN_UP), 1);
	/* It has the seat indeed, and ours does not come back. */
	CHECK_EQUAL(((subscribe)cuda_symbol(library, "cuptiSubscribe"))(&second, NULL, NULL), 39);
	launch();
	usleep(300000);
	CHECK_EQUAL(cuda_records(harness, ANAROS_KIND_GPU_EXECUTE), 1);
	CHECK_EQUAL(cupti_told(harness, ANAROS_TIMING_GIVEN_UP), 1);
	OK(CUDA(library, cuptiUnsubscribe, void *)(seat));
}

static void end_of_recording(struct harness *harness)
{
	void *library, *seat;

	start(harness);
	harness->control->device_time = ANAROS_DEVICE_TIME_QUEUE;
	CUPTI_WAIT(cupti_told(harness, ANAROS_TIMING_GIVEN_UP) == 1);
	launch(); /* on the way out of which CUPTI ends */
	usleep(300000);
	launch();
	CHECK_EQUAL(cuda_records(harness, ANAROS_KIND_GPU_EXECUTE), 1);
	library = dlopen(getenv("ANAROS_CUPTI"), RTLD_NOW);
	OK(((subscribe)cuda_symbol(library, "cuptiSubscribe"))(&seat, NULL, NULL));
}

int main(void)
{
	void (*const cases[])(struct harness *) = {give_way, end_of_recording};
	struct harness harness = harness_open();

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		pid_t child = fork();

		if (child == 0) {
			cases[i](&harness);
			exit(0);
		}
		CHECK_EQUAL(harness_wait(child), 0);
	}
	return 0;
}
