// SPDX-License-Identifier: Apache-2.0
/*
 * Description: where another tool has the seat, where there is no CUPTI or one
 * that is not known, it is told once, by name, and the program goes on.
 */
#include "cupti_test.h"

#define CUDA_SIM "cuda_sim/build/libcuda.so.1"

static int work(struct harness *harness, const char *variable, const char *value,
		enum anaros_timing told, const char *cupti)
{
	void *driver, *kernel;

	cupti_ask(harness);
	if (cupti != NULL && strcmp(cupti, CUDA_SIM) == 0)
		cupti = realpath(CUDA_SIM, NULL);
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

/* `words` is what the reason begins with, or "*" and what it ends with. */
static const struct {
	const char *variable, *value;
	enum anaros_timing told;
	const char *cupti, *words;
} cases[] = {
    {"ANAROS_SIM_CUPTI_HOLDER", "Some Profiler", ANAROS_TIMING_SEAT_HELD, NULL, "Some Profiler"},
    {"ANAROS_SIM_CUPTI_VERSION", "18", ANAROS_TIMING_UNKNOWN_VERSION, NULL,
     "*/libcupti.so.13 is of version 18"}, /* CUDA 11.8 */
    {"ANAROS_SIM_CUPTI_VERSION", "140000", ANAROS_TIMING_UNKNOWN_VERSION, NULL,
     "*/libcupti.so.13 is of version 140000"},
    {NULL, NULL, ANAROS_TIMING_NO_LIBRARY, "/nowhere/libcupti.so.13",
     "ANAROS_CUPTI names /nowhere/libcupti.so.13: cannot be read"},
    {NULL, NULL, ANAROS_TIMING_NO_LIBRARY, "libcupti.so.13",
     "ANAROS_CUPTI names libcupti.so.13: is not an absolute path"},
    {NULL, NULL, ANAROS_TIMING_NO_LIBRARY, "/proc/self/status",
     "ANAROS_CUPTI names /proc/self/status: "},
    /* It loads, and is none. */
    {NULL, NULL, ANAROS_TIMING_NO_LIBRARY, CUDA_SIM,
     "*/libcuda.so.1 is not CUPTI: it has no cuptiGetVersion"},
};

static bool said[sizeof(cases) / sizeof(*cases)];

static bool matches(const char *text, size_t bytes, const char *words)
{
	size_t wanted = strlen(words + (words[0] == '*'));

	if (bytes < wanted)
		return false;
	return words[0] == '*' ? memcmp(text + bytes - wanted, words + 1, wanted) == 0
			       : memcmp(text, words, wanted) == 0;
}

static void look(const struct anaros_record *record, void *unused)
{
	(void)unused;
	if (record->kind != ANAROS_KIND_META_NAME || record->status != ANAROS_NAME_REASON)
		return;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		said[i] |= matches((const char *)(record + 1), record->size_bytes, cases[i].words);
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
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		CHECK(said[i]);
	CHECK_EQUAL(harness.shared->device_timers, 0);
	CHECK_EQUAL(harness.shared->device_timers_off, sizeof(cases) / sizeof(*cases));
	return 0;
}
