// SPDX-License-Identifier: Apache-2.0
/*
 * Has a thread of another process make a call, and leaves it as it was.
 *
 * The thread is one that sleeps in a system call, or else one that computes
 * outside of the C library; never one that is in the loader, in the allocator
 * or in a signal handler, which its stack tells. No byte of code is changed.
 * Below what the thread has in use of its stack a frame is laid as the kernel
 * lays it for a signal, and the thread is sent to the function with the C
 * library's way out of a handler as return address. So it comes back by
 * itself, to all its registers and its signal mask, even if we are killed
 * meanwhile. While we live we stop it before that way out, and put back what
 * it had exactly: a sleep with a deadline goes on with the time that is left.
 *
 * Other threads run on. All of this is done by a thread of ours that ends
 * then: the kernel lets go of whatever it still traces.
 */
#define _GNU_SOURCE
#include "inject.h"

#include <errno.h>

#if defined(__x86_64__)
#include "session.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define CALL_S 5

enum promise { NONE, RUNS, SLEEPS, SLEEPS_UNTIL };

/* Whether it may be borrowed, without stopping it. */
static enum promise promise(int pid, int tid)
{
	char path[64], line[256] = "";
	unsigned long number, a, operation;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	file = fopen(path, "re");
	if (file == NULL)
		return NONE;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	if (strncmp(line, "running", 7) == 0)
		return RUNS;
	if (sscanf(line, "%lu %lx %lx", &number, &a, &operation) != 3 ||
	    !inject_is_sleep((long)number, operation))
		return NONE;
	return number == SYS_poll || number == SYS_nanosleep || number == SYS_clock_nanosleep ||
		       number == SYS_restart_syscall
		   ? SLEEPS_UNTIL
		   : SLEEPS;
}

static void close_folder(void *folder)
{
	closedir(folder);
}

/* Goes through the threads; stops at the first for which `visit` has an answer but EAGAIN. */
static int go_through(struct session *session, DIR *folder,
		      int (*visit)(struct session *session, int tid))
{
	struct dirent *entry;
	int result = -EAGAIN;

	while (result == -EAGAIN && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			result = visit(session, atoi(entry->d_name));
	return result;
}

static void each_thread(struct session *session, int (*visit)(struct session *session, int tid))
{
	char path[64];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", session->plan->pid);
	folder = opendir(path);
	session->code = -ESRCH;
	if (folder == NULL)
		return;
	pthread_cleanup_push(close_folder, folder);
	session->code = go_through(session, folder, visit);
	pthread_cleanup_pop(1);
}

static int try_thread(struct session *session, int tid, enum promise wanted)
{
	int code;

	if (promise(session->plan->pid, tid) != wanted)
		return -EAGAIN;
	code = inject_stop(session, tid);
	if (code == -EPERM)
		return code;
	if (code != 0)
		return code == -ETIMEDOUT ? -EBUSY : -EAGAIN;
	if (inject_may_borrow(session))
		return inject_borrow(session);
	inject_release(session);
	return -EAGAIN;
}

static int try_sleeping(struct session *session, int tid)
{
	return try_thread(session, tid, SLEEPS);
}

static int try_sleeping_until(struct session *session, int tid)
{
	return try_thread(session, tid, SLEEPS_UNTIL);
}

static int try_running(struct session *session, int tid)
{
	return try_thread(session, tid, RUNS);
}

/* A thread of another process waits for this one: let nobody else come between, if we may. */
static void hurry(void)
{
	const struct sched_param first = {.sched_priority = 1};

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) != 0)
		setpriority(PRIO_PROCESS, 0, -20);
}

static void *calls_thread(void *data)
{
	struct session *session = data;
	int state;

	hurry();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	session->code = -EAGAIN;
	for (uint32_t i = 0; i < session->plan->attempts && session->code == -EAGAIN; i++) {
		session->told->passes++;
		if (i > 0)
			inject_nap(session->plan->pause_us * 1000ull);
		each_thread(session, try_sleeping);
		if (session->code == -EAGAIN)
			each_thread(session, try_sleeping_until);
		if (session->code == -EAGAIN)
			each_thread(session, try_running);
	}
	session->result = session->code == -EAGAIN ? -EBUSY : session->code;
	return NULL;
}

enum place { OUTSIDE, WITHIN, RUNNING };

static bool registers_inside(const struct session *session)
{
	const unsigned long long *word = (const void *)&session->now;

	for (size_t i = 0; i < sizeof(session->now) / sizeof(*word); i++)
		if (word[i] - session->inside_start < session->inside_end - session->inside_start)
			return true;
	return false;
}

/*
 * A thread that sleeps is left to sleep: a stop would begin its sleep anew. It
 * may run on while its stack is looked at; but nobody new comes in, so it can
 * only have left. RUNNING: it does not sleep.
 */
static enum place sleeps_inside(struct session *session, int tid)
{
	unsigned long pointer = 0, at = 0;
	char path[64], line[256] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", session->plan->pid, tid);
	file = fopen(path, "re");
	if (file == NULL)
		return OUTSIDE;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	if (sscanf(line, "%*d %*x %*x %*x %*x %*x %*x %lx %lx", &pointer, &at) != 2)
		return RUNNING;
	if (at - session->inside_start < session->inside_end - session->inside_start)
		return WITHIN;
	if (!inject_find_stack(session, pointer))
		return RUNNING;
	return inject_look_at_stack(session, pointer) == CLEAN ? OUTSIDE : WITHIN;
}

static int look_inside(struct session *session, int tid)
{
	enum place place = sleeps_inside(session, tid);
	int code;

	if (place != RUNNING) {
		session->result += place == WITHIN;
		return -EAGAIN;
	}
	code = inject_stop(session, tid);
	if (code == -ESRCH || code == -EPERM)
		return code == -EPERM ? code : -EAGAIN;
	if (code != 0) {
		session->result++;
		return -EAGAIN;
	}
	session->result += registers_inside(session) ||
			   !inject_find_stack(session, session->now.rsp) ||
			   inject_look_at_stack(session, session->now.rsp) != CLEAN;
	inject_release(session);
	return -EAGAIN;
}

static void *inside_thread(void *data)
{
	struct session *session = data;
	int state;

	hurry();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	each_thread(session, look_inside);
	if (session->code != -EAGAIN)
		session->result = session->code;
	return NULL;
}

int inject_in_thread(void *(*function)(void *), struct session *session)
{
	struct timespec until;
	pthread_t thread;
	int code = pthread_create(&thread, NULL, function, session);

	if (code != 0)
		return -code;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CALL_S;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return session->result;
	/* A call that does not come back: the thread that makes it then does so by itself. */
	session->result = -ETIMEDOUT;
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	return session->result;
}

int anaros_inject_calls(const struct inject_plan *plan, struct inject_library *library,
			const struct inject_call *calls, uint32_t count, void *block,
			uint32_t block_bytes, struct inject_told *told)
{
	struct session *session = calloc(1, sizeof(*session));
	int result;

	if (session == NULL)
		return -ENOMEM;
	*told = (struct inject_told){0};
	session->plan = plan;
	session->library = library;
	session->calls = calls;
	session->call_count = count;
	session->block = block;
	session->block_bytes = block_bytes;
	session->told = told;
	result = inject_in_thread(calls_thread, session);
	free(session);
	return result;
}

int anaros_inject_inside(const struct inject_plan *plan, uint64_t start, uint64_t end,
			 struct inject_told *told)
{
	struct session *session = calloc(1, sizeof(*session));
	int result;

	if (session == NULL)
		return -ENOMEM;
	*told = (struct inject_told){0};
	/* Of its stack only this code is looked for, and handlers, whose stack may be another. */
	session->plan = plan;
	session->told = told;
	session->inside_start = start;
	session->inside_end = end;
	result = inject_in_thread(inside_thread, session);
	free(session);
	return result;
}
#else
int anaros_inject_calls(const struct inject_plan *plan, struct inject_library *library,
			const struct inject_call *calls, uint32_t count, void *block,
			uint32_t block_bytes, struct inject_told *told)
{
	return -ENOTSUP;
}

int anaros_inject_inside(const struct inject_plan *plan, uint64_t start, uint64_t end,
			 struct inject_told *told)
{
	return -ENOTSUP;
}
#endif
