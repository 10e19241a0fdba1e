// SPDX-License-Identifier: Apache-2.0
/* The clock of the records: not CLOCK_MONOTONIC, and not quite as fast. */
#include <stdlib.h>
#include <time.h>

#include "cupti.h"

static uint64_t (*callback)(void);
static int64_t callback_offset_ns;
static int64_t offset_ns;
static double drift;
static uint64_t begin_ns;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void read_environment(void)
{
	const char *offset = getenv("ANAROS_SIM_CUPTI_OFFSET_NS");
	const char *ppm = getenv("ANAROS_SIM_CUPTI_DRIFT_PPM");

	begin_ns = read_clock(CLOCK_MONOTONIC);
	offset_ns = offset != NULL ? strtoll(offset, NULL, 10)
				   : (int64_t)(read_clock(CLOCK_REALTIME) - begin_ns);
	drift = ppm != NULL ? strtod(ppm, NULL) / 1e6 : 0.0;
}

uint64_t cupti_time_ns(uint64_t monotonic_ns)
{
	int64_t gone_ns;

	pthread_once(&once, read_environment);
	if (callback != NULL)
		return monotonic_ns + (uint64_t)callback_offset_ns;
	/* The drift begins when the library does. */
	gone_ns = (int64_t)(monotonic_ns - begin_ns);
	return monotonic_ns + (uint64_t)(offset_ns + (int64_t)((double)gone_ns * drift));
}

uint64_t cupti_now_ns(void)
{
	return callback != NULL ? callback() : cupti_time_ns(read_clock(CLOCK_MONOTONIC));
}

CUPTI_EXPORT int cuptiGetTimestamp(uint64_t *timestamp);
CUPTI_EXPORT int cuptiGetTimestamp(uint64_t *timestamp)
{
	if (timestamp == NULL)
		return CUPTI_INVALID_PARAMETER;
	*timestamp = cupti_now_ns();
	return CUPTI_OK;
}

/* From now on the records keep the caller's time. */
CUPTI_EXPORT int cuptiActivityRegisterTimestampCallback(uint64_t (*clock)(void));
CUPTI_EXPORT int cuptiActivityRegisterTimestampCallback(uint64_t (*clock)(void))
{
	if (clock != NULL)
		callback_offset_ns = (int64_t)(clock() - read_clock(CLOCK_MONOTONIC));
	callback = clock;
	return CUPTI_OK;
}
