/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of one request. */
#ifndef ANAROS_POFC_CELLS_H
#define ANAROS_POFC_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "pofc.h"
#include "pofc_sort.h"

/* The codes before this one have a stage of their own. */
#define OWN_CODES POFC_CODE_NEUTRAL
/* The codes before this one are decided. */
#define DECIDED_CODES POFC_CODE_READ

#define NO_CAUSE 255

/* What the device does, the first of these that it does, each + 1 in a cell. */
enum layer { RUNS, UPLOADS, DOWNLOADS, QUEUED, LAYERS };

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
	bool signal; /* the call wakes an event loop */
	bool covers; /* the request does this call while it lasts, whatever begins */
};

/* What is at work on one request, with room that is kept for the next. */
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
	int64_t last;  /* the last cell that gives the device something to do; -1: none */
	uint8_t told;  /* the code of the last call to the device */
	bool seen;     /* what the device did for it was told */
	bool launched; /* it was given a kernel */
};

static inline int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/*
 * Makes the cells of a request in `work`, whose start and length are set.
 * Says whose records it owns, and counts them. Returns 0 or -ENOMEM.
 */
int pofc_make_cells(struct work *work, uint64_t request, int64_t *evidence);

void pofc_free_cells(struct work *work);

#endif
