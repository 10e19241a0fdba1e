// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program of the driver's interface, which it reaches by name
 * at run time, or, with LINKED, as a library that it is linked with.
 *
 * usage: driver IMAGE work | graph | start | launch CALLS | copy CALLS BYTES
 *
 * IMAGE is a file with the module that holds the kernel `saxpy`. `launch` and
 * `copy` are the loops that are timed; `start` is the time until the device
 * has memory and a kernel.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "tally.h"

#define FUNCTIONS(X)                                                                               \
	X(cuInit, unsigned int)                                                                    \
	X(cuDevicePrimaryCtxRetain, void **, int)                                                  \
	X(cuCtxSetCurrent, void *)                                                                 \
	X(cuModuleLoadData, void **, const void *)                                                 \
	X(cuModuleGetFunction, void **, void *, const char *)                                      \
	X(cuStreamCreate, void **, unsigned int)                                                   \
	X(cuStreamSynchronize, void *)                                                             \
	X(cuMemAlloc_v2, uint64_t *, size_t)                                                       \
	X(cuMemHostAlloc, void **, size_t, unsigned int)                                           \
	X(cuMemcpyHtoD_v2, uint64_t, const void *, size_t)                                         \
	X(cuMemcpyHtoDAsync_v2, uint64_t, const void *, size_t, void *)                            \
	X(cuMemcpyDtoHAsync_v2, void *, uint64_t, size_t, void *)                                  \
	X(cuMemcpyDtoDAsync_v2, uint64_t, uint64_t, size_t, void *)                                \
	X(cuMemsetD32Async, uint64_t, unsigned int, size_t, void *)                                \
	X(cuStreamBeginCapture_v2, void *, int)                                                    \
	X(cuStreamEndCapture, void *, void **)                                                     \
	X(cuGraphInstantiateWithFlags, void **, void *, unsigned long long)                        \
	X(cuGraphLaunch, void *, void *)                                                           \
	X(cuLaunchKernel, void *, unsigned int, unsigned int, unsigned int, unsigned int,          \
	  unsigned int, unsigned int, unsigned int, void *, void **, void **)

#ifdef LINKED
#define DECLARE(name, ...) int name(__VA_ARGS__);
FUNCTIONS(DECLARE)
#define FIND(name, ...) cuda.name = name;
#else
#define FIND(name, ...) *(void **)&cuda.name = find(library, #name);
#endif

#define MEMBER(name, ...) int (*name)(__VA_ARGS__);
static struct {
	FUNCTIONS(MEMBER)
} cuda;

#define OK(name, ...) expect(#name, cuda.name(__VA_ARGS__))

#define THREADS  256u
#define BLOCKS   256u
#define COUNT    (BLOCKS * THREADS)
#define BYTES    (COUNT * sizeof(float))
#define ROUNDS   40
#define REPLAYS  25
#define CAPTURED 3
#define BATCH    1000

static struct tally tally;
static void *stream, *kernel;
static uint64_t x, y;
static float *host;

#ifndef LINKED
static void *find(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (function == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return function;
}
#endif

static void open_driver(void)
{
#ifndef LINKED
	void *library = dlopen("libcuda.so.1", RTLD_NOW);

	if (library == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
#endif
	FUNCTIONS(FIND)
}

static void load(const char *path)
{
	static char image[1 << 16];
	void *module, *context;
	FILE *file = fopen(path, "re");

	if (file == NULL || fread(image, 1, sizeof(image) - 1, file) == 0) {
		perror(path);
		exit(1);
	}
	fclose(file);
	OK(cuInit, 0);
	OK(cuDevicePrimaryCtxRetain, &context, 0);
	OK(cuCtxSetCurrent, context);
	OK(cuModuleLoadData, &module, image);
	OK(cuModuleGetFunction, &kernel, module, "saxpy");
	OK(cuStreamCreate, &stream, 1);
	OK(cuMemAlloc_v2, &x, BYTES);
	OK(cuMemAlloc_v2, &y, BYTES);
	OK(cuMemHostAlloc, (void **)&host, BYTES, 0);
	for (unsigned int i = 0; i < COUNT; i++)
		host[i] = (float)(i % 1021) / 7;
}

static void launch(float factor, unsigned int blocks)
{
	unsigned int count = blocks * THREADS;
	void *values[] = {&factor, &x, &y, &count};

	OK(cuLaunchKernel, kernel, blocks, 1, 1, THREADS, 1, 1, 0, stream, values, NULL);
}

static void copied(uint64_t bytes)
{
	tally.copies++;
	tally.copy_bytes += bytes;
	tally.transfers++;
}

static void begin(void)
{
	OK(cuMemcpyHtoD_v2, x, host, BYTES);
	copied(BYTES);
	OK(cuMemsetD32Async, y, 0, COUNT, stream);
	tally.fills++;
	tally.transfers++;
}

static void finish(void)
{
	OK(cuMemcpyDtoHAsync_v2, host, y, BYTES, stream);
	copied(BYTES);
	OK(cuStreamSynchronize, stream);
	tally_digest(&tally, host, BYTES);
	tally_print(&tally);
}

static void work(void)
{
	begin();
	for (int i = 0; i < ROUNDS; i++) {
		size_t bytes = 1024u * (size_t)(i + 1);

		launch(1.0f / (float)(i + 1), BLOCKS);
		tally.launches++;
		tally.kernels++;
		OK(cuMemcpyHtoDAsync_v2, x, host, bytes, stream);
		copied(bytes);
		OK(cuMemcpyDtoDAsync_v2, x + BYTES / 2, x, bytes, stream);
		copied(bytes);
	}
	finish();
}

static void graph(void)
{
	void *made, *executable;

	begin();
	OK(cuStreamSynchronize, stream);
	OK(cuStreamBeginCapture_v2, stream, 1);
	for (int i = 0; i < CAPTURED; i++)
		launch(0.5f, BLOCKS);
	OK(cuMemcpyDtoDAsync_v2, x, x + BYTES / 2, 4096, stream);
	OK(cuStreamEndCapture, stream, &made);
	OK(cuGraphInstantiateWithFlags, &executable, made, 0);
	for (int i = 0; i < REPLAYS; i++)
		OK(cuGraphLaunch, executable, stream);
	tally.graphs = REPLAYS;
	tally.kernels += CAPTURED * REPLAYS;
	tally.transfers += REPLAYS;
	finish();
}

static int compare(const void *one, const void *two)
{
	double a = *(const double *)one, b = *(const double *)two;

	return (a > b) - (a < b);
}

/* A supervisor imports its libraries while the program starts: let it. */
static void settle(void)
{
	const char *text = getenv("SETTLE_MS");
	long ms = text != NULL ? atol(text) : 0;
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

/* The median of batches; each ends when the device is done with it. */
static void timed(uint64_t calls, size_t bytes)
{
	uint64_t batches = calls / BATCH ? calls / BATCH : 1;
	double *took = calloc(batches, sizeof(*took));

	settle();
	for (uint64_t i = 0; i < batches; i++) {
		uint64_t start_ns = now_ns();

		for (int j = 0; j < BATCH; j++)
			if (bytes == 0)
				launch(0.5f, 1);
			else
				OK(cuMemcpyHtoDAsync_v2, x, host, bytes, stream);
		OK(cuStreamSynchronize, stream);
		took[i] = (double)(now_ns() - start_ns) / BATCH;
	}
	qsort(took, batches, sizeof(*took), compare);
	printf("{\"ns_per_call\": %.2f, \"calls\": %llu}\n", took[batches / 2],
	       (unsigned long long)batches * BATCH);
	free(took);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	uint64_t calls = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	size_t bytes = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	uint64_t start_ns = now_ns();

	if (argc < 3 || bytes > BYTES) {
		fprintf(stderr,
			"usage: driver IMAGE work | graph | start | launch N | copy N BYTES\n");
		return 2;
	}
	open_driver();
	load(argv[1]);
	if (strcmp(what, "start") == 0)
		printf("{\"ns_per_call\": %llu}\n", (unsigned long long)(now_ns() - start_ns));
	else if (strcmp(what, "work") == 0)
		work();
	else if (strcmp(what, "graph") == 0)
		graph();
	else
		timed(calls, bytes);
	return 0;
}
