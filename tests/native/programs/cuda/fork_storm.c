// SPDX-License-Identifier: Apache-2.0
/*
 * Description: children that are forked while other threads begin and end
 * captures, and are told apart by their callers, make the same calls and end;
 * what the threads did is recorded as if nobody had forked.
 */
#include "cuda_test.h"

#include <fcntl.h>
#include <pthread.h>

#define NOT_INITIALIZED 3
#define PROGRAM         "cudart/build/one/program.so"
#define KNOWN_CALLERS   64 /* the shim looks the runtime up again for who comes after them */
#define CALLERS         (KNOWN_CALLERS + 2)
#define THREADS         2
#define CHILDREN        150
#define BYTES           16u

typedef int (*copy_function)(void *, const void *, size_t, int, void *);

static struct harness harness;
static void *driver, *context, *kernel;
static copy_function copies[CALLERS];
static int done;

struct work {
	pthread_t capturing, copying;
	copy_function copy;
	uint64_t captured, copied;
};

static void join_captures(void *joining, void *member, void *event)
{
	OK(CUDA(driver, cuEventRecord, void *, void *)(event, member));
	OK(CUDA(driver, cuStreamWaitEvent, void *, void *, unsigned int)(joining, event, 0));
}

static void *captures(void *argument)
{
	cu_launch launch = (cu_launch)cuda_symbol(driver, "cuLaunchKernel");
	struct work *work = argument;
	void *first, *second, *event, *graph;

	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&first, 1));
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&second, 1));
	OK(CUDA(driver, cuEventCreate, void **, unsigned int)(&event, 0));
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		OK(CUDA(driver, cuStreamBeginCapture_v2, void *, int)(first, 1));
		join_captures(second, first, event);
		OK(launch(kernel, 1, 1, 1, 1, 1, 1, 0, second, NULL, NULL));
		join_captures(first, second, event);
		OK(CUDA(driver, cuStreamEndCapture, void *, void **)(first, &graph));
		OK(CUDA(driver, cuGraphDestroy, void *)(graph));
		work->captured++;
	}
	return NULL;
}

static void *moves(void *argument)
{
	struct work *work = argument;
	char to[BYTES], from[BYTES];

	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		OK(work->copy(to, from, BYTES, 1, NULL));
		work->copied++;
	}
	return NULL;
}

static int in_child(void)
{
	char to[BYTES], from[BYTES];
	void *graph;

	alarm(120);
	for (int i = 0; i < CALLERS; i++)
		if (copies[i](to, from, BYTES, 1, NULL) != NOT_INITIALIZED)
			return 1;
	return CUDA(driver, cuStreamBeginCapture_v2, void *, int)(NULL, 1) != NOT_INITIALIZED ||
	       CUDA(driver, cuStreamEndCapture, void *, void **)(NULL, &graph) != NOT_INITIALIZED;
}

/* Programs of their own, all linked with one runtime. */
static void load_callers(void)
{
	char bytes[65536];
	int from = open(PROGRAM, O_RDONLY | O_CLOEXEC);
	long size;

	if (from < 0 || dlopen(PROGRAM, RTLD_NOW | RTLD_LOCAL) == NULL)
		harness_skip("the stub of the runtime is not built");
	size = read(from, bytes, sizeof(bytes));
	close(from);
	for (int i = 0; i < CALLERS; i++) {
		char path[] = "/tmp/anaros-program-XXXXXX", to[BYTES] = "";
		int file = mkstemp(path);
		void *library;

		CHECK(file >= 0 && write(file, bytes, (size_t)size) == size);
		close(file);
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		unlink(path);
		CHECK(library != NULL);
		*(void **)&copies[i] = dlsym(library, "program_copy");
		OK(copies[i](to, to, BYTES, 1, NULL));
	}
}

static uint64_t of(pid_t pid, uint16_t kind, uint16_t flags)
{
	return harness_count(&harness,
			     (struct wanted){.pid = (uint32_t)pid, .kind = kind, .flags = flags});
}

int main(void)
{
	struct work works[THREADS] = {0};
	pid_t children[CHILDREN];
	uint64_t captured = 0, copied = CALLERS, marked;

	harness = harness_open();
	driver = cuda_open();
	OK(CUDA(driver, cuInit, unsigned int)(0));
	OK(CUDA(driver, cuDevicePrimaryCtxRetain, void **, int)(&context, 0));
	OK(CUDA(driver, cuCtxSetCurrent, void *)(context));
	kernel = cuda_kernel(driver, "noop");
	load_callers();
	for (int i = 0; i < THREADS; i++) {
		works[i].copy = copies[KNOWN_CALLERS + i];
		OK(pthread_create(&works[i].capturing, NULL, captures, &works[i]));
		OK(pthread_create(&works[i].copying, NULL, moves, &works[i]));
	}
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(in_child());
		CHECK_EQUAL(harness_wait(children[i]), 0);
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++) {
		OK(pthread_join(works[i].capturing, NULL));
		OK(pthread_join(works[i].copying, NULL));
		captured += works[i].captured;
		copied += works[i].copied;
	}
	/* A thread that waits too long for the lock of the captures says so, and goes on. */
	marked = of(getpid(), ANAROS_KIND_GPU_LAUNCH, ANAROS_FLAG_CAPTURE);
	CHECK(marked <= captured && marked + harness.shared->captures_lost >= captured);
	CHECK(harness.shared->captures_lost <= captured / 100 + 10);
	CHECK_EQUAL(of(getpid(), ANAROS_KIND_GPU_LAUNCH, 0), captured);
	CHECK_EQUAL(of(getpid(), ANAROS_KIND_GPU_CAPTURE, 0), 2 * captured);
	CHECK_EQUAL(of(getpid(), ANAROS_KIND_GPU_COPY_H2D, 0), copied);
	for (int i = 0; i < CHILDREN; i++) {
		CHECK_EQUAL(of(children[i], ANAROS_KIND_GPU_COPY_H2D, 0), CALLERS);
		CHECK_EQUAL(of(children[i], ANAROS_KIND_GPU_CAPTURE, 0), 2);
	}
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
