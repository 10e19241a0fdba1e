// SPDX-License-Identifier: Apache-2.0
/*
 * Splits the time of requests into stages and waits, one request at a time.
 *
 * The calls of a request, the turns of threads to it and what the device did
 * for it cut its time into cells; see pofc/stages.py and pofc/waits.py for
 * what a cell means. Times are ns since the request began, cut to it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "anaros/kinds.h"
#include "anaros/record.h"
#include "pofc.h"
#include "pofc_sort.h"
#include "pofc_time.h"

/* The codes before this one have a stage of their own. */
#define OWN_CODES POFC_CODE_NEUTRAL
/* The codes before this one are decided. */
#define DECIDED_CODES POFC_CODE_READ

#define NO_CAUSE   255
#define NO_SEGMENT (-1)
/* A mark of the device leaves the segment as it was. */
#define SAME_SEGMENT (-2)

/* What the device does, the first of these that it does, each + 1 in a cell. */
enum layer { RUNS, UPLOADS, DOWNLOADS, QUEUED, LAYERS };

static const uint8_t layer_stage[LAYERS] = {
    [RUNS] = POFC_STAGE_EXECUTE,
    [UPLOADS] = POFC_STAGE_STAGING,
    [DOWNLOADS] = POFC_STAGE_POSTPROCESS,
    [QUEUED] = POFC_STAGE_EXECUTE,
};

/* From the start of a call, or a mark, to the start of the next. */
struct cell {
	int64_t begin;
	int64_t lasts; /* the end of the call */
	int32_t call;  /* -1: a mark */
	int32_t segment;
	uint8_t code;
	uint8_t after; /* the code after it that says something */
	uint8_t own;   /* stage of the call */
	uint8_t gap;   /* stage of the gap behind it */
	uint8_t cause; /* why the call waits for all of its time */
	uint8_t layer;
	bool turn;   /* a thread turned to the request here */
	bool covers; /* the request does this call while it lasts, whatever begins */
};

struct work {
	const struct pofc_known *known;
	struct entry *calls;   /* by place in the columns */
	struct entry *marks;   /* by place in the request: where no call begins */
	struct entry *scratch; /* room to sort either */
	struct cell *cells;
	uint64_t call_room;
	uint64_t mark_room;
	uint64_t cell_room;
	uint64_t call_count;
	uint64_t mark_count;
	uint64_t cell_count;
	int64_t start_ns;
	int64_t lasts_ns;
};

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

/* What a request adds up to. */
struct tally {
	int64_t total[POFC_STAGES];
	int64_t waits[POFC_STAGES][POFC_CAUSES];
	int64_t entered[POFC_STAGES];
	int32_t segment[POFC_STAGES]; /* in which the stage was entered */
};

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Where a time lies in the request. */
static int64_t place_of(const struct work *work, int64_t time)
{
	return most(least(time - work->start_ns, work->lasts_ns), 0);
}

/* Hostile times wrap; what comes out is cut to the stage in the end. */
static void add(int64_t *sum, int64_t value)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)value);
}

/* Room for so many; what was there is gone. */
static int make_room(struct work *work, uint64_t calls, uint64_t marks)
{
	if (calls > work->call_room || marks > work->mark_room) {
		work->call_room = calls + calls / 2;
		work->mark_room = marks + marks / 2;
		work->cell_room = work->call_room + work->mark_room;
		free(work->calls);
		free(work->marks);
		free(work->scratch);
		free(work->cells);
		work->calls = malloc(work->call_room * sizeof(*work->calls) + 1);
		work->marks = malloc(work->mark_room * sizeof(*work->marks));
		work->scratch = malloc(work->cell_room * sizeof(*work->scratch));
		work->cells = malloc(work->cell_room * sizeof(*work->cells));
	}
	return work->calls && work->marks && work->scratch && work->cells ? 0 : -ENOMEM;
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
		marks += known->work[known->owned[i]] >= 0 ? 4 : 0;
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
		return UPLOADS;
	case ANAROS_KIND_GPU_COPY_D2H:
		return DOWNLOADS;
	default:
		return RUNS;
	}
}

/* What the device did for the calls of the request: where all of it begins, or ends. */
static void mark_device(struct work *work, uint64_t request, int delta, int64_t *evidence)
{
	const struct pofc_known *known = work->known;

	for (uint64_t i = 0; i < work->call_count; i++) {
		int32_t call = (int32_t)work->calls[i].value, at = known->work[call];
		int64_t begin, end;
		uint8_t layer;

		if (at < 0)
			continue;
		begin = pofc_time(known->columns->start_ns[at]);
		end = begin + pofc_time(known->columns->duration_ns[at]);
		layer = layer_by(known->calls->kind[call]);
		put_mark(work, delta > 0 ? begin : end, packed(SAME_SEGMENT, delta, layer));
		if (layer == RUNS)
			put_mark(work, delta > 0 ? known->calls->start_ns[call] : end,
				 packed(SAME_SEGMENT, delta, QUEUED));
		if (delta > 0) {
			known->owner[at] = (int64_t)request;
			known->evidence[at] = known->device_order;
			evidence[known->device_order]++;
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
	mark_device(work, request, 1, evidence);
	mark_device(work, request, -1, evidence);
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

	work->cells[work->cell_count++] = (struct cell){
	    .begin = place_of(work, calls->start_ns[call]),
	    .lasts = place_of(work, calls->end_ns[call]),
	    .call = call,
	    .segment = segment,
	    .code = code_of(known, call, at),
	    .cause = cause_of(known, call, at),
	    .layer = layer,
	    /* A thread that waits for a lock covers nothing: who it waits for is at work. */
	    .covers = kind != ANAROS_KIND_SYNC_WAIT,
	};
	known->owner[at] = (int64_t)request;
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

/* What the device does where so many of each layer are open; 0 for nothing. */
static uint8_t on_top(const int64_t depth[LAYERS])
{
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

	work->cell_count = 0;
	for (uint64_t i = 0; i <= work->call_count; i++) {
		int32_t call = i < work->call_count ? (int32_t)work->calls[i].value : -1;
		int64_t begin = call < 0 ? work->lasts_ns : place_of(work, start_ns[call]);

		for (; mark < work->mark_count && work->marks[mark].key <= begin; mark++) {
			uint64_t value = work->marks[mark].value;

			depth[layer_of(value)] += delta_of(value);
			put_place(work, &work->marks[mark], on_top(depth));
		}
		if (call >= 0)
			put_call(work, request, call, on_top(depth), evidence);
	}
}

/*
 * What a wait waits for, and which way maps and copies go: from the calls of
 * the device before. Returns the last cell that gives it something to do, -1
 * for none.
 */
static int64_t decide_device(struct work *work)
{
	uint8_t told = POFC_CODE_DEVICE;
	bool launched = false;
	int64_t last = -1;

	for (uint64_t i = 0; i < work->cell_count; i++) {
		uint8_t *code = &work->cells[i].code;

		if (*code == POFC_CODE_SIDE)
			*code = launched ? POFC_CODE_OUTPUT : POFC_CODE_STAGING;
		if (*code == POFC_CODE_SYNC)
			*code = told == POFC_CODE_LAUNCH ? POFC_CODE_DEVICE : told;
		else if (*code >= POFC_CODE_STAGING && *code <= POFC_CODE_OUTPUT)
			told = *code;
		launched |= *code == POFC_CODE_LAUNCH;
		if (*code == POFC_CODE_STAGING || *code == POFC_CODE_LAUNCH)
			last = (int64_t)i;
	}
	return last;
}

/* What reads and signals say follows from what comes after them. */
static void decide_rest(struct work *work, int64_t last)
{
	const uint8_t *role = work->known->calls->role;
	uint8_t after = POFC_CODE_EDGE;

	for (int64_t i = (int64_t)work->cell_count - 1; i >= 0; i--) {
		struct cell *cell = &work->cells[i];

		cell->after = after;
		if (cell->code == POFC_CODE_READ)
			cell->code = last < 0 || i < last ? POFC_CODE_INGEST : POFC_CODE_NEUTRAL;
		/* The signal that the reply follows is where the reply begins to leave. */
		if (cell->code == POFC_CODE_NEUTRAL && after == POFC_CODE_EGRESS &&
		    cell->call >= 0 && role[cell->call] == POFC_ROLE_SIGNAL)
			cell->code = POFC_CODE_EGRESS;
		if (cell->code != POFC_CODE_NEUTRAL)
			after = cell->code;
	}
}

static void decide_stages(struct work *work)
{
	const struct pofc_known *known = work->known;
	uint8_t before = POFC_CODE_EDGE;

	for (uint64_t i = 0; i < work->cell_count; i++) {
		struct cell *cell = &work->cells[i];

		if (cell->code != POFC_CODE_NEUTRAL)
			before = cell->code;
		cell->gap = known->between[before * DECIDED_CODES + cell->after];
		cell->own = cell->code < OWN_CODES ? known->stage_of[cell->code] : cell->gap;
	}
}

/* One of the three portions of a cell. */
static void portion(struct tally *tally, const struct cell *cell, int64_t begin, int64_t end,
		    uint8_t stage, uint8_t cause)
{
	if (end <= begin)
		return;
	if (tally->total[stage] == 0) {
		tally->entered[stage] = begin;
		tally->segment[stage] = cell->segment;
	}
	tally->total[stage] += end - begin;
	if (cause != NO_CAUSE)
		add(&tally->waits[stage][cause], end - begin);
}

/* Adds time off the CPU; the part in the run queue is taken from the rest. */
static void spend(int64_t *waits, uint8_t cause, uint8_t stuck, int64_t spent, int64_t queued)
{
	bool whole = stuck != NO_CAUSE;

	add(&waits[whole ? stuck : cause], (whole ? 0 : spent) - queued);
	add(&waits[POFC_CAUSE_RUNQUEUE], queued);
}

/* What the scheduler saw within a call and behind it. */
static void add_off_cpu(const struct pofc_known *known, struct tally *tally,
			const struct cell *cell, uint8_t stuck)
{
	const struct pofc_off_cpu *off = &known->off[cell->call];
	int64_t *behind = tally->waits[cell->gap];
	int64_t asleep = 0, late, queued = off->after_queued;

	spend(tally->waits[cell->own], known->cause[known->calls->kind[cell->call]], cell->cause,
	      off->within, off->within_queued);
	if (stuck == NO_CAUSE)
		asleep = least(off->asleep, off->after);
	/* The run queue ends a time off the CPU: of the sleep only what it must. */
	late = most(queued - (off->after - asleep), 0);
	add(&behind[POFC_CAUSE_IO], most(asleep - late, 0));
	add(&behind[POFC_CAUSE_RUNQUEUE], least(late, asleep));
	spend(behind, POFC_CAUSE_LOCK, stuck, off->after - asleep,
	      stuck == NO_CAUSE ? queued - late : queued);
}

/* Of a hand-over to a woken thread, what that had to wait for a CPU. */
static int64_t woken(const struct pofc_known *known, int32_t segment, int64_t handed_ns)
{
	const struct pofc_segments *segments = known->segments;
	uint8_t kind = segments->kind[segment];

	if (kind != POFC_BEGINS_POLL && kind != POFC_BEGINS_IDLE)
		return 0;
	return least(known->off[segments->start[segment]].within_queued, handed_ns);
}

/* Adds up the cells; late[stage] is what woken threads waited for a CPU. */
static void add_cells(struct work *work, struct tally *tally, int64_t late[POFC_STAGES])
{
	const struct pofc_known *known = work->known;
	const struct cell *holder = work->cells;
	int64_t furthest = 0, handed = 0;

	for (uint64_t i = 0; i < work->cell_count; i++) {
		struct cell *cell = &work->cells[i];
		bool last = i + 1 == work->cell_count;
		int64_t end = last ? work->lasts_ns : cell[1].begin;
		int64_t middle = most(least(cell->lasts, end), cell->begin);
		int64_t rest = most(least(furthest, end), middle);
		uint8_t own = cell->own, cover = holder->own, gap = cell->gap;
		uint8_t waits[3] = {cell->cause, holder->cause, NO_CAUSE};

		if (known->off != NULL && cell->turn)
			add(&late[cell[-1].gap], woken(known, cell->segment, handed));
		if (!last && cell[1].segment != cell->segment)
			waits[2] = POFC_CAUSE_LOCK;
		if (cell->layer != 0) {
			bool queued = cell->layer == QUEUED + 1;

			own = cover = gap = layer_stage[cell->layer - 1];
			waits[1] = waits[2] = queued ? POFC_CAUSE_DEVICE : NO_CAUSE;
			if (!queued || cell->code != POFC_CODE_LAUNCH)
				waits[0] = waits[1];
		} else if (known->off != NULL && cell->call >= 0) {
			add_off_cpu(known, tally, cell, waits[2]);
		}
		portion(tally, cell, cell->begin, middle, own, waits[0]);
		portion(tally, cell, middle, rest, cover, waits[1]);
		portion(tally, cell, rest, end, gap, waits[2]);
		handed = waits[2] == POFC_CAUSE_LOCK ? end - rest : 0;
		if (cell->covers && cell->lasts >= furthest) {
			furthest = cell->lasts;
			holder = cell;
		}
	}
}

/* No wait is below 0, and those of a stage are no longer together than it is. */
static void cut_waits(struct tally *tally, const int64_t late[POFC_STAGES])
{
	for (int stage = 0; stage < POFC_STAGES; stage++) {
		int64_t *waits = tally->waits[stage], left = tally->total[stage];

		for (int cause = 0; cause < POFC_CAUSES; cause++)
			waits[cause] = most(waits[cause], 0);
		add(&waits[POFC_CAUSE_RUNQUEUE], late[stage]);
		add(&waits[POFC_CAUSE_LOCK], -late[stage]);
		for (int cause = 0; cause < POFC_CAUSES; cause++) {
			waits[cause] = least(most(waits[cause], 0), left);
			left -= waits[cause];
		}
	}
}

static uint64_t put_spans(const struct work *work, const struct tally *tally, uint64_t request,
			  const struct pofc_spans *spans, uint64_t at)
{
	const struct pofc_known *known = work->known;

	for (uint8_t stage = 0; stage < POFC_STAGES; stage++) {
		int32_t segment = tally->segment[stage];
		uint64_t waited = 0;

		if (tally->total[stage] == 0)
			continue;
		for (int cause = 0; cause < POFC_CAUSES; cause++) {
			spans->waits[cause][at] = (uint64_t)tally->waits[stage][cause];
			waited += (uint64_t)tally->waits[stage][cause];
		}
		spans->request[at] = request;
		spans->stage[at] = stage;
		spans->start_ns[at] = (uint64_t)(work->start_ns + tally->entered[stage]);
		spans->duration_ns[at] = (uint64_t)tally->total[stage];
		spans->wait_ns[at] = waited;
		spans->self_ns[at] = (uint64_t)tally->total[stage] - waited;
		spans->pid[at] = known->pid[request];
		spans->tid[at] = known->tid[request];
		if (segment >= 0) {
			int32_t thread = known->segments->thread[segment];

			spans->pid[at] = known->calls->pid[thread];
			spans->tid[at] = known->calls->tid[thread];
		}
		at++;
	}
	return at;
}

int64_t anaros_pofc_explain(const struct pofc_known *known, uint64_t from, uint64_t to,
			    const struct pofc_spans *spans, int64_t *evidence)
{
	struct work work = {.known = known};
	uint64_t rows = 0;
	int error = 0;

	for (uint64_t request = from; request < to && error == 0; request++) {
		struct tally tally = {0};
		int64_t late[POFC_STAGES] = {0};

		work.start_ns = known->start_ns[request];
		work.lasts_ns = known->duration_ns[request];
		error = take_calls(&work, request);
		if (error < 0)
			break;
		make_marks(&work, request, evidence);
		make_cells(&work, request, evidence);
		decide_rest(&work, decide_device(&work));
		decide_stages(&work);
		add_cells(&work, &tally, late);
		cut_waits(&tally, late);
		rows = put_spans(&work, &tally, request, spans, rows);
	}
	free(work.calls);
	free(work.marks);
	free(work.scratch);
	free(work.cells);
	return error < 0 ? error : (int64_t)rows;
}
