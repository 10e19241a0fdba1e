// SPDX-License-Identifier: Apache-2.0
/*
 * Description: of a thread that asks again and again whether work is done the
 * first no and the last are told, the last with the time when it was asked,
 * whether a yes, a new recording of the event, a wait or the thread's end
 * comes behind it. A child of fork tells nothing of what its parent asked.
 */
#include "cuda_test.h"

#include <pthread.h>
#include <time.h>

#define ECHO      "cudart/build/echo/libcuda.so.1"
#define NOT_READY 600
#define EVENT     0xe000u
#define STREAM    0x5000u
#define NOES      1000

typedef int (*any)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
		   uint64_t, uint64_t);

static struct harness harness;
static void *driver;
static int *answer;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int call(const char *name, uint64_t handle, uint64_t second)
{
	return ((any)cuda_symbol(driver, name))(handle, second, 0, 0, 0, 0, 0, 0, 0, 0);
}

struct noes {
	uint64_t object, count, first_ns, last_ns;
	uint64_t yes;
};

static void see(const struct anaros_record *record, void *context)
{
	struct noes *noes = context;

	if (record->kind != ANAROS_KIND_GPU_QUERY || record->object != noes->object ||
	    record->pid != (uint32_t)getpid())
		return;
	if (record->status == 0) {
		noes->yes++;
		return;
	}
	CHECK_EQUAL(record->status, NOT_READY);
	if (noes->count == 0 || record->start_ns < noes->first_ns)
		noes->first_ns = record->start_ns;
	if (record->start_ns > noes->last_ns)
		noes->last_ns = record->start_ns;
	noes->count++;
}

static struct noes told(uint64_t object)
{
	struct noes noes = {.object = object};

	harness_each(&harness, see, &noes);
	return noes;
}

struct asked {
	uint64_t begin_ns, last_ns, end_ns;
};

static struct asked asked(const char *query, uint64_t object)
{
	struct asked asked = {.begin_ns = now_ns()};

	*answer = NOT_READY;
	for (int i = 0; i < NOES; i++) {
		asked.last_ns = now_ns();
		CHECK_EQUAL(call(query, object, 0), NOT_READY);
	}
	asked.end_ns = now_ns();
	*answer = 0;
	return asked;
}

/* Two more noes, and they are the first and the last. */
static void both_told(const char *query, uint64_t object, const char *ends, uint64_t handle,
		      uint64_t second)
{
	struct noes before = told(object), noes;
	struct asked loop = asked(query, object);

	noes = told(object);
	CHECK_EQUAL(noes.count, before.count + 1);
	CHECK(noes.last_ns >= loop.begin_ns && noes.last_ns <= loop.last_ns);
	CHECK_EQUAL(call(ends, handle, second), 0);
	noes = told(object);
	CHECK_EQUAL(noes.count, before.count + 2);
	CHECK(noes.last_ns >= loop.last_ns && noes.last_ns <= loop.end_ns);
	CHECK_EQUAL(noes.yes, before.yes + (strstr(ends, "Query") != NULL));
}

/* One no is one record. */
static void once(void)
{
	*answer = NOT_READY;
	call("cuEventQuery", EVENT + 1, 0);
	*answer = 0;
	call("cuEventQuery", EVENT + 1, 0);
	CHECK_EQUAL(told(EVENT + 1).count, 1);
	CHECK_EQUAL(told(EVENT + 1).yes, 1);
}

/* More at once than a thread keeps in mind: of none the last no is lost. */
static void many(void)
{
	enum { MANY = 100, ROUNDS = 10 };
	uint64_t last_ns = 0;

	*answer = NOT_READY;
	for (int round = 0; round < ROUNDS; round++) {
		last_ns = now_ns();
		for (uint64_t i = 0; i < MANY; i++)
			call("cuEventQuery", 0x10000 + i * 64, 0);
	}
	*answer = 0;
	call("cuCtxSynchronize", 0, 0);
	for (uint64_t i = 0; i < MANY; i++) {
		struct noes noes = told(0x10000 + i * 64);

		CHECK(noes.count >= 2 && noes.count <= ROUNDS);
		CHECK(noes.last_ns >= last_ns);
	}
}

static void *ask_and_end(void *loop)
{
	*(struct asked *)loop = asked("cuEventQuery", EVENT + 2);
	return NULL;
}

static void of_a_thread(void)
{
	struct asked loop;
	pthread_t thread;

	OK(pthread_create(&thread, NULL, ask_and_end, &loop));
	OK(pthread_join(thread, NULL));
	CHECK_EQUAL(told(EVENT + 2).count, 2);
	CHECK(told(EVENT + 2).last_ns >= loop.last_ns);
}

static void of_a_child(void)
{
	pid_t child;

	asked("cuEventQuery", EVENT + 3);
	child = fork();
	if (child == 0) {
		call("cuEventQuery", EVENT + 3, 0);
		call("cuCtxSynchronize", 0, 0);
		_exit(told(EVENT + 3).count == 0 && told(EVENT + 3).yes == 1 ? 0 : 1);
	}
	CHECK_EQUAL(harness_wait(child), 0);
	CHECK_EQUAL(told(EVENT + 3).count, 1);
}

int main(void)
{
	driver = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL);
	if (driver == NULL)
		harness_skip("the echo driver is not built");
	harness = harness_open();
	answer = dlsym(driver, "echo_answer");
	CHECK(answer != NULL);
	both_told("cuEventQuery", EVENT, "cuEventQuery", EVENT, 0);
	both_told("cuEventQuery", EVENT, "cuEventRecord", EVENT, STREAM);
	both_told("cuEventQuery", EVENT, "cuEventSynchronize", EVENT, 0);
	both_told("cuStreamQuery", STREAM, "cuStreamQuery", STREAM, 0);
	both_told("cuStreamQuery", STREAM, "cuStreamSynchronize", STREAM, 0);
	both_told("cuStreamQuery_ptsz", 2, "cuCtxSynchronize", 0, 0);
	once();
	many();
	of_a_thread();
	of_a_child();
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
