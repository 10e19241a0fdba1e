/* SPDX-License-Identifier: Apache-2.0 */
/* For the programs on device time: the simulated driver and the simulated CUPTI. */
#ifndef CUPTI_TEST_H
#define CUPTI_TEST_H

#include "cuda_test.h"

#include <time.h>

#define CUPTI_LIBRARY "cupti_sim/build/libcupti.so.13"

/* For what comes a moment later. */
#define CUPTI_WAIT(condition)                                                                      \
	do {                                                                                       \
		for (int wait_ = 0; wait_ < 6000 && !(condition); wait_++)                         \
			usleep(10000);                                                             \
		CHECK(condition);                                                                  \
	} while (0)

static inline uint64_t test_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* How often this process told such a thing of device time. */
static inline uint64_t cupti_told(const struct harness *harness, enum anaros_timing what)
{
	return harness_count(harness, (struct wanted){.pid = (uint32_t)getpid(),
						      .kind = ANAROS_KIND_GPU_TIMING,
						      .object = what});
}

static inline void cupti_ask(struct harness *harness)
{
	char *path = realpath(CUPTI_LIBRARY, NULL);

	if (path == NULL)
		harness_skip("the simulated CUPTI is not built");
	setenv("ANAROS_CUPTI", path, 1);
	free(path);
	harness->control->device_time = ANAROS_DEVICE_TIME_KERNEL;
}

/* Opens the driver and initialises it with device time on. */
static inline void *cupti_start(struct harness *harness)
{
	void *driver = cuda_open();

	cupti_ask(harness);
	OK(CUDA(driver, cuInit, unsigned int)(0));
	return driver;
}

#endif
