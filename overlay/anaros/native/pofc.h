/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The passes of the analysis that see every record or every call. What they
 * mean is told in overlay/anaros/pofc; here is how they are done.
 *
 * Arrays are the caller's and as long as their comments say. What records
 * hold is hostile: no index is made of it but through a map, and sums of it
 * wrap or are cut. Places (in the columns, among the calls, ...) come from
 * these functions only. Functions return 0 or -ENOMEM unless they say more.
 *
 * build.py hands this file to cffi, which knows no preprocessor: declarations
 * alone stand here.
 */
#ifndef ANAROS_POFC_H
#define ANAROS_POFC_H

#include <stddef.h>
#include <stdint.h>

/* What a record means for the order on its thread: Role in pofc/frame.py. */
enum pofc_role {
	POFC_ROLE_NONE,
	POFC_ROLE_WORK,
	POFC_ROLE_READ,
	POFC_ROLE_COPY,
	POFC_ROLE_NET,
	POFC_ROLE_ANCHOR,
	POFC_ROLE_POLL,
	POFC_ROLE_WAIT,
	POFC_ROLE_WAKE,
	POFC_ROLE_SIGNAL,
	POFC_ROLE_SIGNALLED,
	POFC_ROLE_OFFCPU,
	POFC_ROLE_RUNQUEUE,
	POFC_ROLE_THROTTLE,
	POFC_ROLE_FAULT,
	POFC_ROLE_STALL,
};

/* What a record says about the stage: Code in pofc/stages.py. */
enum pofc_code {
	POFC_CODE_INGEST,
	POFC_CODE_PREPARE,
	POFC_CODE_STAGING,
	POFC_CODE_LAUNCH,
	POFC_CODE_DEVICE,
	POFC_CODE_OUTPUT,
	POFC_CODE_WRITTEN,
	POFC_CODE_EGRESS,
	POFC_CODE_NEUTRAL,
	POFC_CODE_EDGE,
	POFC_CODE_READ,
	POFC_CODE_SYNC,
	POFC_CODE_SIDE,
	POFC_CODE_WRITE,
	POFC_CODE_SEND,
};

enum pofc_stage {
	POFC_STAGE_INGEST,
	POFC_STAGE_PREPARE,
	POFC_STAGE_STAGING,
	POFC_STAGE_EXECUTE,
	POFC_STAGE_POSTPROCESS,
	POFC_STAGE_PERSIST,
	POFC_STAGE_EGRESS,
	POFC_STAGES,
};

enum pofc_cause {
	POFC_CAUSE_RUNQUEUE,
	POFC_CAUSE_IO,
	POFC_CAUSE_LOCK,
	POFC_CAUSE_DEVICE,
	POFC_CAUSE_DEVICE_QUEUE,
	POFC_CAUSE_THROTTLED,
	POFC_CAUSE_MEMORY,
	POFC_CAUSES
};

/* When a call waits for all of its time: Blocks in pofc/waits.py. */
enum pofc_blocks {
	POFC_BLOCKS_NEVER,
	POFC_BLOCKS_ALWAYS,
	POFC_BLOCKS_UNLESS_ASYNC,
	POFC_BLOCKS_SLOW,
	POFC_BLOCKS_LONG,
};

/* Why a segment begins: Begins in pofc/lineage.py. */
enum pofc_begins {
	POFC_BEGINS_BEGIN = 1,
	POFC_BEGINS_AFTER,
	POFC_BEGINS_SPLIT,
	POFC_BEGINS_TAKE,
	POFC_BEGINS_POLL,
	POFC_BEGINS_IDLE,
	POFC_BEGINS_ANCHOR,
};

/* `count` records, by start. */
struct pofc_columns {
	uint64_t count;
	const uint64_t *start_ns;
	const uint64_t *duration_ns;
	const uint32_t *pid;
	const uint32_t *tid;
	const uint16_t *kind;
	const uint16_t *flags;
	const int32_t *status;
	const uint64_t *object;
	const uint64_t *size_bytes;
	const uint64_t *address;
	const uint64_t *context;
};

/* `count` calls, thread by thread, each in order of start. */
struct pofc_calls {
	uint64_t count;
	uint64_t threads;
	int32_t *position; /* place in the columns */
	uint8_t *role;
	uint16_t *kind;
	int64_t *start_ns;
	int64_t *end_ns;
	int32_t *thread;
	int64_t *first; /* threads + 1: where each thread begins */
	uint32_t *pid;  /* threads */
	uint32_t *tid;  /* threads */
};

/* `count` segments of program order, in the order of the calls. */
struct pofc_segments {
	uint64_t count;
	int64_t *start; /* first call */
	uint8_t *kind;
	int32_t *thread;
	int64_t *opened_ns;
	int64_t *closed_ns;
	uint8_t *works;
	uint8_t *signals;
	uint8_t *receives;
	int32_t *number; /* of each call, its segment */
};

/* Places in the columns of what is looked for by itself; room for a block in each. */
struct pofc_places {
	int64_t *sockets;
	int64_t *polls;
	int64_t *others; /* calls on neither files nor sockets: pipes, counters */
	uint64_t socket_count;
	uint64_t poll_count;
	uint64_t other_count;
};

/*
 * Fills roles[] from `first` to before `end` by kind, and adds their places
 * to `places`. Returns how many times off the CPU there are.
 */
uint64_t anaros_pofc_survey(const struct pofc_columns *columns, const uint8_t *role_of,
			    uint64_t first, uint64_t end, uint8_t *roles,
			    struct pofc_places *places);

/*
 * Finds the threads that make calls. call[i] (a place for each record)
 * becomes the number of the thread of record i, -1 for none. NULL: no
 * memory, or more records than there are numbers. What a record is (a call,
 * the scheduler's, nothing) must not change until the fill.
 */
struct pofc_scan *anaros_pofc_scan(const struct pofc_columns *columns, const uint8_t *roles,
				   int32_t *call);
void anaros_pofc_scan_free(struct pofc_scan *scan);

/*
 * Chooses, once, the processes that are looked at; `pids` are sorted.
 * Returns how many calls they made, or -ENOMEM; and how many threads did.
 */
int64_t anaros_pofc_choose(struct pofc_scan *scan, const uint32_t *pids, uint64_t count,
			   uint64_t *threads);

/*
 * Fills `calls`, whose arrays have room for what was chosen, from one half
 * (0 or 1) of the records; both may go on at once. call[i] becomes the place
 * among the calls of record i; for a record of the scheduler the place of
 * the last call that its thread began before.
 */
void anaros_pofc_fill(struct pofc_scan *scan, int half, const struct pofc_columns *columns,
		      const uint8_t *roles, int32_t *call, struct pofc_calls *calls);

/* ns that a thread was off its CPU, in and after a call. */
struct pofc_off_cpu {
	int64_t within;
	int64_t within_queued; /* of that in the run queue */
	int64_t after;
	int64_t after_queued;
	int64_t asleep; /* of the time after, for I/O */
};

/*
 * ns that a thread was throttled, in page faults, and in the kernel for want of
 * memory, [0] in and [1] after a call.
 */
struct pofc_stall {
	int64_t throttled[2];
	int64_t memory[2]; /* asleep in faults, and all of what follows */
	int64_t queued[2]; /* of that it was ready, or throttled */
	int64_t stalled[2];
	int64_t off[2];   /* of that it was off the CPU */
	int64_t until_ns; /* the end of the last of them */
	int64_t stalling; /* whether that is such a time in the kernel */
};

/* Few calls have any: of[calls] is a place in stall[], -1 for none. */
struct pofc_stalls {
	uint64_t count;
	int32_t *of;
	struct pofc_stall *stall;
};

/*
 * Fills `stalls`, where all of of[] is -1 and there is room in stall[], which
 * is zero, for as many as there are records of the roles from THROTTLE on.
 */
void anaros_pofc_stalls(const struct pofc_columns *columns, const uint8_t *roles,
			const int32_t *call, const struct pofc_calls *calls,
			struct pofc_stalls *stalls);

/* Adds the scheduler's records to off[calls], which is zero. */
void anaros_pofc_off_cpu(const struct pofc_columns *columns, const uint8_t *roles,
			 const int32_t *call, const struct pofc_calls *calls,
			 struct pofc_off_cpu *off);

/* What the device did for the calls: for each a chain of `count` runs in all. */
struct pofc_runs {
	uint64_t count;
	int32_t *first;    /* calls: a run, -1 for none */
	int32_t *position; /* runs: place in the columns */
	int32_t *next;     /* runs: another one of the same call, -1 for none */
};

/* What the device surely did, where nothing was told: for each call a chain of spells. */
struct pofc_spells {
	const int32_t *first; /* calls: a spell, -1 for none */
	const uint8_t *layer; /* spells: what it did, RUNS to QUEUED in pofc/bounds.py */
	const int64_t *begin_ns;
	const int64_t *end_ns;
	const int32_t *next; /* spells: another one of the same call, -1 for none */
};

/*
 * Fills `runs`, where all of first[] is -1 and there is room for all records
 * of device work. The k-th kernel or copy that ran on a queue with a handle is
 * that of the k-th call that enqueued it there. Work on a queue and with a
 * handle that no call has, but which says how long it waited, is that of the
 * call of its thread at that time.
 */
int anaros_pofc_device(const struct pofc_columns *columns, const struct pofc_calls *calls,
		       const int32_t *call, struct pofc_runs *runs);

/* number[count] = the same number, from 0, for the same key. Returns how many, or -ENOMEM. */
int64_t anaros_pofc_number(const uint64_t *keys, uint64_t count, int32_t *number);

/*
 * found[queries] = the latest entry of the same group at or before the time
 * of the query, of equal ones the last; -1 for none.
 */
int anaros_pofc_latest(const int64_t *group, const int64_t *time, uint64_t count,
		       const int64_t *query_group, const int64_t *query_time, uint64_t queries,
		       int64_t *found);

/*
 * found[queries] = the only entry of the same group that had begun at the
 * time of the query, and had not ended before it; -1 for none or more.
 */
int anaros_pofc_alone(const int64_t *group, const int64_t *begin, const int64_t *end,
		      uint64_t count, const int64_t *query_group, const int64_t *query_time,
		      uint64_t queries, int64_t *found);

/*
 * order[count] = the entries group by group, each by time; equal ones as
 * they are. Groups follow each other as they first come.
 */
int anaros_pofc_order(const int64_t *group, const int64_t *time, uint64_t count, int64_t *order);

/* Makes the segments that begin where mark[calls] is not 0: it says why. */
void anaros_pofc_segments(const struct pofc_calls *calls, const uint8_t *mark,
			  struct pofc_segments *segments);

/*
 * From what started each segment by its own first wait alone (source: a call
 * or -1; evidence: what says so) to what started it. front[threads] says who
 * receives requests: nobody starts what these do.
 */
void anaros_pofc_connect(const struct pofc_calls *calls, const struct pofc_segments *segments,
			 const uint8_t *front, int64_t *source, uint8_t *evidence);

/*
 * Sorts the calls that have an owner by it: owned[] from first[r] (requests
 * + 1) are those of request r, thread by thread. owner[segments] is a
 * request or -1. owned == NULL: fills `first` alone. What a segment was
 * waiting in before it began belongs to nobody.
 */
void anaros_pofc_owned(const struct pofc_segments *segments, uint64_t calls, const int64_t *owner,
		       uint64_t requests, int64_t *first, int32_t *owned);

/* The same for the segments that a thread turned to each request with. */
void anaros_pofc_turns(const struct pofc_segments *segments, const int64_t *owner,
		       uint64_t requests, int64_t *first, int32_t *turns);

/* What is known of all requests before their time is split. */
struct pofc_known {
	const struct pofc_columns *columns;
	const struct pofc_calls *calls;
	const struct pofc_segments *segments;
	const uint8_t *proof;       /* segments: what says whose each is */
	const int64_t *start_ns;    /* requests */
	const int64_t *duration_ns; /* requests */
	const uint32_t *pid;        /* requests: who received it */
	const uint32_t *tid;        /* requests */
	const int64_t *first;       /* requests + 1: its calls in `owned` */
	const int32_t *owned;
	const int64_t *first_turn; /* requests + 1: its segments in `turns` */
	const int32_t *turns;      /* segments that a thread turned to it with */
	const struct pofc_runs *runs;
	const struct pofc_spells *spells; /* NULL: nothing is sure that was not told */
	const struct pofc_off_cpu *off;   /* calls; NULL: no kernel plane */
	const struct pofc_stalls *stalls;
	const uint8_t *code;     /* by kind: enum pofc_code */
	const uint8_t *between;  /* by code before and code after: the stage */
	const uint8_t *stage_of; /* by code */
	const uint8_t *blocks;   /* by kind: enum pofc_blocks */
	const uint8_t *cause;    /* by kind: enum pofc_cause */
	int64_t slow_ns;
	int64_t blocked_ns;
	uint8_t connection;   /* evidence of anchors */
	uint8_t device_order; /* evidence of device work */
	int32_t *owner;       /* records: filled */
	uint8_t *evidence;    /* records: filled */
};

/* A row for each stage that a request has; Spans in pofc/model.py. */
struct pofc_spans {
	uint64_t *request;
	uint8_t *stage;
	uint64_t *start_ns;
	uint64_t *duration_ns;
	uint64_t *self_ns;
	uint64_t *wait_ns;
	uint64_t *waits[POFC_CAUSES];
	uint32_t *pid;
	uint32_t *tid;
};

/*
 * Splits the time of the requests from `from` to before `to`. `spans` has
 * room for all stages of each. Counts evidence[256] up. Returns the number
 * of rows, or -ENOMEM.
 */
int64_t anaros_pofc_explain(const struct pofc_known *known, uint64_t from, uint64_t to,
			    const struct pofc_spans *spans, int64_t *evidence);

/* What an event does to a range of memory. */
enum pofc_touch {
	POFC_TOUCH_ASKS,
	POFC_TOUCH_WRITES,
	POFC_TOUCH_ERASES,
};

/* `count` events in order of time; cells are stretches of addresses that no range divides. */
struct pofc_touches {
	uint64_t count;
	const int64_t *low;  /* the first cell */
	const int64_t *high; /* the cell after the last */
	const uint8_t *act;  /* enum pofc_touch */
};

/* What was asked for and who wrote it; both are places among the events. */
struct pofc_overlaps {
	int64_t *asker;
	int64_t *writer;
	int64_t *low;
	int64_t *high;
	uint8_t *again; /* whether these cells had been asked for since they were written */
};

/*
 * For each event that asks, the runs of cells that one event wrote last, by
 * address; `most` for each at the most. Fills what there is room for.
 * Returns how many there are, or -ENOMEM.
 */
int64_t anaros_pofc_overlaps(const struct pofc_touches *touches, uint64_t cells, uint64_t most,
			     uint64_t room, const struct pofc_overlaps *out);

#endif
