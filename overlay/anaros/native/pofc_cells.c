// SPDX-License-Identifier: Apache-2.0
/*
 * The calls of a request, the turns of threads to it and what the device did
 * for it cut its time into cells; see pofc/stages.py for what a cell means.
 * Times are ns since the request began, cut to it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "anaros/kinds.h"
#include "anaros/record.h"
#include "pofc_cells.h"
#include "pofc_time.h"

#define NO_SEGMENT (-1)
/* A mark of the device leaves the segment as it was. */
#define SAME_SEGMENT (-2)

/*
 * The value of a mark: a segment (or one of the above); whether the device
 * begins (1) or ends (-1) what a layer says, or neither.
 */
static uint64_t packed(int32_t segment, int delta, uint8_t layer)
{
	return (uint64_t)(uint32_t)segment << 32 | (uint64_t)(delta + 1) << 8 | layer;
}

static int32_t segment_of(uint64_t mark)
{
	return (int32_t)(uint32_t)(mark >> 32);
}

static int delta_of(uint64_t mark)
{
	return (int)(mark >> 8 & 255) - 1;
}

static uint8_t layer_of(uint64_t mark)
{
	return mark & 255;
}

/* Where a time lies in the request. */
static int64_t place_of(const struct work *work, int64_t time)
{
	return most(least(time - work->start_ns, work->lasts_ns), 0);
}

/* Room for so many; what was there is gone. */
static int make_room(struct work *work, uint64_t calls, uint64_t marks)
{
	if (calls > work->call_room || marks > work->mark_room) {
		if (calls > work->call_room)
			work->call_room = calls + calls / 2;
		if (marks > work->mark_room)
			work->mark_room = marks + marks / 2;
		work->cell_room = work->call_room + work->mark_room;
		free(work->calls);
		free(work->marks);
		free(work->scratch);
		free(work->cells);
		work->calls = malloc((work->call_room + 1) * sizeof(*work->calls));
		work->marks = malloc(work->mark_room * sizeof(*work->marks));
		work->scratch = malloc(work->cell_room * sizeof(*work->scratch));
		work->cells = malloc(work->cell_room * sizeof(*work->cells));
	}
	return work->calls && work->marks && work->scratch && work->cells ? 0 : -ENOMEM;
}

/*
 * How many marks the device makes for a call. What is needed of a call lies
 * far from what is needed of the one before: it is asked for all at once.
 */
static uint64_t look_ahead(const struct pofc_known *known, int32_t call)
{
	int32_t run = known->runs->first[call], position = known->calls->position[call];
	uint64_t marks = 0;

	if (known->off != NULL)
		__builtin_prefetch(&known->off[call]);
	__builtin_prefetch(&known->owner[position], 1);
	__builtin_prefetch(&known->evidence[position], 1);
	for (; run >= 0; run = known->runs->next[run]) {
		int32_t at = known->runs->position[run];

		__builtin_prefetch(&known->columns->start_ns[at]);
		__builtin_prefetch(&known->columns->duration_ns[at]);
		__builtin_prefetch(&known->owner[at], 1);
		marks += 2;
	}
	if (marks != 0)
		marks += 2;
	if (known->spells != NULL)
		for (int32_t i = known->spells->first[call]; i >= 0; i = known->spells->next[i])
			marks += 2;
	return marks;
}

/* The calls that lasted into the request, by start; and room for all that follows. */
static int take_calls(struct work *work, uint64_t request)
{
	const struct pofc_known *known = work->known;
	const struct pofc_calls *calls = known->calls;
	int64_t begin = known->first[request], end = known->first[request + 1];
	uint64_t marks =
	    1 + (uint64_t)(known->first_turn[request + 1] - known->first_turn[request]);

	for (int64_t i = begin; i < end; i++)
		marks += look_ahead(known, known->owned[i]);
	if (make_room(work, (uint64_t)(end - begin), marks) < 0)
		return -ENOMEM;
	work->call_count = 0;
	for (int64_t i = begin; i < end; i++) {
		int32_t call = known->owned[i];

		if (calls->start_ns[call] - work->start_ns > work->lasts_ns ||
		    calls->end_ns[call] < work->start_ns)
			continue;
		work->calls[work->call_count++] =
		    (struct entry){calls->position[call], (uint64_t)call};
	}
	pofc_sort(work->calls, work->scratch, work->call_count);
	return 0;
}

static void put_mark(struct work *work, int64_t time, uint64_t mark)
{
	work->marks[work->mark_count++] = (struct entry){place_of(work, time), mark};
}

static uint8_t layer_by(uint16_t kind)
{
	switch (kind) {
	case ANAROS_KIND_GPU_COPY_H2D:
	case ANAROS_KIND_GPU_COPY:
	case ANAROS_KIND_GPU_MEMSET:
		return UPLOADS;
	case ANAROS_KIND_GPU_COPY_D2H:
		return DOWNLOADS;
	default:
		return RUNS;
	}
}

static int64_t end_of(const struct pofc_columns *columns, int32_t at)
{
	/* Hostile times wrap. */
	return pofc_time(columns->start_ns[at]) + pofc_time(columns->duration_ns[at]);
}

/* The chain of a call belongs to its request; returns when its last run ends. */
static int64_t take_runs(const struct pofc_known *known, int32_t run, uint64_t request,
			 int64_t *evidence)
{
	int64_t last = INT64_MIN;

	for (; run >= 0; run = known->runs->next[run]) {
		int32_t at = known->runs->position[run];

		known->owner[at] = (int32_t)request;
		known->evidence[at] = known->device_order;
		evidence[known->device_order]++;
		last = most(last, end_of(known->columns, at));
	}
	return last;
}

/* Where what the device did for the calls is queued, begins and ends: each sorted, mostly. */
static void mark_device(struct work *work, uint64_t request, int64_t *evidence)
{
	const struct pofc_known *known = work->known;
	const struct pofc_runs *runs = known->runs;

	for (uint64_t i = 0; i < work->call_count; i++) {
		int32_t call = (int32_t)work->calls[i].value;
		int64_t last = take_runs(known, runs->first[call], request, evidence);

		if (runs->first[call] < 0 || layer_by(known->calls->kind[call]) != RUNS)
			continue;
		/* A kernel is queued until it ends, a graph until its last node does. */
		put_mark(work, known->calls->start_ns[call], packed(SAME_SEGMENT, 1, QUEUED));
		put_mark(work, last, packed(SAME_SEGMENT, -1, QUEUED));
	}
	for (int delta = 1; delta >= -1; delta -= 2) {
		for (uint64_t i = 0; i < work->call_count; i++) {
			int32_t call = (int32_t)work->calls[i].value;
			uint8_t layer = layer_by(known->calls->kind[call]);

			for (int32_t run = runs->first[call]; run >= 0; run = runs->next[run]) {
				int32_t at = runs->position[run];
				int64_t time = delta < 0 ? end_of(known->columns, at)
							 : pofc_time(known->columns->start_ns[at]);

				put_mark(work, time, packed(SAME_SEGMENT, delta, layer));
			}
		}
	}
}

/* Where what the device surely did for the calls begins and ends. */
static void mark_spells(struct work *work)
{
	const struct pofc_spells *spells = work->known->spells;

	for (uint64_t i = 0; spells != NULL && i < work->call_count; i++) {
		int32_t spell = spells->first[(int32_t)work->calls[i].value];

		for (; spell >= 0; spell = spells->next[spell]) {
			uint8_t layer = spells->layer[spell];

			put_mark(work, spells->begin_ns[spell], packed(SAME_SEGMENT, 1, layer));
			put_mark(work, spells->end_ns[spell], packed(SAME_SEGMENT, -1, layer));
		}
	}
}

static void make_marks(struct work *work, uint64_t request, int64_t *evidence)
{
	const struct pofc_known *known = work->known;

	work->mark_count = 0;
	put_mark(work, work->start_ns, packed(NO_SEGMENT, 0, 0));
	for (int64_t i = known->first_turn[request]; i < known->first_turn[request + 1]; i++) {
		int32_t segment = known->turns[i];

		put_mark(work, known->segments->opened_ns[segment], packed(segment, 0, 0));
	}
	mark_device(work, request, evidence);
	mark_spells(work);
	pofc_sort(work->marks, work->scratch, work->mark_count);
}

/* Why a call waits for all of its time; NO_CAUSE if it does not. */
static uint8_t cause_of(const struct pofc_known *known, int32_t call, uint64_t at)
{
	const struct pofc_columns *columns = known->columns;
	int64_t lasts = known->calls->end_ns[call] - known->calls->start_ns[call];
	uint16_t kind = known->calls->kind[call];
	bool stuck = false;

	switch (known->blocks[kind]) {
	case POFC_BLOCKS_ALWAYS:
		stuck = true;
		break;
	case POFC_BLOCKS_UNLESS_ASYNC:
		stuck = !(columns->flags[at] & ANAROS_FLAG_ASYNC);
		break;
	case POFC_BLOCKS_SLOW:
		stuck = lasts > known->slow_ns + pofc_time(columns->size_bytes[at]);
		break;
	case POFC_BLOCKS_LONG:
		stuck = lasts > known->blocked_ns;
		break;
	default:
		break;
	}
	return stuck ? known->cause[kind] : NO_CAUSE;
}

/* What is written to a file is kept, and what is sent on a connection leaves. */
static uint8_t code_of(const struct pofc_known *known, int32_t call, uint64_t at)
{
	uint8_t code = known->code[known->calls->kind[call]], role = known->calls->role[call];

	if (known->calls->kind[call] == ANAROS_KIND_GPU_STORAGE)
		return known->columns->flags[at] & ANAROS_STORAGE_WRITE ? POFC_CODE_WRITTEN
									: POFC_CODE_STAGING;
	if (code == POFC_CODE_WRITE) {
		uint16_t type = known->columns->flags[at] & ANAROS_FLAG_FD_TYPE_MASK;
		bool regular = type == 0 || type == 1 || type == 6;

		return regular && role != POFC_ROLE_SIGNAL ? POFC_CODE_WRITTEN : POFC_CODE_NEUTRAL;
	}
	if (code == POFC_CODE_SEND)
		return role == POFC_ROLE_SIGNAL || role == POFC_ROLE_NET ? POFC_CODE_NEUTRAL
									 : POFC_CODE_EGRESS;
	return code;
}

/* What a wait waits for, and which way maps and copies go: from the device's calls before. */
static uint8_t decided(struct work *work, uint8_t code, int32_t call, uint16_t flags)
{
	const struct pofc_runs *runs = work->known->runs;
	bool stays;

	if (code == POFC_CODE_SIDE)
		code = work->launched ? POFC_CODE_OUTPUT : POFC_CODE_STAGING;
	/* What is enqueued behind a kernel that runs for who knows how long is waited for with it.
	 */
	stays = work->told == POFC_CODE_LAUNCH && !work->seen && code != POFC_CODE_LAUNCH &&
		(code == POFC_CODE_STAGING || flags & ANAROS_FLAG_ASYNC);
	if (code == POFC_CODE_SYNC) {
		code = work->told == POFC_CODE_LAUNCH ? POFC_CODE_DEVICE : work->told;
		work->told = code;
	} else if (code >= POFC_CODE_STAGING && code <= POFC_CODE_OUTPUT && !stays) {
		work->told = code;
		work->seen = runs->first[call] >= 0;
	}
	work->launched |= code == POFC_CODE_LAUNCH;
	if (code == POFC_CODE_STAGING || code == POFC_CODE_LAUNCH)
		work->last = (int64_t)work->cell_count;
	return code;
}

static void put_call(struct work *work, uint64_t request, int32_t call, uint8_t layer,
		     int64_t *evidence)
{
	const struct pofc_known *known = work->known;
	const struct pofc_calls *calls = known->calls;
	uint64_t at = (uint64_t)calls->position[call];
	uint16_t kind = calls->kind[call];
	int32_t segment = known->segments->number[call];
	uint8_t proof =
	    calls->role[call] == POFC_ROLE_ANCHOR ? known->connection : known->proof[segment];

	work->cells[work->cell_count] = (struct cell){
	    .begin = place_of(work, calls->start_ns[call]),
	    .lasts = place_of(work, calls->end_ns[call]),
	    .call = call,
	    .segment = segment,
	    .code = decided(work, code_of(known, call, at), call, known->columns->flags[at]),
	    .cause = cause_of(known, call, at),
	    .layer = layer,
	    /* A thread that waits for a lock covers nothing: who it waits for is at work. */
	    .covers = kind != ANAROS_KIND_SYNC_WAIT,
	    .signal = calls->role[call] == POFC_ROLE_SIGNAL,
	};
	work->cell_count++;
	known->owner[at] = (int32_t)request;
	known->evidence[at] = proof;
	evidence[proof]++;
}

static void put_place(struct work *work, const struct entry *mark, uint8_t layer)
{
	int32_t segment = segment_of(mark->value);
	uint64_t at = work->cell_count++;

	work->cells[at] = (struct cell){
	    .begin = mark->key,
	    .lasts = mark->key,
	    .call = -1,
	    .segment = segment == SAME_SEGMENT ? work->cells[at - 1].segment : segment,
	    .code = segment == NO_SEGMENT ? POFC_CODE_EDGE : POFC_CODE_NEUTRAL,
	    .cause = NO_CAUSE,
	    .layer = layer,
	    .turn = segment >= 0,
	    .covers = true,
	};
}

/* What the device does from a mark on; 0 for nothing. */
static uint8_t layer_from(int64_t depth[LAYERS], uint64_t mark)
{
	depth[layer_of(mark)] += delta_of(mark);
	for (uint8_t layer = 0; layer < LAYERS; layer++)
		if (depth[layer] > 0)
			return layer + 1;
	return 0;
}

/* Calls and marks in one row; where both begin at a place the mark comes first. */
static void make_cells(struct work *work, uint64_t request, int64_t *evidence)
{
	const int64_t *start_ns = work->known->calls->start_ns;
	int64_t depth[LAYERS] = {0};
	uint64_t mark = 0;
	uint8_t layer = 0;

	work->cell_count = 0;
	work->told = POFC_CODE_DEVICE;
	work->seen = false;
	work->launched = false;
	work->last = -1;
	for (uint64_t i = 0; i <= work->call_count; i++) {
		int32_t call = i < work->call_count ? (int32_t)work->calls[i].value : -1;
		int64_t begin = call < 0 ? work->lasts_ns : place_of(work, start_ns[call]);

		for (; mark < work->mark_count && work->marks[mark].key <= begin; mark++) {
			layer = layer_from(depth, work->marks[mark].value);
			put_place(work, &work->marks[mark], layer);
		}
		if (call >= 0)
			put_call(work, request, call, layer, evidence);
	}
}

/* What reads and signals say follows from what comes after them. */
static void decide_rest(struct work *work)
{
	uint8_t after = POFC_CODE_EDGE;

	for (int64_t i = (int64_t)work->cell_count - 1; i >= 0; i--) {
		struct cell *cell = &work->cells[i];

		cell->after = after;
		if (cell->code == POFC_CODE_READ)
			cell->code =
			    work->last < 0 || i < work->last ? POFC_CODE_INGEST : POFC_CODE_NEUTRAL;
		/* The signal that the reply follows is where the reply begins to leave. */
		if (cell->signal && after == POFC_CODE_EGRESS && cell->code == POFC_CODE_NEUTRAL)
			cell->code = POFC_CODE_EGRESS;
		if (cell->code != POFC_CODE_NEUTRAL)
			after = cell->code;
	}
}

int pofc_make_cells(struct work *work, uint64_t request, int64_t *evidence)
{
	int error = take_calls(work, request);

	if (error < 0)
		return error;
	make_marks(work, request, evidence);
	make_cells(work, request, evidence);
	decide_rest(work);
	return 0;
}

void pofc_free_cells(struct work *work)
{
	free(work->calls);
	free(work->marks);
	free(work->scratch);
	free(work->cells);
}
