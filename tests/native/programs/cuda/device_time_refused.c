// SPDX-License-Identifier: Apache-2.0
/*
 * Description: where another tool has the seat, where there is no CUPTI or one
 * that is not known, it is told once, by name, and the program goes on.
 */
#include "cupti_test.h"

static int work(struct harness *harness, const char *variable, const char *value,
		enum anaros_timing told, const char *cupti)
{
	void *driver, *kernel;

	cupti_ask(harness);
	if (cupti != NULL)
		setenv("ANAROS_CUPTI", cupti, 1);
	if (variable != NULL)
		setenv(variable, value, 1);
	driver = cuda_open();
	cuda_start(driver);
	kernel = cuda_kernel(driver, "noop");
	CHECK_EQUAL(cupti_told(harness, told), 1);
	OK(((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0, NULL,
							      NULL, NULL));
	OK(CUDA(driver, cuCtxSynchronize, void)());
	CHECK_EQUAL(cuda_records(harness, ANAROS_KIND_GPU_EXECUTE), 0);
	CHECK_EQUAL(harness_count(harness, (struct wanted){.pid = (uint32_t)getpid(),
							   .kind = ANAROS_KIND_GPU_LAUNCH}),
		    1);
	return 0;
}

static const struct {
	const char *variable, *value;
	enum anaros_timing told;
	const char *cupti;
} cases[] = {
    {"ANAROS_SIM_CUPTI_HOLDER", "Some Profiler", ANAROS_TIMING_SEAT_HELD, NULL},
    {"ANAROS_SIM_CUPTI_VERSION", "18", ANAROS_TIMING_UNKNOWN_VERSION, NULL}, /* CUDA 11.8 */
    {"ANAROS_SIM_CUPTI_VERSION", "140000", ANAROS_TIMING_UNKNOWN_VERSION, NULL},
    {NULL, NULL, ANAROS_TIMING_NO_LIBRARY, "/nowhere/libcupti.so.13"},
    /* It loads, and is none. */
    {NULL, NULL, ANAROS_TIMING_NO_LIBRARY, "/proc/self/exe"},
};

static bool holder_named;

static void look(const struct anaros_record *record, void *unused)
{
	(void)unused;
	if (record->kind == ANAROS_KIND_META_NAME && record->status == ANAROS_NAME_REASON &&
	    memcmp(record + 1, "Some Profiler", 13) == 0)
		holder_named = true;
}

int main(void)
{
	struct harness harness = harness_open();

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(work(&harness, cases[i].variable, cases[i].value, cases[i].told,
				   cases[i].cupti));
		CHECK_EQUAL(harness_wait(child), 0);
	}
	harness_each(&harness, look, NULL);
	CHECK(holder_named);
	CHECK_EQUAL(harness.shared->device_timers, 0);
	CHECK_EQUAL(harness.shared->device_timers_off, sizeof(cases) / sizeof(*cases));
	return 0;
}
