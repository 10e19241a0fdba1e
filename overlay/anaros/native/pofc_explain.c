// SPDX-License-Identifier: Apache-2.0
/*
 * Splits the time of requests into stages and waits, one request at a time:
 * adds its cells up. See pofc/stages.py and pofc/waits.py for what they mean.
 */
#define _GNU_SOURCE
#include "pofc_cells.h"

static const uint8_t layer_stage[LAYERS] = {
    [RUNS] = POFC_STAGE_EXECUTE,
    [UPLOADS] = POFC_STAGE_STAGING,
    [DOWNLOADS] = POFC_STAGE_POSTPROCESS,
    [QUEUED] = POFC_STAGE_EXECUTE,
};

/* What a request adds up to. */
struct tally {
	int64_t total[POFC_STAGES];
	int64_t waits[POFC_STAGES][POFC_CAUSES];
	int64_t entered[POFC_STAGES];
	int32_t segment[POFC_STAGES]; /* in which the stage was entered */
};

/* Hostile times wrap; what comes out is cut to the stage in the end. */
static void add(int64_t *sum, int64_t value)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)value);
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

/* What is behind a time off the CPU that is neither a sleep nor the run queue. */
struct apart {
	int64_t throttled;
	int64_t memory;
	int64_t awake; /* of that on the CPU */
};

static struct apart apart_of(const struct pofc_known *known, int32_t call, int after)
{
	const struct pofc_stalls *stalls = known->stalls;
	const struct pofc_stall *stall;

	if (stalls->count == 0 || stalls->of[call] < 0)
		return (struct apart){0};
	stall = &stalls->stall[stalls->of[call]];
	return (struct apart){
	    .throttled = stall->throttled[after],
	    .memory = most(stall->memory[after] - stall->queued[after], 0),
	    .awake = most(stall->stalled[after] - stall->off[after], 0),
	};
}

/* Adds it; where the whole time was a wait already, it is taken from that. */
static void add_apart(int64_t *waits, uint8_t stuck, struct apart apart)
{
	add(&waits[POFC_CAUSE_THROTTLED], apart.throttled);
	add(&waits[POFC_CAUSE_MEMORY], apart.memory);
	if (stuck != NO_CAUSE)
		add(&waits[stuck], -apart.throttled - apart.memory);
}

/*
 * What the scheduler saw within a call and behind it. A thread that sleeps
 * while another one works on the request keeps it from nothing: behind the call
 * counts no more than the time in which nobody does.
 */
static void add_off_cpu(const struct pofc_known *known, struct tally *tally,
			const struct cell *cell, uint8_t stuck, int64_t idle_ns)
{
	const struct pofc_off_cpu *off = &known->off[cell->call];
	int64_t *behind = tally->waits[cell->gap];
	struct apart in = apart_of(known, cell->call, 0), out = apart_of(known, cell->call, 1);
	int64_t after = least(off->after + out.awake, idle_ns), queued, asleep = 0, late;

	spend(tally->waits[cell->own], known->cause[known->calls->kind[cell->call]], cell->cause,
	      off->within + in.awake - in.throttled - in.memory, off->within_queued);
	add_apart(tally->waits[cell->own], cell->cause, in);
	out.throttled = least(out.throttled, after);
	out.memory = least(out.memory, after - out.throttled);
	after -= out.throttled + out.memory;
	add_apart(behind, stuck, out);
	queued = least(off->after_queued, after);
	if (stuck == NO_CAUSE)
		asleep = least(off->asleep, after);
	/* The run queue ends a time off the CPU: of the sleep only what it must. */
	late = most(queued - (after - asleep), 0);
	add(&behind[POFC_CAUSE_IO], most(asleep - late, 0));
	add(&behind[POFC_CAUSE_RUNQUEUE], least(late, asleep));
	spend(behind, POFC_CAUSE_LOCK, stuck, after - asleep,
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

/*
 * The last turn to the request of the thread that made a call, if no other
 * thread did anything between the two; else the call itself.
 */
static const struct cell *settled(const struct work *work, const struct cell *cell)
{
	const struct cell *end = work->cells + work->cell_count;
	const int32_t *thread = work->known->segments->thread;
	int32_t mine = cell->segment < 0 ? -1 : thread[cell->segment];

	for (const struct cell *next = cell + 1; next < end && next->call < 0; next++) {
		if (next->turn && thread[next->segment] != mine)
			break;
		if (next->turn)
			cell = next;
	}
	return cell;
}

/* How long nobody works on the request behind a call until somebody does something. */
static int64_t idle_behind(const struct work *work, const struct cell *cell, int64_t furthest)
{
	const struct cell *end = work->cells + work->cell_count;
	const struct cell *next = settled(work, cell) + 1;
	int64_t until = work->lasts_ns;

	/* What the device does in between is no work of a thread. */
	while (next < end && next->call < 0 && !next->turn)
		next++;
	if (next < end)
		until = next->begin;
	return most(until - most(cell->lasts, furthest), 0);
}

/* What the time behind a cell is spent in, for it is another segment's turn; or NO_CAUSE. */
static uint8_t hands_over(const struct work *work, const struct cell *cell)
{
	const struct cell *next = cell + 1;

	if (next == work->cells + work->cell_count || next->segment == cell->segment)
		return NO_CAUSE;
	return POFC_CAUSE_LOCK;
}

/* Adds up the cells; late[stage] is what woken threads waited for a CPU. */
static void add_cells(struct work *work, struct tally *tally, int64_t late[POFC_STAGES])
{
	const struct pofc_known *known = work->known;
	const struct cell *holder = work->cells;
	int64_t furthest = 0, handed = 0;
	uint8_t before = POFC_CODE_EDGE;

	for (uint64_t i = 0; i < work->cell_count; i++) {
		struct cell *cell = &work->cells[i];
		bool last = i + 1 == work->cell_count;
		int64_t end = last ? work->lasts_ns : cell[1].begin;
		int64_t middle = most(least(cell->lasts, end), cell->begin);
		int64_t rest = most(least(furthest, end), middle);
		uint8_t waits[3] = {cell->cause, holder->cause, NO_CAUSE};
		uint8_t own, cover, gap;

		if (cell->code != POFC_CODE_NEUTRAL)
			before = cell->code;
		gap = cell->gap = known->between[before * DECIDED_CODES + cell->after];
		own = cell->own = cell->code < OWN_CODES ? known->stage_of[cell->code] : gap;
		cover = holder->own;
		if (known->off != NULL && cell->turn)
			add(&late[cell[-1].gap], woken(known, cell->segment, handed));
		waits[2] = hands_over(work, cell);
		if (cell->layer != 0) {
			bool queued = cell->layer == QUEUED + 1;

			own = cover = gap = layer_stage[cell->layer - 1];
			waits[1] = waits[2] = queued ? POFC_CAUSE_DEVICE_QUEUE : NO_CAUSE;
			if (!queued || cell->code != POFC_CODE_LAUNCH)
				waits[0] = waits[1];
		} else if (known->off != NULL && cell->call >= 0) {
			add_off_cpu(known, tally, cell, hands_over(work, settled(work, cell)),
				    idle_behind(work, cell, furthest));
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

	for (uint64_t request = from; request < to; request++) {
		struct tally tally = {0};
		int64_t late[POFC_STAGES] = {0};

		work.start_ns = known->start_ns[request];
		work.lasts_ns = known->duration_ns[request];
		error = pofc_make_cells(&work, request, evidence);
		if (error < 0)
			break;
		add_cells(&work, &tally, late);
		cut_waits(&tally, late);
		rows = put_spans(&work, &tally, request, spans, rows);
	}
	pofc_free_cells(&work);
	return error < 0 ? error : (int64_t)rows;
}
