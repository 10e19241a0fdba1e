// SPDX-License-Identifier: Apache-2.0
/*
 * Description: exit while a kernel runs, _exit, a device that fails, every
 * layout of the records and many more records than there is room for: the
 * program ends as it would, in time, and what ran is told or counted.
 */
#include "cupti_test.h"

#define BURST 20000u

static struct harness harness;
static void *driver, *kernel;

static void start(const char *name)
{
	driver = cuda_open();
	/* Only what is busy takes time. */
	if (strcmp(name, "busy") == 0)
		setenv("ANAROS_SIM_SPEED", "1", 1);
	cuda_start(driver);
	CHECK_EQUAL(cupti_told(&harness, ANAROS_TIMING_ON), 1);
	kernel = cuda_kernel(driver, name);
}

static int launch(uint64_t operations)
{
	void *arguments[] = {&operations};

	return ((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(
	    kernel, 1, 1, 1, 1, 1, 1, 0, NULL, operations != 0 ? arguments : NULL, NULL);
}

static void finish_early(void)
{
	start("noop");
	for (int i = 0; i < 100; i++)
		OK(launch(0));
	OK(CUDA(driver, cuCtxSynchronize, void)());
	exit(7);
}

static void within_a_kernel(void)
{
	start("busy");
	OK(launch(100000000000000ull));
	exit(8);
}

static void at_once(void)
{
	start("noop");
	OK(launch(0));
	_exit(9);
}

static void with_a_fault(void)
{
	setenv("ANAROS_SIM_FAULTS", "kernel@3=700", 1);
	start("noop");
	OK(launch(0));
	OK(launch(0));
	OK(CUDA(driver, cuCtxSynchronize, void)());
	CUPTI_WAIT(cuda_records(&harness, ANAROS_KIND_GPU_EXECUTE) == 2);
	launch(0);
	CHECK_EQUAL(CUDA(driver, cuCtxSynchronize, void)(), 700);
	CHECK_EQUAL(launch(0), 700);
	exit(10);
}

static void burst(void)
{
	uint64_t told;

	start("noop");
	for (uint32_t i = 0; i < BURST; i++)
		OK(launch(0));
	OK(CUDA(driver, cuCtxSynchronize, void)());
	for (int wait = 0; wait < 6000; wait++) {
		told = cuda_records(&harness, ANAROS_KIND_GPU_EXECUTE);
		if (told + harness.shared->device_times_lost >= BURST)
			break;
		usleep(10000);
	}
	CHECK(told + harness.shared->device_times_lost >= BURST);
	CHECK(told <= BURST);
	exit(11);
}

static void run(void (*program)(void), int code, const char *version, uint64_t told)
{
	uint64_t begin_ns = test_now_ns();
	pid_t child = fork();

	if (child == 0) {
		if (version != NULL)
			setenv("ANAROS_SIM_CUPTI_VERSION", version, 1);
		program();
	}
	CHECK_EQUAL(harness_wait(child), code);
	CHECK(test_now_ns() - begin_ns < 120000000000ull);
	if (told != UINT64_MAX)
		CHECK_EQUAL(
		    harness_count(&harness, (struct wanted){.pid = (uint32_t)child,
							    .kind = ANAROS_KIND_GPU_EXECUTE}),
		    told);
}

int main(void)
{
	static const char *const versions[] = {"19", "27", "28", "130000", "130500", "139900"};

	harness = harness_open();
	cupti_ask(&harness);
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		run(finish_early, 7, versions[i], 100);
	run(within_a_kernel, 8, NULL, 0);
	run(at_once, 9, NULL, UINT64_MAX);
	/* What failed ran until then. */
	run(with_a_fault, 10, NULL, 3);
	run(burst, 11, NULL, UINT64_MAX);
	return 0;
}
