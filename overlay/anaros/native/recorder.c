// SPDX-License-Identifier: Apache-2.0
/*
 * Moves records into the open segment while the workload runs: the drain.
 *
 * A thread of its own, and no interpreter in it: it runs ten times a second
 * beside the workload, and a step that finds little takes some microseconds.
 * It never waits for the writer, which may wait for the disk or, of its own
 * will, for a processor that nobody else wants.
 *
 * Two segments take turns. The writer makes a full (or old) one durable while
 * the drain fills the other; when both are full, the rings hold what comes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

#define WAIT_MS        100
#define REAP_NS        1000000000ull
#define SEGMENT_AGE_NS 10000000000ull
/* The timer may come late by so much, and with others: fewer interrupts. */
#define SLACK_NS 10000000ul
/* The kernel's ring holds fewer samples than this: a consume never overfills a segment. */
#define RING_ROWS 131072u
/* What the supervisor says itself between two steps. */
#define NOTES_MAX 64
/* Where records would be lost, we go before the workload by so much. */
#define AHEAD 10

struct recorder {
	struct arena *arena;
	struct segment *segments[2];
	struct segment *open; /* what samples of the kernel plane are appended to */
	uint64_t pid_namespace;
	uint64_t reaped_ns;
	struct kernel_sources kernel;

	pthread_t drain, watch;
	bool drains, watches;
	int epoll_fd, stop_fd;
	bool stopping;

	pthread_mutex_t lock;   /* of all that follows */
	pthread_cond_t changed; /* by the monotonic clock */
	int active;
	int full; /* waits for the writer; -1 = none */
	bool busy[2];
	bool failed, finished;
	uint64_t sequence;
	/* The writer gives way to the workload, unless somebody waits for it. */
	pthread_t writer;
	bool may_yield, yields, hurry;
	bool ahead;
	int usual_nice;
	struct anaros_record notes[NOTES_MAX];
	uint32_t noted;
};

static bool set_policy(pthread_t thread, int policy)
{
	struct sched_param none = {0};

	return pthread_setschedparam(thread, policy, &none) == 0;
}

/* Whether a thread that gave way may take it back: it takes a right to. */
static void *try_yield(void *result)
{
	*(bool *)result = sched_getscheduler(0) == SCHED_OTHER &&
			  set_policy(pthread_self(), SCHED_IDLE) &&
			  set_policy(pthread_self(), SCHED_OTHER);
	return NULL;
}

static bool start_thread(pthread_t *thread, void *(*run)(void *), void *argument, const char *name)
{
	sigset_t all, before;
	int result;

	/* Signals are for the main thread, which passes them on. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result == 0)
		pthread_setname_np(*thread, name);
	return result == 0;
}

static void set_nice(int nice)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *thread;

	while (threads != NULL && (thread = readdir(threads)) != NULL)
		if (thread->d_name[0] != '.')
			setpriority(PRIO_PROCESS, (id_t)atoi(thread->d_name), nice);
	if (threads != NULL)
		closedir(threads);
}

/*
 * On a busy machine the writer's share of it, one of many threads, may be less than
 * it takes for what these threads record. All of us go with it: any may hold the
 * interpreter's lock. Without the right to it nothing changes.
 */
static void put_ahead(struct recorder *recorder, bool ahead)
{
	if (recorder->ahead == ahead)
		return;
	if (ahead)
		recorder->usual_nice = getpriority(PRIO_PROCESS, 0);
	set_nice(recorder->usual_nice - (ahead ? AHEAD : 0));
	recorder->ahead = ahead;
}

/* Somebody waits for the writer: it takes its place among the others again. */
static void hurry(struct recorder *recorder)
{
	recorder->hurry = true;
	if (recorder->yields)
		set_policy(recorder->writer, SCHED_OTHER);
	recorder->yields = false;
}

/* The open segment fills: what is being written should be done before it is full. */
static void press(struct recorder *recorder)
{
	pthread_mutex_lock(&recorder->lock);
	if (recorder->busy[1 - recorder->active]) {
		hurry(recorder);
		put_ahead(recorder, true);
	}
	pthread_mutex_unlock(&recorder->lock);
}

/* Hands the open segment to the writer and goes on in the other one. */
static bool rotate(struct recorder *recorder, bool wait)
{
	bool done = false;
	int other;

	pthread_mutex_lock(&recorder->lock);
	other = 1 - recorder->active;
	while (recorder->busy[other] && !recorder->failed) {
		hurry(recorder);
		if (!wait) {
			put_ahead(recorder, true);
			break;
		}
		pthread_cond_wait(&recorder->changed, &recorder->lock);
	}
	if (!recorder->busy[other] && !recorder->failed) {
		recorder->busy[recorder->active] = true;
		recorder->full = recorder->active;
		recorder->active = other;
		recorder->open = recorder->segments[other];
		anaros_segment_reset(recorder->open, ++recorder->sequence);
		pthread_cond_broadcast(&recorder->changed);
		done = true;
	}
	pthread_mutex_unlock(&recorder->lock);
	return done;
}

static uint64_t room_of(const struct segment *segment)
{
	return segment->header->capacity - segment->header->count;
}

static void consume_kernel(struct recorder *recorder, bool last)
{
	const struct kernel_sources *kernel = &recorder->kernel;

	if (room_of(recorder->open) < RING_ROWS && !rotate(recorder, last))
		return; /* the rings hold what comes, and count what they cannot */
	kernel->consume_ring(kernel->ring);
	if (kernel->switches != NULL)
		anaros_switches_consume(kernel->switches, room_of(recorder->open),
					anaros_segment_sample, &recorder->open);
	recorder->arena->control->kernel.consumed_ns = anaros_monotonic_ns();
}

static void take_notes(struct recorder *recorder)
{
	struct anaros_record notes[NOTES_MAX];
	uint32_t noted;

	pthread_mutex_lock(&recorder->lock);
	noted = recorder->noted;
	memcpy(notes, recorder->notes, noted * sizeof(notes[0]));
	recorder->noted = 0;
	pthread_mutex_unlock(&recorder->lock);
	if (noted != 0)
		anaros_segment_sample(&recorder->open, notes, noted * sizeof(notes[0]));
}

/* One pass over every source; rotates as often as it fills a segment. */
static void step(struct recorder *recorder, bool last)
{
	uint64_t opened_ns;

	take_notes(recorder);
	if (recorder->kernel.ring != NULL)
		consume_kernel(recorder, last);
	while (anaros_arena_drain(recorder->arena, recorder->open) < 0)
		if (!rotate(recorder, last))
			break; /* what the chunks cannot hold is counted there */
	if (room_of(recorder->open) < recorder->open->header->capacity / 2)
		press(recorder);
	opened_ns = recorder->open->header->opened_ns;
	if (opened_ns != 0 && anaros_monotonic_ns() - opened_ns > SEGMENT_AGE_NS)
		rotate(recorder, false);
}

static void *run_drain(void *argument)
{
	struct recorder *recorder = argument;

	uint32_t wakes = anaros_arena_wakes(recorder->arena);

	prctl(PR_SET_TIMERSLACK, SLACK_NS);
	while (!__atomic_load_n(&recorder->stopping, __ATOMIC_ACQUIRE)) {
		uint64_t now;

		anaros_arena_wait(recorder->arena, wakes, WAIT_MS);
		wakes = anaros_arena_wakes(recorder->arena);
		step(recorder, false);
		now = anaros_monotonic_ns();
		if (now - recorder->reaped_ns > REAP_NS) {
			recorder->reaped_ns = now;
			anaros_arena_reap(recorder->arena, recorder->pid_namespace);
		}
	}
	return NULL;
}

/* The kernel's rings say when they pass a mark; the drain sleeps on a futex. */
static void *run_watch(void *argument)
{
	struct recorder *recorder = argument;
	struct epoll_event event;

	while (!__atomic_load_n(&recorder->stopping, __ATOMIC_ACQUIRE))
		if (epoll_wait(recorder->epoll_fd, &event, 1, -1) > 0)
			anaros_arena_wake(recorder->arena);
	return NULL;
}

/* Edges, not levels: only a mark that is passed is an event, not each record in the ring. */
static void start_watch(struct recorder *recorder)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	recorder->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	recorder->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (recorder->epoll_fd < 0 || recorder->stop_fd < 0 ||
	    epoll_ctl(recorder->epoll_fd, EPOLL_CTL_ADD, recorder->stop_fd, &event) != 0 ||
	    epoll_ctl(recorder->epoll_fd, EPOLL_CTL_ADD, recorder->kernel.ring_fd, &event) != 0)
		return; /* the drain comes by ten times a second all the same */
	recorder->watches = start_thread(&recorder->watch, run_watch, recorder, "anaros-watch");
}

void anaros_recorder_stop(struct recorder *recorder)
{
	__atomic_store_n(&recorder->stopping, true, __ATOMIC_RELEASE);
	if (recorder->watches) {
		eventfd_write(recorder->stop_fd, 1);
		pthread_join(recorder->watch, NULL);
		recorder->watches = false;
	}
	if (recorder->drains) {
		anaros_arena_wake(recorder->arena);
		pthread_join(recorder->drain, NULL);
		recorder->drains = false;
	}
}

/* Both segments are empty; the drain does not run yet. NULL: no memory. */
struct recorder *anaros_recorder_create(struct arena *arena, struct segment *first,
					struct segment *second, uint64_t pid_namespace)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	pthread_condattr_t monotonic;

	if (recorder == NULL)
		return NULL;
	recorder->arena = arena;
	recorder->segments[0] = recorder->open = first;
	recorder->segments[1] = second;
	recorder->pid_namespace = pid_namespace;
	recorder->full = -1;
	recorder->epoll_fd = recorder->stop_fd = -1;
	pthread_mutex_init(&recorder->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&recorder->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	anaros_segment_reset(first, 0);
	return recorder;
}

void anaros_recorder_free(struct recorder *recorder)
{
	anaros_recorder_stop(recorder);
	if (recorder->epoll_fd >= 0)
		close(recorder->epoll_fd);
	if (recorder->stop_fd >= 0)
		close(recorder->stop_fd);
	pthread_cond_destroy(&recorder->changed);
	pthread_mutex_destroy(&recorder->lock);
	free(recorder);
}

/* What samples of the kernel plane are appended to: the context of anaros_segment_sample. */
struct segment **anaros_recorder_cell(struct recorder *recorder)
{
	return &recorder->open;
}

/* Starts the drain; `kernel` is copied, NULL without a kernel plane. Returns 0 or an errno. */
int anaros_recorder_start(struct recorder *recorder, const struct kernel_sources *kernel)
{
	pthread_t trial;

	if (kernel != NULL) {
		recorder->kernel = *kernel;
		recorder->arena->numbers_fd = kernel->numbers_fd;
		recorder->arena->control->kernel.consumed_ns = anaros_monotonic_ns();
		start_watch(recorder);
	}
	if (start_thread(&trial, try_yield, &recorder->may_yield, "anaros-trial"))
		pthread_join(trial, NULL);
	recorder->reaped_ns = anaros_monotonic_ns();
	recorder->drains = start_thread(&recorder->drain, run_drain, recorder, "anaros-drain");
	return recorder->drains ? 0 : EAGAIN;
}

/* A record of the supervisor's own, while the drain runs; 0, or -EAGAIN: too many at once. */
int anaros_recorder_note(struct recorder *recorder, const struct anaros_record *record)
{
	int result = -EAGAIN;

	pthread_mutex_lock(&recorder->lock);
	if (recorder->noted < NOTES_MAX) {
		recorder->notes[recorder->noted++] = *record;
		result = 0;
	}
	pthread_mutex_unlock(&recorder->lock);
	return result;
}

/* Drains to the end and hands all to the writer; the workload is over or no longer recorded. */
void anaros_recorder_finish(struct recorder *recorder)
{
	anaros_recorder_stop(recorder);
	step(recorder, true);
	recorder->arena->control->recording = 0;
	anaros_arena_end_all(recorder->arena);
	step(recorder, true);
	rotate(recorder, true);
	pthread_mutex_lock(&recorder->lock);
	hurry(recorder);
	recorder->finished = true;
	pthread_cond_broadcast(&recorder->changed);
	pthread_mutex_unlock(&recorder->lock);
}

/* The writer's next segment, 0 or 1; -1 = none within the time, -2 = there will be none. */
int anaros_recorder_next(struct recorder *recorder, int timeout_ms)
{
	uint64_t at = anaros_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
	struct timespec until = {.tv_sec = (time_t)(at / 1000000000),
				 .tv_nsec = (long)(at % 1000000000)};
	int place;

	pthread_mutex_lock(&recorder->lock);
	while (recorder->full < 0 && !recorder->finished)
		if (pthread_cond_timedwait(&recorder->changed, &recorder->lock, &until) != 0)
			break;
	place = recorder->full;
	if (place < 0 && recorder->finished)
		place = -2;
	recorder->full = -1;
	pthread_mutex_unlock(&recorder->lock);
	return place;
}

/*
 * The calling thread, the writer, runs only where nobody else wants to (true),
 * or as any other (false). Not where it could not take that back, and not
 * while the drain waits for it.
 */
void anaros_recorder_yield(struct recorder *recorder, bool yields)
{
	pthread_mutex_lock(&recorder->lock);
	recorder->writer = pthread_self();
	if (yields && recorder->may_yield && !recorder->hurry)
		recorder->yields = set_policy(recorder->writer, SCHED_IDLE);
	if (!yields && recorder->yields) {
		set_policy(recorder->writer, SCHED_OTHER);
		recorder->yields = false;
	}
	pthread_mutex_unlock(&recorder->lock);
}

/* The segment is durable and may be filled again; or it cannot be kept, and nothing more will. */
void anaros_recorder_written(struct recorder *recorder, int place, bool kept)
{
	pthread_mutex_lock(&recorder->lock);
	if (kept) {
		anaros_segment_reset(recorder->segments[place],
				     recorder->segments[place]->header->sequence);
		recorder->busy[place] = false;
		recorder->hurry = recorder->finished;
		put_ahead(recorder, false);
	} else {
		recorder->failed = true;
		recorder->arena->control->recording = 0;
	}
	pthread_cond_broadcast(&recorder->changed);
	pthread_mutex_unlock(&recorder->lock);
}
