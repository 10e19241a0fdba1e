// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a child of a program that uses Level Zero gets what the driver
 * gives to such a child, as without the shim, records it under its own number
 * and does not hang, although other threads were inside calls when it was
 * made. After exec all is new.
 */
#include "level_zero_test.h"

#include <pthread.h>
#include <sched.h>

#define THREADS  4
#define CHILDREN 20
#define ANSWERS  5

struct answers {
	int of[ANSWERS];
};

static void *library, *kernel;
static int done;

static void *launches(void *count)
{
	void *list = ze_list(library), *event;

	OK(ZE(library, zeEventCreate, void *, const void *, void **)(NULL, NULL, &event));
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		OK(ze_launch(library, list, kernel, event));
		++*(uint64_t *)count;
		OK(ze_wait(library, list));
		sched_yield();
	}
	return NULL;
}

/* What was known before, and what the child asks for first. */
static struct answers in_child(void *list)
{
	struct answers answers;
	void *memory = NULL;

	alarm(120);
	answers.of[0] = ze_launch(library, list, kernel, NULL);
	answers.of[1] = ze_wait(library, list);
	answers.of[2] = ze_alloc(library, 64, &memory);
	answers.of[3] =
	    ZE(library, zeContextCreate, void *, const void *, void **)(NULL, NULL, &memory);
	answers.of[4] = ZE(library, zeKernelSetGroupSize, void *, uint32_t, uint32_t,
			   uint32_t)(kernel, 2, 1, 1);
	return answers;
}

static struct answers of_child(void *list, pid_t *pid)
{
	struct answers answers;
	int ends[2];

	CHECK(pipe(ends) == 0);
	*pid = fork();
	if (*pid == 0) {
		answers = in_child(list);
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
	library = ze_open();
	OK(ZE(library, zeInit, uint32_t)(0));
	kernel = ze_kernel(library);
}

/* Nothing that failed is told as a success. */
static void recorded(const struct harness *harness, pid_t pid, uint16_t kind)
{
	struct harness_search search =
	    harness_find(harness, (struct wanted){.pid = (uint32_t)pid, .kind = kind});

	CHECK_EQUAL(search.count, 1);
	CHECK_EQUAL(search.last.status, ZE_UNINITIALIZED);
}

static void forks(const struct harness *harness)
{
	struct answers with, without;
	void *list = ze_list(library);
	pid_t pid;

	harness_bare(&without, sizeof(without));
	for (int i = 0; i < CHILDREN; i++) {
		with = of_child(list, &pid);
		CHECK(memcmp(&with, &without, sizeof(with)) == 0);
		CHECK_EQUAL(with.of[0], ZE_UNINITIALIZED);
		recorded(harness, pid, ANAROS_KIND_GPU_LAUNCH);
		recorded(harness, pid, ANAROS_KIND_GPU_SYNC);
		recorded(harness, pid, ANAROS_KIND_GPU_ALLOC);
		recorded(harness, pid, ANAROS_KIND_GPU_CONTEXT);
	}
}

/* Its memory is the parent's until it is another program. */
static void vforks(const struct harness *harness, char *self)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl(self, self, "child", (char *)NULL);
		_exit(SKIP);
	}
	CHECK_EQUAL(harness_wait(pid), 0);
	CHECK_EQUAL(harness_count(harness, (struct wanted){.pid = (uint32_t)pid,
							   .kind = ANAROS_KIND_GPU_LAUNCH}),
		    1);
}

static int again(const char *what)
{
	struct answers answers;
	pid_t pid;

	begin();
	if (strcmp(what, "child") == 0)
		return ze_launch(library, ze_list(library), kernel, NULL);
	answers = of_child(ze_list(library), &pid);
	return harness_answer(&answers, sizeof(answers));
}

int main(int argc, char **argv)
{
	uint64_t counts[THREADS] = {0}, all = 0;
	pthread_t threads[THREADS];
	struct harness harness;

	if (argc > 1)
		return again(argv[1]);
	harness = harness_open();
	begin();
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, launches, &counts[i]));
	forks(&harness);
	vforks(&harness, argv[0]);
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++) {
		OK(pthread_join(threads[i], NULL));
		all += counts[i];
	}
	CHECK_EQUAL(sim_calls(library, SIM_LAUNCH), all);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_LAUNCH).count + harness_drops(&harness), all);
	return 0;
}
