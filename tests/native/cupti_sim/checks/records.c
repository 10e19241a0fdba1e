// SPDX-License-Identifier: Apache-2.0
/* Records and callbacks while many threads launch, and the end in the middle. */
#include <pthread.h>
#include <stdatomic.h>

#include "checks/check.h"

#define THREADS  4
#define LAUNCHES 200
#define BUFFER   2048

enum { KIND_DRIVER = 4, KIND_CONCURRENT_KERNEL = 10, DOMAIN_DRIVER = 1, CBID_LAUNCH = 307 };

extern int cuptiSubscribe(void **subscriber, void (*call)(void *, int, uint32_t, const void *),
			  void *data);
extern int cuptiUnsubscribe(void *subscriber);
extern int cuptiEnableCallback(uint32_t enable, void *subscriber, int domain, uint32_t id);
extern int cuptiActivityRegisterCallbacks(void (*request)(uint8_t **, size_t *, size_t *),
					  void (*complete)(void *, uint32_t, uint8_t *, size_t,
							   size_t));
extern int cuptiActivityEnable(int kind);
extern int cuptiActivityFlushAll(uint32_t flag);
extern int cuptiActivityFlushPeriod(uint32_t milliseconds);
extern int cuptiActivityGetNextRecord(uint8_t *buffer, size_t valid, uint8_t **record);
extern int cuptiFinalize(void);

static void *context, *module;
static atomic_int kernels, others, buffers, entered, left;

static void request(uint8_t **buffer, size_t *bytes, size_t *most)
{
	*buffer = malloc(BUFFER);
	*bytes = BUFFER;
	*most = 0;
	atomic_fetch_add(&buffers, 1);
}

static void complete(void *unused, uint32_t stream, uint8_t *buffer, size_t bytes, size_t valid)
{
	uint8_t *record = NULL;

	(void)unused;
	(void)stream;
	EQUAL(bytes, BUFFER);
	while (cuptiActivityGetNextRecord(buffer, valid, &record) == 0) {
		uint32_t kind;

		memcpy(&kind, record, sizeof(kind));
		atomic_fetch_add(kind == KIND_CONCURRENT_KERNEL ? &kernels : &others, 1);
	}
	free(buffer);
	atomic_fetch_sub(&buffers, 1);
}

static void called(void *data, int domain, uint32_t id, const void *call)
{
	EQUAL(*(int *)data, 7);
	EQUAL(domain, DOMAIN_DRIVER);
	EQUAL(id, CBID_LAUNCH);
	atomic_fetch_add(*(const int *)call == 0 ? &entered : &left, 1);
}

static void *launch_all(void *unused)
{
	void *stream, *noop;

	(void)unused;
	OK(cuCtxSetCurrent(context));
	OK(cuStreamCreate(&stream, 1));
	noop = check_kernel(module, "noop");
	for (int i = 0; i < LAUNCHES; i++)
		check_launch(noop, stream, NULL);
	OK(cuStreamSynchronize(stream));
	OK(cuStreamDestroy_v2(stream));
	return NULL;
}

static void start(pthread_t threads[THREADS])
{
	for (int i = 0; i < THREADS; i++)
		EQUAL(pthread_create(&threads[i], NULL, launch_all, NULL), 0);
}

static void join(pthread_t threads[THREADS])
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	pthread_t threads[THREADS];
	static int seven = 7;
	void *subscriber;
	int until_the_end;

	module = check_start();
	OK(cuDevicePrimaryCtxRetain(&context, 0));
	OK(cuptiActivityRegisterCallbacks(request, complete));
	OK(cuptiSubscribe(&subscriber, called, &seven));
	OK(cuptiEnableCallback(1, subscriber, DOMAIN_DRIVER, CBID_LAUNCH));
	OK(cuptiActivityEnable(KIND_CONCURRENT_KERNEL));
	OK(cuptiActivityEnable(KIND_DRIVER));
	OK(cuptiActivityFlushPeriod(5));
	start(threads);
	join(threads);
	OK(cuptiActivityFlushAll(1));
	EQUAL(kernels, THREADS * LAUNCHES);
	EQUAL(entered, THREADS * LAUNCHES);
	EQUAL(left, THREADS * LAUNCHES);
	CHECK(others >= THREADS * LAUNCHES);
	/* The end comes while they launch: nothing is told after it. */
	start(threads);
	OK(cuptiFinalize());
	until_the_end = kernels;
	EQUAL(cuptiUnsubscribe(subscriber), 1);
	join(threads);
	OK(cuptiActivityFlushAll(1));
	CHECK(kernels <= until_the_end + THREADS); /* what was in a hand still */
	EQUAL(buffers, 0);
	return 0;
}
