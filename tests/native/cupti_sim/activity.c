// SPDX-License-Identifier: Apache-2.0
/*
 * Buffers: asked of the client, filled with records, and given back by a
 * thread of ours, as the real library does. A record that finds no buffer is
 * dropped and counted.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "cupti.h"

struct buffer {
	uint8_t *memory;
	size_t bytes, used, records, most_records;
};

static void (*request)(uint8_t **, size_t *, size_t *);
static void (*complete)(void *, uint32_t, uint8_t *, size_t, size_t);
static _Atomic uint64_t enabled; /* one bit for each kind */
static atomic_bool latency;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct buffer current, *full;
static size_t full_count, full_room;
static uint64_t handed_over, delivered;
static size_t dropped;
static bool running;
static uint32_t period_ms;

bool cupti_enabled(enum cupti_kind kind)
{
	return (atomic_load_explicit(&enabled, memory_order_relaxed) >> kind & 1) != 0;
}

bool cupti_latency(void)
{
	return atomic_load(&latency);
}

static void hand_over_locked(void)
{
	if (current.memory == NULL)
		return;
	if (full_count == full_room) {
		full_room = full_room != 0 ? 2 * full_room : 16;
		full = realloc(full, full_room * sizeof(*full));
	}
	full[full_count++] = current;
	handed_over++;
	memset(&current, 0, sizeof(current));
	pthread_cond_broadcast(&changed);
}

static void wait_locked(void)
{
	struct timespec until;

	if (period_ms == 0) {
		pthread_cond_wait(&changed, &lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(period_ms % 1000) * 1000000;
	until.tv_sec += period_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (pthread_cond_timedwait(&changed, &lock, &until) != 0 && current.used != 0)
		hand_over_locked();
}

static void *deliver(void *unused)
{
	(void)unused;
	prctl(PR_SET_NAME, "sim-cupti");
	pthread_mutex_lock(&lock);
	for (;;) {
		struct buffer buffer;

		if (full_count == 0) {
			wait_locked();
			continue;
		}
		buffer = full[0];
		memmove(full, full + 1, --full_count * sizeof(full[0]));
		pthread_mutex_unlock(&lock);
		complete(NULL, 0, buffer.memory, buffer.bytes, buffer.used);
		pthread_mutex_lock(&lock);
		delivered++;
		pthread_cond_broadcast(&changed);
	}
	return NULL;
}

static void start_locked(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (running)
		return;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	running = pthread_create(&thread, &attributes, deliver, NULL) == 0;
	pthread_attr_destroy(&attributes);
}

/* A buffer with room, asked for without the lock: the client may take its time. */
static bool room_locked(size_t bytes)
{
	struct buffer fresh = {0};

	if (current.memory != NULL && current.used + bytes <= current.bytes &&
	    (current.most_records == 0 || current.records < current.most_records))
		return true;
	hand_over_locked();
	if (request == NULL)
		return false;
	pthread_mutex_unlock(&lock);
	request(&fresh.memory, &fresh.bytes, &fresh.most_records);
	pthread_mutex_lock(&lock);
	if (fresh.memory == NULL || fresh.bytes < bytes)
		return false;
	hand_over_locked(); /* if another thread was faster, its buffer goes first */
	current = fresh;
	return true;
}

void cupti_put(const void *record, size_t bytes)
{
	pthread_mutex_lock(&lock);
	start_locked();
	if (room_locked(bytes)) {
		memcpy(current.memory + current.used, record, bytes);
		current.used += bytes;
		current.records++;
	} else {
		dropped++;
	}
	pthread_mutex_unlock(&lock);
}

/* All that there is, delivered before it returns. */
int cupti_flush(void)
{
	uint64_t until;

	pthread_mutex_lock(&lock);
	if (current.used != 0)
		hand_over_locked();
	until = handed_over;
	while (running && delivered < until)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return CUPTI_OK;
}

void cupti_stop_activity(void)
{
	atomic_store(&enabled, 0);
	cupti_flush();
}

CUPTI_EXPORT int cuptiActivityRegisterCallbacks(void (*on_request)(uint8_t **, size_t *, size_t *),
						void (*on_complete)(void *, uint32_t, uint8_t *,
								    size_t, size_t));
CUPTI_EXPORT int cuptiActivityRegisterCallbacks(void (*on_request)(uint8_t **, size_t *, size_t *),
						void (*on_complete)(void *, uint32_t, uint8_t *,
								    size_t, size_t))
{
	if (on_request == NULL || on_complete == NULL)
		return CUPTI_INVALID_PARAMETER;
	pthread_mutex_lock(&lock);
	request = on_request;
	complete = on_complete;
	pthread_mutex_unlock(&lock);
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiActivityEnable(int kind);
CUPTI_EXPORT int cuptiActivityEnable(int kind)
{
	if (kind <= 0 || kind >= KINDS)
		return CUPTI_INVALID_KIND;
	atomic_fetch_or(&enabled, (uint64_t)1 << kind);
	return cupti_attach();
}

CUPTI_EXPORT int cuptiActivityDisable(int kind);
CUPTI_EXPORT int cuptiActivityDisable(int kind)
{
	if (kind <= 0 || kind >= KINDS)
		return CUPTI_INVALID_KIND;
	atomic_fetch_and(&enabled, ~((uint64_t)1 << kind));
	return CUPTI_OK;
}

/* For those who come late: here nothing went before that could be told. */
CUPTI_EXPORT int cuptiActivityEnableAndDump(int kind);
CUPTI_EXPORT int cuptiActivityEnableAndDump(int kind)
{
	return cuptiActivityEnable(kind);
}

CUPTI_EXPORT int cuptiActivityEnableLatencyTimestamps(uint8_t enable);
CUPTI_EXPORT int cuptiActivityEnableLatencyTimestamps(uint8_t enable)
{
	atomic_store(&latency, enable != 0);
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiActivityFlushAll(uint32_t flag);
CUPTI_EXPORT int cuptiActivityFlushAll(uint32_t flag)
{
	return flag > 1 ? CUPTI_INVALID_PARAMETER : cupti_flush();
}

CUPTI_EXPORT int cuptiActivityFlushPeriod(uint32_t milliseconds);
CUPTI_EXPORT int cuptiActivityFlushPeriod(uint32_t milliseconds)
{
	pthread_mutex_lock(&lock);
	period_ms = milliseconds;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiActivityGetNumDroppedRecords(void *context, uint32_t stream, size_t *count);
CUPTI_EXPORT int cuptiActivityGetNumDroppedRecords(void *context, uint32_t stream, size_t *count)
{
	(void)context;
	(void)stream;
	if (count == NULL)
		return CUPTI_INVALID_PARAMETER;
	pthread_mutex_lock(&lock);
	*count = dropped;
	dropped = 0; /* told once */
	pthread_mutex_unlock(&lock);
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiActivityGetNextRecord(uint8_t *buffer, size_t valid, uint8_t **record);
CUPTI_EXPORT int cuptiActivityGetNextRecord(uint8_t *buffer, size_t valid, uint8_t **record)
{
	uint8_t *next = buffer;
	uint32_t kind;

	if (buffer == NULL || record == NULL)
		return CUPTI_INVALID_PARAMETER;
	if (*record != NULL) {
		memcpy(&kind, *record, sizeof(kind));
		next = *record + cupti_record_bytes(kind);
	}
	if (next >= buffer + valid)
		return CUPTI_LIMIT_REACHED;
	memcpy(&kind, next, sizeof(kind));
	if (cupti_record_bytes(kind) == 0)
		return CUPTI_INVALID_KIND;
	*record = next;
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiActivityGetStructSize(int kind, uint32_t version, size_t *bytes);
CUPTI_EXPORT int cuptiActivityGetStructSize(int kind, uint32_t version, size_t *bytes)
{
	if (bytes == NULL)
		return CUPTI_INVALID_PARAMETER;
	if (version != 0 && version != cupti_version())
		return CUPTI_NOT_SUPPORTED;
	*bytes = cupti_record_bytes(kind);
	return *bytes != 0 ? CUPTI_OK : CUPTI_INVALID_KIND;
}

/* Settings of the real device buffers: taken, and without effect. */
CUPTI_EXPORT int cuptiActivitySetAttribute(int attribute, size_t *bytes, void *value);
CUPTI_EXPORT int cuptiActivitySetAttribute(int attribute, size_t *bytes, void *value)
{
	return attribute < 0 || bytes == NULL || value == NULL ? CUPTI_INVALID_PARAMETER : CUPTI_OK;
}

CUPTI_EXPORT int cuptiActivityConfigureUnifiedMemoryCounter(void *config, uint32_t count);
CUPTI_EXPORT int cuptiActivityConfigureUnifiedMemoryCounter(void *config, uint32_t count)
{
	return config == NULL || count == 0 ? CUPTI_INVALID_PARAMETER : CUPTI_OK;
}
