// SPDX-License-Identifier: Apache-2.0
/* What the scheduler and the device did for the calls, in the order of time. */
#define _GNU_SOURCE
#include <stdbool.h>

#include "anaros/kinds.h"
#include "anaros/record.h"
#include "anaros/switch.h"
#include "pofc.h"
#include "pofc_map.h"
#include "pofc_time.h"

/* A time off the CPU that is longer counts as this long. */
#define LONGEST_NS (1ull << 44)

#define UNINTERRUPTIBLE 2

/*
 * Is a sleep outside of any call that was seen one for I/O? One in a page fault
 * has a record of its own; where it is not known what it was in, one that cannot
 * be interrupted is I/O.
 */
static bool for_io(const struct pofc_columns *columns, uint64_t at)
{
	switch (columns->address[at] & 0xffff) {
	case ANAROS_WAIT_POLL:
	case ANAROS_WAIT_IO:
	case ANAROS_WAIT_SOCKET:
	case ANAROS_WAIT_RING:
		return true;
	case ANAROS_WAIT_FAULT:
		return false;
	default:
		return columns->status[at] == UNINTERRUPTIBLE;
	}
}

/* Of the types of descriptor only those above 3 have this bit. */
#define NEITHER_FILE_NOR_SOCKET 0x0004

uint64_t anaros_pofc_survey(const struct pofc_columns *columns, const uint8_t *role_of,
			    uint64_t first, uint64_t end, uint8_t *roles,
			    struct pofc_places *places)
{
	uint64_t sockets = places->socket_count, polls = places->poll_count;
	uint64_t others = places->other_count, off_cpu = 0;

	for (uint64_t i = first; i < end; i++) {
		uint8_t role = role_of[columns->kind[i]];

		roles[i] = role;
		off_cpu += role == POFC_ROLE_OFFCPU;
		/* Written in any case, kept if it is one: no branch to guess. */
		places->sockets[sockets] = (int64_t)i;
		sockets += role == POFC_ROLE_NET;
		places->polls[polls] = (int64_t)i;
		polls += role == POFC_ROLE_POLL;
		places->others[others] = (int64_t)i;
		others += (columns->flags[i] & NEITHER_FILE_NOR_SOCKET) != 0;
	}
	places->socket_count = sockets;
	places->poll_count = polls;
	places->other_count = others;
	return off_cpu;
}

static void add(int64_t *sum, uint64_t value)
{
	*sum = pofc_time((uint64_t)*sum + value);
}

void anaros_pofc_off_cpu(const struct pofc_columns *columns, const uint8_t *roles,
			 const int32_t *call, const struct pofc_calls *calls,
			 struct pofc_off_cpu *off)
{
	for (uint64_t i = 0; i < columns->count; i++) {
		uint64_t duration = columns->duration_ns[i];
		bool queued = roles[i] == POFC_ROLE_RUNQUEUE;
		struct pofc_off_cpu *mine;

		if ((!queued && roles[i] != POFC_ROLE_OFFCPU) || call[i] < 0)
			continue;
		mine = &off[call[i]];
		duration = duration < LONGEST_NS ? duration : LONGEST_NS;
		if (pofc_time(columns->start_ns[i]) < calls->end_ns[call[i]]) {
			add(queued ? &mine->within_queued : &mine->within, duration);
			continue;
		}
		add(queued ? &mine->after_queued : &mine->after, duration);
		if (!queued && for_io(columns, i))
			add(&mine->asleep, duration);
	}
}

static struct pofc_stall *stall_of(struct pofc_stalls *stalls, int32_t call)
{
	if (stalls->of[call] < 0)
		stalls->of[call] = (int32_t)stalls->count++;
	return &stalls->stall[stalls->of[call]];
}

void anaros_pofc_stalls(const struct pofc_columns *columns, const uint8_t *roles,
			const int32_t *call, const struct pofc_calls *calls,
			struct pofc_stalls *stalls)
{
	for (uint64_t i = 0; i < columns->count; i++) {
		uint64_t duration = columns->duration_ns[i];
		int64_t start = pofc_time(columns->start_ns[i]);
		struct pofc_stall *mine;
		bool after, inside;

		if (roles[i] < POFC_ROLE_OFFCPU || call[i] < 0 ||
		    (roles[i] < POFC_ROLE_THROTTLE && stalls->of[call[i]] < 0))
			continue;
		mine = stall_of(stalls, call[i]);
		after = start >= calls->end_ns[call[i]];
		inside = start < mine->until_ns;
		duration = duration < LONGEST_NS ? duration : LONGEST_NS;
		if (roles[i] == POFC_ROLE_THROTTLE)
			add(&mine->throttled[after], duration);
		if (roles[i] == POFC_ROLE_THROTTLE || roles[i] == POFC_ROLE_RUNQUEUE) {
			if (inside)
				add(&mine->queued[after], duration);
		} else if (roles[i] == POFC_ROLE_OFFCPU) {
			if (inside && mine->stalling)
				add(&mine->off[after], duration);
		} else if (!inside) {
			mine->stalling = roles[i] == POFC_ROLE_STALL;
			mine->until_ns = pofc_time((uint64_t)start + duration);
			add(&mine->memory[after], duration);
			if (mine->stalling)
				add(&mine->stalled[after], duration);
		}
	}
}

/* Calls of one process on one queue with one handle, and the work that they enqueued. */
struct lane {
	uint32_t calls;
	uint32_t works;
	uint32_t next; /* where its next call goes, then where they end */
};

struct device {
	struct map queues;  /* handles of queues */
	struct map handles; /* of kernels, and host sides of copies */
	struct map places;  /* process and queue */
	struct map lanes;   /* place and handle */
	uint32_t *records;  /* places in the columns of work and calls */
	int32_t *lane;      /* of each of them; ~lane for a call */
	uint32_t count;
	struct lane *totals;
	uint32_t *calls; /* places in the columns, lane by lane */
};

enum part { NO_PART, CALL, WORK };

/* Whether a record is a call or work, and of which of the two sorts: kernels 0, copies 1. */
static enum part part_of(uint16_t kind, unsigned int *sort)
{
	switch (kind) {
	case ANAROS_KIND_GPU_LAUNCH:
		*sort = 0;
		return CALL;
	case ANAROS_KIND_GPU_COPY_H2D:
	case ANAROS_KIND_GPU_COPY_D2H:
	case ANAROS_KIND_GPU_COPY:
		*sort = 1;
		return CALL;
	case ANAROS_KIND_GPU_EXECUTE:
		*sort = 0;
		return WORK;
	case ANAROS_KIND_GPU_TRANSFER:
		*sort = 1;
		return WORK;
	default:
		return NO_PART;
	}
}

static int64_t lane_of(struct device *device, const struct pofc_columns *columns, uint64_t i,
		       unsigned int sort)
{
	int64_t queue = map_number(&device->queues, columns->object[i]);
	int64_t handle = map_number(&device->handles, columns->address[i]);
	int64_t place;

	if (queue < 0 || handle < 0)
		return -ENOMEM;
	/* There are fewer than 2^31 records, so that both words hold what they join. */
	place = map_number(&device->places, (uint64_t)columns->pid[i] << 32 | (uint64_t)queue);
	if (place < 0)
		return -ENOMEM;
	return map_number(&device->lanes, (uint64_t)place << 32 | (uint64_t)handle << 1 | sort);
}

static bool is_device(const struct pofc_columns *columns, uint64_t i)
{
	return columns->kind[i] >> 8 == ANAROS_KIND_GPU_LAUNCH >> 8;
}

static int find_lanes(struct device *device, const struct pofc_columns *columns)
{
	uint64_t room = 0;

	for (uint64_t i = 0; i < columns->count; i++)
		room += is_device(columns, i);
	device->records = malloc((room + 1) * sizeof(*device->records));
	device->lane = malloc((room + 1) * sizeof(*device->lane));
	if (device->records == NULL || device->lane == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i < columns->count; i++) {
		unsigned int sort = 0;
		enum part part;
		int64_t lane;

		if (!is_device(columns, i) || columns->flags[i] & ANAROS_FLAG_CAPTURE)
			continue;
		part = part_of(columns->kind[i], &sort);
		if (part == NO_PART)
			continue;
		lane = lane_of(device, columns, i, sort);
		if (lane < 0)
			return -ENOMEM;
		device->records[device->count] = (uint32_t)i;
		device->lane[device->count++] = (int32_t)(part == CALL ? ~lane : lane);
	}
	return 0;
}

/* The calls lane by lane, each in the order of time. */
static int sort_calls(struct device *device)
{
	uint32_t first = 0;

	device->totals = calloc(device->lanes.used + 1ull, sizeof(*device->totals));
	device->calls = malloc((device->count + 1ull) * sizeof(*device->calls));
	if (device->totals == NULL || device->calls == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < device->count; i++)
		if (device->lane[i] < 0)
			device->totals[~device->lane[i]].calls++;
	for (uint32_t i = 0; i < device->lanes.used; i++) {
		device->totals[i].next = first;
		first += device->totals[i].calls;
	}
	for (uint32_t i = 0; i < device->count; i++)
		if (device->lane[i] < 0)
			device->calls[device->totals[~device->lane[i]].next++] = device->records[i];
	return 0;
}

/* The clocks of the two may differ by so much. */
#define APART_NS 20000
/* Calls on either side of a time that are looked at. */
#define LOOKED_AT 64

static bool enqueues(uint16_t kind, unsigned int sort)
{
	unsigned int of = 2;

	if (kind == ANAROS_KIND_GPU_GRAPH)
		return true;
	if (kind == ANAROS_KIND_GPU_MEMSET || kind == ANAROS_KIND_GPU_COPY_D2D)
		return sort == 1;
	return part_of(kind, &of) == CALL && of == sort;
}

/* The calls of a thread: from *first to before *end. */
static void calls_of(const struct pofc_calls *calls, uint32_t pid, uint32_t tid, int64_t *first,
		     int64_t *end)
{
	uint64_t low = 0, high = calls->threads;

	*first = *end = 0;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (calls->tid[middle] < tid ||
		    (calls->tid[middle] == tid && calls->pid[middle] < pid))
			low = middle + 1;
		else
			high = middle;
	}
	if (low < calls->threads && calls->tid[low] == tid && calls->pid[low] == pid) {
		*first = calls->first[low];
		*end = calls->first[low + 1];
	}
}

static uint64_t distance(const struct pofc_calls *calls, int64_t at, int64_t time)
{
	if (time < calls->start_ns[at])
		return (uint64_t)calls->start_ns[at] - (uint64_t)time;
	return time > calls->end_ns[at] ? (uint64_t)time - (uint64_t)calls->end_ns[at] : 0;
}

/* The call that work says it is of: of its thread, the nearest to when it was enqueued. */
static int64_t call_at(const struct pofc_columns *columns, const struct pofc_calls *calls,
		       uint64_t work, unsigned int sort)
{
	int64_t time = pofc_time(columns->start_ns[work] - columns->context[work]);
	int64_t first, end, low, high, best = -1;
	uint64_t nearest = APART_NS + 1;

	calls_of(calls, columns->pid[work], columns->tid[work], &first, &end);
	for (low = first, high = end; low < high;) {
		int64_t middle = low + (high - low) / 2;

		if (calls->start_ns[middle] <= time)
			low = middle + 1;
		else
			high = middle;
	}
	for (int64_t at = low - LOOKED_AT; at < low + LOOKED_AT; at++) {
		if (at < first || at >= end || !enqueues(calls->kind[at], sort) ||
		    columns->flags[calls->position[at]] & ANAROS_FLAG_CAPTURE)
			continue;
		if (distance(calls, at, time) < nearest) {
			nearest = distance(calls, at, time);
			best = at;
		}
	}
	return best;
}

static void add_run(struct pofc_runs *runs, int64_t call, uint32_t at)
{
	runs->position[runs->count] = (int32_t)at;
	runs->next[runs->count] = runs->first[call];
	runs->first[call] = (int32_t)runs->count++;
}

static void pair_work(const struct device *device, const struct pofc_columns *columns,
		      const struct pofc_calls *calls, const int32_t *call, struct pofc_runs *runs)
{
	for (uint32_t i = 0; i < device->count; i++) {
		uint32_t at = device->records[i], by;
		struct lane *lane;
		unsigned int sort = 0;

		if (device->lane[i] < 0)
			continue;
		lane = &device->totals[device->lane[i]];
		if (lane->calls == 0 && columns->context[at] != 0) {
			int64_t mine;

			part_of(columns->kind[at], &sort);
			mine = call_at(columns, calls, at, sort);
			if (mine >= 0)
				add_run(runs, mine, at);
			continue;
		}
		if (lane->works == lane->calls)
			continue;
		by = device->calls[lane->next - lane->calls + lane->works++];
		/* Work that began before its call is not that call's. */
		if (columns->start_ns[at] >= columns->start_ns[by] && call[by] >= 0)
			add_run(runs, call[by], at);
	}
}

int anaros_pofc_device(const struct pofc_columns *columns, const struct pofc_calls *calls,
		       const int32_t *call, struct pofc_runs *runs)
{
	struct device device = {0};
	int error = -ENOMEM;

	if (columns->count <= INT32_MAX && map_init(&device.queues) == 0 &&
	    map_init(&device.handles) == 0 && map_init(&device.places) == 0 &&
	    map_init(&device.lanes) == 0 && find_lanes(&device, columns) == 0 &&
	    sort_calls(&device) == 0) {
		pair_work(&device, columns, calls, call, runs);
		error = 0;
	}
	map_free(&device.queues);
	map_free(&device.handles);
	map_free(&device.places);
	map_free(&device.lanes);
	free(device.records);
	free(device.lane);
	free(device.totals);
	free(device.calls);
	return error;
}
