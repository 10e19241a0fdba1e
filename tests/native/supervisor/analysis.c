// SPDX-License-Identifier: Apache-2.0
/* Description: the passes of the analysis split any time, whatever the records hold. */
#define _GNU_SOURCE
#include "pofc.h"
#include "supervisor.h"

#define REQUESTS 5
#define PIDS     3
#define TIME_END (1ull << 61)

static uint64_t word = 1;

static uint64_t any(uint64_t below)
{
	word = word * 6364136223846793005ull + 1442695040888963407ull;
	return (word >> 24) % below;
}

/* Small numbers that meet each other, and now and then the largest. */
static uint64_t hostile(uint64_t below)
{
	return any(20) ? any(below) : UINT64_MAX - any(3);
}

/* Exactly so many: a sanitizer sees one more. */
static void *array(uint64_t count, size_t size)
{
	void *room = calloc(count, size);

	CHECK(room != NULL);
	return room;
}

#define NEW(pointer, count) ((pointer) = array(count, sizeof(*(pointer))))

struct trial {
	struct pofc_columns columns;
	struct pofc_calls calls;
	struct pofc_segments segments;
	struct pofc_runs runs;
	struct pofc_stalls stalls;
	struct pofc_spells spells;
	struct pofc_known known;
	struct pofc_spans spans;
	uint8_t *roles;
	uint8_t *mark;
	int32_t *call;
	int64_t *owner;
	void *arrays[96];
	int count;
};

/* An array that is freed with the trial. */
static void *room(struct trial *trial, uint64_t count, size_t size)
{
	CHECK(trial->count < 96);
	return trial->arrays[trial->count++] = array(count, size);
}

#define ROOM(pointer, count) ((pointer) = room(trial, count, sizeof(*(pointer))))

static void make_records(struct trial *trial, uint64_t count)
{
	static const uint16_t kinds[] = {
	    ANAROS_KIND_FILE_READ,    ANAROS_KIND_NET_RECV,     ANAROS_KIND_NET_SEND,
	    ANAROS_KIND_GPU_LAUNCH,   ANAROS_KIND_GPU_COPY_H2D, ANAROS_KIND_GPU_COPY_D2H,
	    ANAROS_KIND_GPU_EXECUTE,  ANAROS_KIND_GPU_TRANSFER, ANAROS_KIND_SYNC_WAIT,
	    ANAROS_KIND_SCHED_OFFCPU, ANAROS_KIND_POLL_WAIT,    0xffff,
	};
	uint64_t *start_ns, *duration_ns, *object, *size_bytes, *address, *context, now = 0;
	uint32_t *pid, *tid;
	uint16_t *kind, *flags;
	int32_t *status;

	ROOM(start_ns, count);
	ROOM(duration_ns, count);
	ROOM(pid, count);
	ROOM(tid, count);
	ROOM(kind, count);
	ROOM(flags, count);
	ROOM(status, count);
	ROOM(object, count);
	ROOM(size_bytes, count);
	ROOM(address, count);
	ROOM(context, count);
	for (uint64_t i = 0; i < count; i++) {
		now += any(30);
		start_ns[i] = i + 3 > count && any(2) ? UINT64_MAX : now;
		duration_ns[i] = hostile(60);
		pid[i] = (uint32_t)any(PIDS);
		tid[i] = (uint32_t)hostile(4);
		kind[i] = kinds[any(sizeof(kinds) / sizeof(*kinds))];
		flags[i] = (uint16_t)any(1 << 16);
		status[i] = (int32_t)hostile(4);
		object[i] = hostile(3);
		size_bytes[i] = hostile(100);
		address[i] = hostile(3);
		context[i] = any(2) ? hostile(60) : 0;
	}
	trial->columns = (struct pofc_columns){
	    count, start_ns, duration_ns, pid,        tid,     kind,
	    flags, status,   object,      size_bytes, address, context,
	};
}

/* Any roles for any kind; the places of blocks are those of all. */
static void make_roles(struct trial *trial)
{
	struct pofc_places places = {0};
	uint64_t count = trial->columns.count, middle = count / 3, seen = 0;
	uint8_t *role_of;

	ROOM(role_of, 1 << 16);
	for (int i = 0; i < 1 << 16; i++)
		role_of[i] = (uint8_t)any(POFC_ROLE_STALL + 1);
	ROOM(trial->roles, count);
	ROOM(places.sockets, count);
	ROOM(places.polls, count);
	ROOM(places.others, count);
	anaros_pofc_survey(&trial->columns, role_of, 0, middle, trial->roles, &places);
	anaros_pofc_survey(&trial->columns, role_of, middle, count, trial->roles, &places);
	for (uint64_t i = 0; i < count; i++) {
		CHECK(trial->roles[i] == role_of[trial->columns.kind[i]]);
		if (trial->roles[i] == POFC_ROLE_NET)
			CHECK(places.sockets[seen++] == (int64_t)i);
	}
	CHECK(seen == places.socket_count);
}

static void make_calls(struct trial *trial)
{
	static const uint32_t pids[] = {0, 2};
	struct pofc_calls *calls = &trial->calls;
	struct pofc_scan *scan;
	uint64_t threads = 0;

	ROOM(trial->call, trial->columns.count);
	scan = anaros_pofc_scan(&trial->columns, trial->roles, trial->call);
	CHECK(scan != NULL);
	calls->count = (uint64_t)anaros_pofc_choose(scan, pids, 2, &threads);
	calls->threads = threads;
	CHECK(calls->count <= trial->columns.count && threads <= calls->count);
	ROOM(calls->position, calls->count);
	ROOM(calls->role, calls->count);
	ROOM(calls->kind, calls->count);
	ROOM(calls->start_ns, calls->count);
	ROOM(calls->end_ns, calls->count);
	ROOM(calls->thread, calls->count);
	ROOM(calls->first, threads + 1);
	ROOM(calls->pid, threads);
	ROOM(calls->tid, threads);
	for (int half = 1; half >= 0; half--)
		anaros_pofc_fill(scan, half, &trial->columns, trial->roles, trial->call, calls);
	anaros_pofc_scan_free(scan);
	CHECK(calls->first[threads] == (int64_t)calls->count);
	for (uint64_t i = 0; i < calls->count; i++) {
		uint32_t pid = trial->columns.pid[calls->position[i]];

		CHECK(trial->call[calls->position[i]] == (int32_t)i);
		CHECK(pid == calls->pid[calls->thread[i]] && pid != 1);
		CHECK(i == 0 || calls->thread[i] != calls->thread[i - 1] ||
		      calls->position[i] > calls->position[i - 1]);
	}
}

/* What started segment `at`, by a look at all that may have. */
static int64_t started_by(const struct trial *trial, const uint8_t *front, const int64_t *source,
			  uint64_t at)
{
	const struct pofc_segments *segments = &trial->segments;
	int64_t anyone = -1;

	if (front[segments->thread[at]])
		return -1;
	for (uint64_t i = at;; i--) {
		if (source[i] >= 0 && front[trial->calls.thread[source[i]]])
			return source[i];
		if (anyone < 0)
			anyone = source[i];
		if (i == 0 || segments->kind[i] != POFC_BEGINS_IDLE || segments->works[i - 1] ||
		    segments->signals[i - 1] || segments->thread[i - 1] != segments->thread[i])
			return anyone;
	}
}

static void make_segments(struct trial *trial)
{
	struct pofc_segments *segments = &trial->segments;
	uint64_t calls = trial->calls.count;
	uint8_t *evidence, *front;
	int64_t *source, *own;

	ROOM(trial->mark, calls);
	for (uint64_t i = 0; i < calls; i++)
		trial->mark[i] = any(3) ? 0 : (uint8_t)(1 + any(POFC_BEGINS_ANCHOR));
	for (uint64_t i = 0; i < trial->calls.threads; i++)
		trial->mark[trial->calls.first[i]] = POFC_BEGINS_BEGIN;
	for (uint64_t i = 0; i < calls; i++)
		segments->count += trial->mark[i] != 0;
	ROOM(segments->start, segments->count);
	ROOM(segments->kind, segments->count);
	ROOM(segments->thread, segments->count);
	ROOM(segments->opened_ns, segments->count);
	ROOM(segments->closed_ns, segments->count);
	ROOM(segments->works, segments->count);
	ROOM(segments->signals, segments->count);
	ROOM(segments->receives, segments->count);
	ROOM(segments->number, calls);
	anaros_pofc_segments(&trial->calls, trial->mark, segments);
	ROOM(source, segments->count);
	ROOM(own, segments->count);
	ROOM(evidence, segments->count);
	ROOM(front, trial->calls.threads);
	for (uint64_t i = 0; i < segments->count; i++)
		own[i] = source[i] = any(3) ? -1 : (int64_t)any(calls);
	for (uint64_t i = 0; i < trial->calls.threads; i++)
		front[i] = any(2) != 0;
	anaros_pofc_connect(&trial->calls, segments, front, source, evidence);
	for (uint64_t i = 0; i < segments->count; i++)
		CHECK(source[i] == started_by(trial, front, own, i));
	ROOM(trial->owner, segments->count);
	for (uint64_t i = 0; i < segments->count; i++) {
		CHECK(trial->mark[segments->start[i]] == segments->kind[i]);
		CHECK(segments->closed_ns[i] >= segments->opened_ns[i]);
		/* A thread did nothing before its first call. */
		CHECK(trial->calls.first[segments->thread[i]] != segments->start[i] ||
		      segments->opened_ns[i] == trial->calls.start_ns[segments->start[i]]);
		trial->owner[i] = (int64_t)any(REQUESTS + 1) - 1;
	}
}

/* Any codes for any kind: the tables are the caller's. */
static void make_tables(struct trial *trial, struct pofc_known *known)
{
	uint8_t *code, *between, *stage_of, *blocks, *cause;

	ROOM(code, 1 << 16);
	ROOM(between, POFC_CODE_READ * POFC_CODE_READ);
	ROOM(stage_of, POFC_CODE_NEUTRAL);
	ROOM(blocks, 1 << 16);
	ROOM(cause, 1 << 16);
	for (int i = 0; i < 1 << 16; i++) {
		code[i] = (uint8_t)any(POFC_CODE_SEND + 1);
		blocks[i] = (uint8_t)any(POFC_BLOCKS_LONG + 1);
		cause[i] = (uint8_t)any(POFC_CAUSES);
	}
	for (int i = 0; i < POFC_CODE_READ * POFC_CODE_READ; i++)
		between[i] = (uint8_t)any(POFC_STAGES);
	for (int i = 0; i < POFC_CODE_NEUTRAL; i++)
		stage_of[i] = (uint8_t)any(POFC_STAGES);
	known->code = code;
	known->between = between;
	known->stage_of = stage_of;
	known->blocks = blocks;
	known->cause = cause;
}

/* Each piece of work is that of one call at most. */
static void make_runs(struct trial *trial)
{
	const struct pofc_columns *columns = &trial->columns;
	struct pofc_runs *runs = &trial->runs;
	uint64_t works = 0, reached = 0;

	for (uint64_t i = 0; i < columns->count; i++)
		works += columns->kind[i] == ANAROS_KIND_GPU_EXECUTE ||
			 columns->kind[i] == ANAROS_KIND_GPU_TRANSFER;
	ROOM(runs->first, trial->calls.count);
	ROOM(runs->position, works);
	ROOM(runs->next, works);
	for (uint64_t i = 0; i < trial->calls.count; i++)
		runs->first[i] = -1;
	CHECK(anaros_pofc_device(columns, &trial->calls, trial->call, runs) == 0);
	CHECK(runs->count <= works);
	for (uint64_t i = 0; i < trial->calls.count; i++)
		for (int32_t run = runs->first[i]; run >= 0; run = runs->next[run], reached++)
			CHECK(reached < runs->count);
	CHECK(reached == runs->count);
}

static void make_stalls(struct trial *trial)
{
	struct pofc_stalls *stalls = &trial->stalls;
	uint64_t records = 0;

	for (uint64_t i = 0; i < trial->columns.count; i++)
		records += trial->roles[i] >= POFC_ROLE_THROTTLE;
	ROOM(stalls->stall, records);
	ROOM(stalls->of, trial->calls.count);
	stalls->count = 0;
	for (uint64_t i = 0; i < trial->calls.count; i++)
		stalls->of[i] = -1;
	anaros_pofc_stalls(&trial->columns, trial->roles, trial->call, &trial->calls, stalls);
	CHECK(stalls->count <= records);
}

/* Up to two for each call, at any times; of none of them half of the time. */
static const struct pofc_spells *make_spells(struct trial *trial)
{
	struct pofc_spells *spells = &trial->spells;
	uint64_t most = 2 * trial->calls.count;
	int64_t *begin_ns, *end_ns;
	int32_t *first, *next;
	uint8_t *layer;

	ROOM(first, trial->calls.count);
	ROOM(next, most);
	ROOM(layer, most);
	ROOM(begin_ns, most);
	ROOM(end_ns, most);
	for (uint64_t i = 0; i < most; i++) {
		layer[i] = (uint8_t)any(4);
		begin_ns[i] = (int64_t)(any(9) ? any(900) : TIME_END);
		end_ns[i] = (int64_t)(any(9) ? any(900) : TIME_END);
		next[i] = i % 2 == 0 && any(2) ? (int32_t)i + 1 : -1;
	}
	for (uint64_t i = 0; i < trial->calls.count; i++)
		first[i] = any(2) ? (int32_t)(2 * i) : -1;
	*spells = (struct pofc_spells){first, layer, begin_ns, end_ns, next};
	return any(2) ? spells : NULL;
}

static void make_known(struct trial *trial)
{
	int64_t *start_ns, *duration_ns, *first, *first_turn;
	int32_t *owned, *turns;
	struct pofc_off_cpu *off;
	struct pofc_known *known = &trial->known;
	uint8_t *proof;
	uint32_t *name;

	*known = (struct pofc_known){
	    .columns = &trial->columns,
	    .calls = &trial->calls,
	    .segments = &trial->segments,
	    .slow_ns = 20,
	    .blocked_ns = 30,
	    .connection = 1,
	    .device_order = 6,
	};
	make_tables(trial, known);
	ROOM(start_ns, REQUESTS);
	ROOM(duration_ns, REQUESTS);
	ROOM(name, REQUESTS);
	for (int i = 0; i < REQUESTS; i++) {
		start_ns[i] = (int64_t)(any(9) ? any(900) : TIME_END);
		duration_ns[i] = (int64_t)(any(9) ? any(900) : TIME_END);
	}
	ROOM(first, REQUESTS + 1);
	ROOM(first_turn, REQUESTS + 1);
	anaros_pofc_owned(&trial->segments, trial->calls.count, trial->owner, REQUESTS, first,
			  NULL);
	ROOM(owned, (uint64_t)first[REQUESTS]);
	anaros_pofc_owned(&trial->segments, trial->calls.count, trial->owner, REQUESTS, first,
			  owned);
	anaros_pofc_turns(&trial->segments, trial->owner, REQUESTS, first_turn, NULL);
	ROOM(turns, (uint64_t)first_turn[REQUESTS]);
	anaros_pofc_turns(&trial->segments, trial->owner, REQUESTS, first_turn, turns);
	make_runs(trial);
	ROOM(off, trial->calls.count);
	anaros_pofc_off_cpu(&trial->columns, trial->roles, trial->call, &trial->calls, off);
	make_stalls(trial);
	ROOM(proof, trial->segments.count);
	ROOM(known->owner, trial->columns.count);
	ROOM(known->evidence, trial->columns.count);
	known->proof = proof;
	known->start_ns = start_ns;
	known->duration_ns = duration_ns;
	known->pid = known->tid = name;
	known->first = first;
	known->owned = owned;
	known->first_turn = first_turn;
	known->turns = turns;
	known->runs = &trial->runs;
	known->spells = make_spells(trial);
	known->off = any(2) ? off : NULL;
	known->stalls = &trial->stalls;
}

static void explain(struct trial *trial)
{
	struct pofc_spans *spans = &trial->spans;
	uint64_t rows = REQUESTS * POFC_STAGES, lasts[REQUESTS] = {0};
	int64_t evidence[256] = {0}, found;

	ROOM(spans->request, rows);
	ROOM(spans->stage, rows);
	ROOM(spans->start_ns, rows);
	ROOM(spans->duration_ns, rows);
	ROOM(spans->self_ns, rows);
	ROOM(spans->wait_ns, rows);
	for (int i = 0; i < POFC_CAUSES; i++)
		ROOM(spans->waits[i], rows);
	ROOM(spans->pid, rows);
	ROOM(spans->tid, rows);
	found = anaros_pofc_explain(&trial->known, 0, REQUESTS, spans, evidence);
	CHECK(found >= 0 && found <= (int64_t)rows);
	for (int64_t i = 0; i < found; i++) {
		uint64_t waited = 0;

		for (int cause = 0; cause < POFC_CAUSES; cause++)
			waited += spans->waits[cause][i];
		CHECK(waited == spans->wait_ns[i]);
		CHECK(waited + spans->self_ns[i] == spans->duration_ns[i]);
		CHECK(spans->request[i] < REQUESTS && spans->stage[i] < POFC_STAGES);
		lasts[spans->request[i]] += spans->duration_ns[i];
	}
	for (int i = 0; i < REQUESTS; i++)
		CHECK((int64_t)lasts[i] == trial->known.duration_ns[i]);
}

static void try(uint64_t count)
{
	struct trial *trial = calloc(1, sizeof(*trial));

	CHECK(trial != NULL);
	make_records(trial, count);
	make_roles(trial);
	make_calls(trial);
	make_segments(trial);
	make_known(trial);
	explain(trial);
	for (int i = 0; i < trial->count; i++)
		free(trial->arrays[i]);
	free(trial);
}

/* Against a look at every entry. */
static void joins(uint64_t count, uint64_t queries)
{
	int64_t *group, *time, *query_group, *query_time, *found, *order;
	uint64_t *keys;
	int32_t *number;

	NEW(group, count);
	NEW(time, count);
	NEW(query_group, queries);
	NEW(query_time, queries);
	NEW(found, queries);
	NEW(order, count);
	NEW(keys, count);
	NEW(number, count);
	for (uint64_t i = 0; i < count; i++) {
		group[i] = (int64_t)hostile(5);
		keys[i] = (uint64_t)group[i];
		time[i] = (int64_t)hostile(40);
	}
	for (uint64_t i = 0; i < queries; i++) {
		query_group[i] = (int64_t)hostile(6);
		query_time[i] = (int64_t)hostile(45);
	}
	CHECK(anaros_pofc_latest(group, time, count, query_group, query_time, queries, found) == 0);
	for (uint64_t i = 0; i < queries; i++) {
		int64_t best = -1;

		for (uint64_t j = 0; j < count; j++)
			if (group[j] == query_group[i] && time[j] <= query_time[i] &&
			    (best < 0 || time[j] >= time[best]))
				best = (int64_t)j;
		CHECK(found[i] == best);
	}
	/* Ends before begins as well: what is found is an entry, if not the one. */
	CHECK(anaros_pofc_alone(group, time, query_time, count < queries ? count : queries,
				query_group, query_time, queries, found) == 0);
	for (uint64_t i = 0; i < queries; i++)
		CHECK(found[i] >= -1 && found[i] < (int64_t)count);
	CHECK(anaros_pofc_number(keys, count, number) >= 0);
	CHECK(anaros_pofc_order(group, time, count, order) == 0);
	for (uint64_t i = 1; i < count; i++) {
		int64_t a = order[i - 1], b = order[i];

		CHECK((number[i] == number[i - 1]) == (group[i] == group[i - 1]));
		CHECK(
		    number[a] < number[b] ||
		    (group[a] == group[b] && (time[a] < time[b] || (time[a] == time[b] && a < b))));
	}
	free(group);
	free(time);
	free(query_group);
	free(query_time);
	free(found);
	free(order);
	free(keys);
	free(number);
}

/* The last writer of each cell, against one look at each; ranges may be none. */
static void overlaps(uint64_t count, uint64_t cells)
{
	struct pofc_touches touches = {.count = count};
	struct pofc_overlaps out;
	int64_t *low, *high, *last, row = 0, rows;
	uint64_t room = count * (cells + 1);
	uint8_t *act;

	NEW(low, count);
	NEW(high, count);
	NEW(act, count);
	NEW(last, cells + 1);
	NEW(out.asker, room);
	NEW(out.writer, room);
	NEW(out.low, room);
	NEW(out.high, room);
	NEW(out.again, room);
	touches.low = low;
	touches.high = high;
	touches.act = act;
	for (uint64_t i = 0; i < count; i++) {
		low[i] = (int64_t)hostile(cells + 1);
		high[i] = any(10) ? (int64_t)any(cells + 1) : (int64_t)hostile(cells + 1);
		act[i] = (uint8_t)any(3);
	}
	rows = anaros_pofc_overlaps(&touches, cells, cells + 1, room, &out);
	CHECK(rows >= 0 && rows <= (int64_t)room);
	for (uint64_t i = 0; i < cells; i++)
		last[i] = -1;
	for (int64_t i = 0; i < (int64_t)count; i++)
		for (uint64_t at = (uint64_t)low[i];
		     at < (uint64_t)high[i] && (uint64_t)high[i] <= cells; at++) {
			if (act[i] != POFC_TOUCH_ASKS)
				last[at] = act[i] == POFC_TOUCH_WRITES ? i : -1;
			else if (last[at] >= 0) {
				CHECK(row < rows && out.asker[row] == i);
				CHECK(out.writer[row] == last[at]);
				CHECK(out.low[row] <= (int64_t)at && (int64_t)at < out.high[row]);
				row += out.high[row] == (int64_t)at + 1;
			}
		}
	CHECK(row == rows);
	/* With less room the rest is counted, not written. */
	CHECK(anaros_pofc_overlaps(&touches, cells, cells + 1, 0, &out) == rows);
	free(low);
	free(high);
	free(act);
	free(last);
	free(out.asker);
	free(out.writer);
	free(out.low);
	free(out.high);
	free(out.again);
}

int main(void)
{
	for (uint64_t i = 0; i < 400; i++)
		try(i % 100);
	try(20000);
	for (uint64_t i = 0; i < 200; i++)
		joins(i, 50);
	joins(3000, 200);
	for (uint64_t i = 0; i < 200; i++)
		overlaps(any(60), 1 + any(i < 150 ? 40 : 5000));
	return 0;
}
