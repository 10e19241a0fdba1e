// SPDX-License-Identifier: Apache-2.0
/*
 * CUPTI's clock against CLOCK_MONOTONIC: samples of both, and straight lines
 * between them. The residual is how far the last line was from the next
 * sample, and what the sample itself leaves open.
 */
#include <pthread.h>

#include "cupti/cupti.h"
#include "core/shim.h"

#define SAMPLES 128u
#define TRIES   8
/* Lines between samples that are closer tell more of the noise than of the speed. */
#define APART_NS 20000000u

struct sample {
	uint64_t device_ns;
	uint64_t host_ns;
};

static struct sample samples[SAMPLES];
static uint32_t sample_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Along the line through two samples; the speeds differ by parts in a million. */
static uint64_t along(const struct sample *one, const struct sample *other, uint64_t device_ns)
{
	int64_t gone = (int64_t)(device_ns - one->device_ns);
	int64_t run = (int64_t)(other->device_ns - one->device_ns);
	int64_t rise = (int64_t)(other->host_ns - one->host_ns);

	if (run == 0)
		return one->host_ns + (uint64_t)gone;
	return one->host_ns + (uint64_t)gone + (uint64_t)((__int128)gone * (rise - run) / run);
}

static uint64_t convert_locked(uint64_t device_ns)
{
	const struct sample *last;
	uint32_t high = sample_count;

	if (high == 0)
		return device_ns;
	/* From the latest: records come soon after their time. */
	while (high > 0 && samples[high - 1].device_ns > device_ns)
		high--;
	last = &samples[sample_count - 1];
	if (sample_count == 1)
		return along(last, last, device_ns);
	if (high == 0)
		return along(&samples[0], &samples[1], device_ns);
	if (high == sample_count)
		return along(&samples[sample_count - 2], last, device_ns);
	return along(&samples[high - 1], &samples[high], device_ns);
}

uint64_t anaros_cupti_time(uint64_t device_ns)
{
	uint64_t host_ns;

	pthread_mutex_lock(&lock);
	host_ns = convert_locked(device_ns);
	pthread_mutex_unlock(&lock);
	return host_ns;
}

/* The pair of readings that were closest to each other. */
static uint64_t read_both(struct sample *best)
{
	uint64_t width = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = anaros_vdso_ns(), device_ns, after;

		if (anaros_cupti.GetTimestamp(&device_ns) != 0)
			continue;
		after = anaros_vdso_ns();
		if (after - before >= width)
			continue;
		width = after - before;
		best->device_ns = device_ns;
		best->host_ns = before + width / 2;
	}
	return width;
}

static void publish(uint64_t residual_ns)
{
	uint64_t *most = &anaros_shared->device_clock_residual_ns;
	uint64_t seen = __atomic_load_n(most, __ATOMIC_RELAXED);

	while (seen < residual_ns &&
	       !__atomic_compare_exchange_n(most, &seen, residual_ns, true, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED))
		;
}

static void keep(const struct sample *sample)
{
	if (sample_count == SAMPLES) {
		sample_count = SAMPLES / 2;
		for (uint32_t i = 0; i < sample_count; i++)
			samples[i] = samples[i + SAMPLES / 2];
	}
	samples[sample_count++] = *sample;
}

void anaros_cupti_sample_clock(void)
{
	struct sample sample;
	uint64_t width, off = 0;

	pthread_mutex_lock(&lock);
	width = read_both(&sample);
	if (width == UINT64_MAX ||
	    (sample_count != 0 &&
	     sample.device_ns - samples[sample_count - 1].device_ns < APART_NS))
		goto out;
	if (sample_count >= 2) {
		int64_t error = (int64_t)(convert_locked(sample.device_ns) - sample.host_ns);

		off = (uint64_t)(error < 0 ? -error : error);
	}
	keep(&sample);
	publish(off + width / 2);
out:
	pthread_mutex_unlock(&lock);
}
