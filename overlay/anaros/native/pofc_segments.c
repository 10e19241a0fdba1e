// SPDX-License-Identifier: Apache-2.0
/* Segments of program order, and the calls of those that have an owner. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <string.h>

#include "anaros/kinds.h"
#include "pofc.h"

/* Fills one segment: the calls from `start` to before `stop`. */
static void fill_segment(const struct pofc_calls *calls, struct pofc_segments *segments,
			 uint64_t at, uint64_t start, uint64_t stop, uint8_t kind)
{
	int32_t thread = calls->thread[start];
	uint64_t signal = stop;
	int64_t opened = calls->start_ns[start], closed;
	bool works = false;

	for (uint64_t i = start; i < stop; i++) {
		works |= calls->role[i] >= POFC_ROLE_WORK && calls->role[i] <= POFC_ROLE_ANCHOR;
		if (calls->role[i] == POFC_ROLE_SIGNAL && signal == stop)
			signal = i;
		segments->number[i] = (int32_t)at;
	}
	if (kind == POFC_BEGINS_POLL || kind == POFC_BEGINS_IDLE)
		opened = calls->end_ns[start];
	else if (start > 0 && calls->thread[start - 1] == thread &&
		 calls->end_ns[start - 1] < opened)
		opened = calls->end_ns[start - 1];
	if (signal < stop)
		closed = calls->start_ns[signal];
	else if (stop < calls->count && calls->thread[stop] == thread)
		closed = calls->start_ns[stop];
	else
		closed = calls->end_ns[stop - 1];
	segments->start[at] = (int64_t)start;
	segments->kind[at] = kind;
	segments->thread[at] = thread;
	segments->opened_ns[at] = opened;
	segments->closed_ns[at] = closed > opened ? closed : opened;
	segments->works[at] = works;
	segments->signals[at] = signal < stop;
	segments->receives[at] = calls->kind[start] == ANAROS_KIND_NET_RECV;
}

void anaros_pofc_segments(const struct pofc_calls *calls, const uint8_t *mark,
			  struct pofc_segments *segments)
{
	uint64_t start = 0, at = 0;

	/* A thread begins with a mark, so the first call has one. */
	for (uint64_t i = 1; i <= calls->count && at < segments->count; i++) {
		if (i < calls->count && mark[i] == 0)
			continue;
		fill_segment(calls, segments, at++, start, i, mark[start]);
		start = i;
	}
}

struct start {
	int64_t source;
	uint8_t evidence;
};

void anaros_pofc_connect(const struct pofc_calls *calls, const struct pofc_segments *segments,
			 const uint8_t *front, int64_t *source, uint8_t *evidence)
{
	const struct start nothing = {-1, 0};
	struct start by_front = nothing, by_anyone = nothing;

	for (uint64_t i = 0; i < segments->count; i++) {
		struct start mine = {source[i], evidence[i]};
		/*
		 * Waits of one thread with nothing done between them are one
		 * idle time: what counts is the last one that a front thread
		 * ended, else the last one that any thread ended.
		 */
		bool goes_on = i > 0 && segments->kind[i] == POFC_BEGINS_IDLE &&
			       !segments->works[i - 1] && !segments->signals[i - 1] &&
			       segments->thread[i - 1] == segments->thread[i];

		if (!goes_on)
			by_front = by_anyone = nothing;
		if (mine.source >= 0) {
			by_anyone = mine;
			if (front[calls->thread[mine.source]])
				by_front = mine;
		}
		mine = by_front.source >= 0 ? by_front : by_anyone;
		if (front[segments->thread[i]])
			mine = nothing;
		source[i] = mine.source;
		evidence[i] = mine.evidence;
	}
}

/* From how many each request has to where each begins. */
static void begin_at(int64_t *first, uint64_t requests)
{
	for (uint64_t i = 0; i < requests; i++)
		first[i + 1] += first[i];
}

/* Filling moved each to where the next one begins. */
static void end_at(int64_t *first, uint64_t requests)
{
	memmove(first + 1, first, requests * sizeof(*first));
	first[0] = 0;
}

void anaros_pofc_owned(const struct pofc_segments *segments, uint64_t calls, const int64_t *owner,
		       uint64_t requests, int64_t *first, int32_t *owned)
{
	if (owned == NULL)
		memset(first, 0, (requests + 1) * sizeof(*first));
	for (uint64_t i = 0; i < segments->count; i++) {
		int64_t begin = segments->start[i];
		int64_t end = i + 1 < segments->count ? segments->start[i + 1] : (int64_t)calls;

		if (owner[i] < 0)
			continue;
		if (segments->kind[i] == POFC_BEGINS_POLL || segments->kind[i] == POFC_BEGINS_IDLE)
			begin++;
		if (owned == NULL)
			first[owner[i] + 1] += end - begin;
		else
			for (int64_t call = begin; call < end; call++)
				owned[first[owner[i]]++] = (int32_t)call;
	}
	if (owned == NULL)
		begin_at(first, requests);
	else
		end_at(first, requests);
}

/*
 * What a thread did before it received a request was not for it: a segment
 * that begins with a receive has no such time, unless the thread was with
 * the same request before.
 */
static bool turns_to(const struct pofc_segments *segments, const int64_t *owner, uint64_t i)
{
	return owner[i] >= 0 && (!segments->receives[i] ||
				 (i > 0 && segments->thread[i] == segments->thread[i - 1] &&
				  owner[i] == owner[i - 1]));
}

void anaros_pofc_turns(const struct pofc_segments *segments, const int64_t *owner,
		       uint64_t requests, int64_t *first, int32_t *turns)
{
	if (turns == NULL)
		memset(first, 0, (requests + 1) * sizeof(*first));
	for (uint64_t i = 0; i < segments->count; i++) {
		if (!turns_to(segments, owner, i))
			continue;
		if (turns == NULL)
			first[owner[i] + 1]++;
		else
			turns[first[owner[i]]++] = (int32_t)i;
	}
	if (turns == NULL)
		begin_at(first, requests);
	else
		end_at(first, requests);
}
