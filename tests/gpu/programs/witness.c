// SPDX-License-Identifier: Apache-2.0
/*
 * A witness of its own: counts what CUPTI tells of the device, and nothing of
 * ours takes part. The driver loads it (CUDA_INJECTION64_PATH); over the
 * simulated driver, which loads nothing, it is preloaded and WITNESS_PRELOADED
 * is set. The counts go to the file WITNESS_OUTPUT when the process ends.
 *
 * Of a record only its first 16 bytes are read: kind, and of copies and fills
 * the size. They are the same in every version of CUPTI.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES (1u << 20)

enum { COPY = 1, FILL = 2, KERNEL = 3, CONCURRENT_KERNEL = 10, COPY_BETWEEN = 22 };

static struct {
	int (*enable)(int kind);
	int (*callbacks)(void (*)(uint8_t **, size_t *, size_t *),
			 void (*)(void *, uint32_t, uint8_t *, size_t, size_t));
	int (*next)(uint8_t *buffer, size_t bytes, uint8_t **record);
	int (*flush)(uint32_t flags);
	int (*lost)(void *context, uint32_t stream, size_t *count);
} cupti;

static uint64_t kernels, copies, copy_bytes, fills, dropped;
static int failed;

static void give(uint8_t **buffer, size_t *bytes, size_t *records)
{
	*buffer = aligned_alloc(8, BUFFER_BYTES);
	*bytes = *buffer != NULL ? BUFFER_BYTES : 0;
	*records = 0;
}

static void count(const uint8_t *record)
{
	uint32_t kind;
	uint64_t bytes;

	memcpy(&kind, record, sizeof(kind));
	memcpy(&bytes, record + 8, sizeof(bytes));
	if (kind == KERNEL || kind == CONCURRENT_KERNEL)
		__atomic_fetch_add(&kernels, 1, __ATOMIC_RELAXED);
	if (kind == FILL)
		__atomic_fetch_add(&fills, 1, __ATOMIC_RELAXED);
	if (kind != COPY && kind != COPY_BETWEEN)
		return;
	__atomic_fetch_add(&copies, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&copy_bytes, bytes, __ATOMIC_RELAXED);
}

static void take(void *context, uint32_t stream, uint8_t *buffer, size_t bytes, size_t valid)
{
	uint8_t *record = NULL;
	size_t lost = 0;

	while (cupti.next(buffer, valid, &record) == 0)
		count(record);
	if (cupti.lost(context, stream, &lost) == 0)
		__atomic_fetch_add(&dropped, lost, __ATOMIC_RELAXED);
	free(buffer);
	(void)bytes;
}

static void tell(void)
{
	const char *path = getenv("WITNESS_OUTPUT");
	FILE *file;

	cupti.flush(1);
	if (path == NULL || (kernels | copies | fills) == 0)
		return; /* a process that does not use the device says nothing */
	file = fopen(path, "we");
	if (file == NULL)
		return;
	fprintf(file,
		"{\"kernels\": %llu, \"copies\": %llu, \"copy_bytes\": %llu, \"fills\": %llu, "
		"\"dropped\": %llu, \"failed\": %d}\n",
		(unsigned long long)kernels, (unsigned long long)copies,
		(unsigned long long)copy_bytes, (unsigned long long)fills,
		(unsigned long long)dropped, failed);
	fclose(file);
}

int InitializeInjection(void);
__attribute__((visibility("default"))) int InitializeInjection(void)
{
	static const int kinds[] = {COPY, FILL, CONCURRENT_KERNEL, COPY_BETWEEN};
	const char *path = getenv("WITNESS_CUPTI");
	void *library = dlopen(path != NULL ? path : "libcupti.so", RTLD_NOW);

	if (library == NULL) {
		fprintf(stderr, "witness: %s\n", dlerror());
		return 0;
	}
	*(void **)&cupti.enable = dlsym(library, "cuptiActivityEnable");
	*(void **)&cupti.callbacks = dlsym(library, "cuptiActivityRegisterCallbacks");
	*(void **)&cupti.next = dlsym(library, "cuptiActivityGetNextRecord");
	*(void **)&cupti.flush = dlsym(library, "cuptiActivityFlushAll");
	*(void **)&cupti.lost = dlsym(library, "cuptiActivityGetNumDroppedRecords");
	if (cupti.enable == NULL || cupti.callbacks == NULL || cupti.next == NULL ||
	    cupti.flush == NULL || cupti.lost == NULL)
		return 0;
	failed |= cupti.callbacks(give, take);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		failed |= cupti.enable(kinds[i]);
	atexit(tell);
	return 1;
}

__attribute__((constructor)) static void preloaded(void)
{
	if (getenv("WITNESS_PRELOADED") != NULL)
		InitializeInjection();
}
