// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a child of a program that uses HIP gets what it gets without
 * the shim, records it under its own number and does not hang, although other
 * threads were inside calls when it was made.
 */
#include "hip_test.h"

#include <pthread.h>
#include <sched.h>

#define THREADS  4
#define CHILDREN 20
#define ANSWERS  5
#define DEFAULT  4

struct answers {
	int of[ANSWERS];
	char bytes[64];
};

static void *library, *kernel, *memory;
static int done;

static void *launches(void *count)
{
	void *stream;

	OK(HIP(library, hipStreamCreateWithFlags, void **, unsigned int)(&stream, 1));
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		OK(hip_launch(library, kernel, 1, 1, stream, NULL));
		++*(uint64_t *)count;
		OK(HIP(library, hipStreamSynchronize, void *)(stream));
		sched_yield();
	}
	return NULL;
}

/* What was known before, and what the child asks for first. */
static struct answers in_child(void)
{
	struct answers answers = {.bytes = "bytes that are copied"};
	void *more = NULL;

	alarm(120);
	answers.of[0] = hip_launch(library, kernel, 1, 1, NULL, NULL);
	answers.of[1] = HIP(library, hipMemcpy, void *, const void *, size_t,
			    int)(memory, answers.bytes, sizeof(answers.bytes), DEFAULT);
	answers.of[2] = HIP(library, hipDeviceSynchronize, void)();
	answers.of[3] = HIP(library, hipMalloc, void **, size_t)(&more, 64);
	answers.of[4] = HIP(library, hipFree, void *)(memory);
	return answers;
}

static struct answers of_child(pid_t *pid)
{
	struct answers answers;
	int ends[2];

	CHECK(pipe(ends) == 0);
	*pid = fork();
	if (*pid == 0) {
		answers = in_child();
		_exit(write(ends[1], &answers, sizeof(answers)) != sizeof(answers));
	}
	CHECK_EQUAL(read(ends[0], &answers, sizeof(answers)), sizeof(answers));
	CHECK_EQUAL(harness_wait(*pid), 0);
	close(ends[0]);
	close(ends[1]);
	return answers;
}

static void begin(void)
{
	library = hip_open();
	kernel = hip_kernel(library, "noop");
	OK(HIP(library, hipMalloc, void **, size_t)(&memory, 64));
}

static void recorded(const struct harness *harness, pid_t pid, uint16_t kind)
{
	CHECK_EQUAL(harness_count(harness, (struct wanted){.pid = (uint32_t)pid, .kind = kind}), 1);
}

static void forks(const struct harness *harness)
{
	struct answers with, without;
	pid_t pid;

	harness_bare(&without, sizeof(without));
	for (int i = 0; i < CHILDREN; i++) {
		with = of_child(&pid);
		CHECK(memcmp(&with, &without, sizeof(with)) == 0);
		OK(with.of[0]);
		recorded(harness, pid, ANAROS_KIND_GPU_LAUNCH);
		/* Where the memory lies is known from before. */
		recorded(harness, pid, ANAROS_KIND_GPU_COPY_H2D);
		recorded(harness, pid, ANAROS_KIND_GPU_SYNC);
		recorded(harness, pid, ANAROS_KIND_GPU_ALLOC);
		recorded(harness, pid, ANAROS_KIND_GPU_FREE);
	}
	recorded(harness, getpid(), ANAROS_KIND_GPU_ALLOC);
	CHECK_EQUAL(records(harness, ANAROS_KIND_GPU_FREE).count, 0);
}

int main(int argc, char **argv)
{
	uint64_t counts[THREADS] = {0}, all = 0;
	pthread_t threads[THREADS];
	struct harness harness;
	struct answers answers;
	pid_t pid;

	(void)argv;
	if (argc == 1)
		harness = harness_open();
	begin();
	if (argc > 1) {
		answers = of_child(&pid);
		return harness_answer(&answers, sizeof(answers));
	}
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, launches, &counts[i]));
	forks(&harness);
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++) {
		OK(pthread_join(threads[i], NULL));
		all += counts[i];
	}
	CHECK_EQUAL(sim_calls(library, "hipModuleLaunchKernel"), all);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_LAUNCH).count + harness_drops(&harness), all);
	return 0;
}
