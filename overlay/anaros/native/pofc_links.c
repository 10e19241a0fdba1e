// SPDX-License-Identifier: Apache-2.0
/*
 * Which write is the last one of each byte when the bytes are asked for.
 *
 * What was written by one event lies in runs of cells. A run is known by its
 * first cell: a bit of a tree of words, 64 to a word, so that the run of any
 * cell is found in a step or two of each level. A write joins what it covers,
 * so that each run is made once and joined once.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "pofc.h"

#define LEVELS 6 /* 64^6 cells */

struct runs {
	uint64_t *level[LEVELS];
	unsigned depth;
	uint64_t cells;
	int64_t *writer; /* of the run that begins at a cell; -1 = nobody */
	uint8_t *asked;  /* whether its bytes were asked for before */
};

static void runs_free(struct runs *runs)
{
	for (unsigned i = 0; i < runs->depth; i++)
		free(runs->level[i]);
	free(runs->writer);
	free(runs->asked);
}

static int runs_init(struct runs *runs, uint64_t cells)
{
	uint64_t words = cells;

	*runs = (struct runs){.cells = cells};
	runs->writer = malloc((cells + 1) * sizeof(*runs->writer));
	runs->asked = calloc(cells + 1, 1);
	if (runs->writer == NULL || runs->asked == NULL)
		return -ENOMEM;
	do {
		words = words / 64 + 1;
		runs->level[runs->depth] = calloc(words, sizeof(uint64_t));
		if (runs->level[runs->depth] == NULL)
			return -ENOMEM;
		runs->depth++;
	} while (words > 1 && runs->depth < LEVELS);
	return words > 1 ? -ENOMEM : 0;
}

static void begin_at(struct runs *runs, uint64_t cell)
{
	for (unsigned i = 0; i < runs->depth; i++, cell /= 64)
		runs->level[i][cell / 64] |= 1ull << cell % 64;
}

static void join_at(struct runs *runs, uint64_t cell)
{
	for (unsigned i = 0; i < runs->depth; i++, cell /= 64) {
		runs->level[i][cell / 64] &= ~(1ull << cell % 64);
		if (runs->level[i][cell / 64] != 0)
			return;
	}
}

/* The first cell of the run that a cell is in: cell 0 always begins one. */
static uint64_t run_of(const struct runs *runs, uint64_t cell)
{
	unsigned i = 0;
	uint64_t word = runs->level[0][cell / 64] & (~0ull >> (63 - cell % 64));

	while (word == 0) {
		cell /= 64;
		i++;
		word = runs->level[i][cell / 64] & ((1ull << cell % 64) - 1);
	}
	cell = cell / 64 * 64 + 63 - __builtin_clzll(word);
	for (; i > 0; i--)
		cell = cell * 64 + 63 - __builtin_clzll(runs->level[i - 1][cell]);
	return cell;
}

/* Where the next run begins; the end where there is none. */
static uint64_t run_after(const struct runs *runs, uint64_t cell)
{
	unsigned i = 0;
	uint64_t at = cell + 1;

	for (;; i++, at = at / 64 + 1) {
		uint64_t word;

		if (i == runs->depth)
			return runs->cells;
		word = runs->level[i][at / 64] & (~0ull << at % 64);
		if (word != 0) {
			at = at / 64 * 64 + __builtin_ctzll(word);
			break;
		}
	}
	for (; i > 0; i--)
		at = at * 64 + __builtin_ctzll(runs->level[i - 1][at]);
	return at;
}

/* Makes a run begin at a cell. */
static void cut(struct runs *runs, uint64_t cell)
{
	uint64_t first;

	if (cell >= runs->cells)
		return;
	first = run_of(runs, cell);
	if (first == cell)
		return;
	runs->writer[cell] = runs->writer[first];
	runs->asked[cell] = runs->asked[first];
	begin_at(runs, cell);
}

static void write_to(struct runs *runs, uint64_t low, uint64_t high, int64_t writer)
{
	cut(runs, low);
	cut(runs, high);
	for (uint64_t at = run_after(runs, low); at < high; at = run_after(runs, at))
		join_at(runs, at);
	runs->writer[low] = writer;
	runs->asked[low] = 0;
}

/* Adds rows for an event that asks; returns how many, `most` at the most. */
static uint64_t ask(struct runs *runs, const struct pofc_touches *touches, uint64_t event,
		    uint64_t most, uint64_t row, uint64_t room, const struct pofc_overlaps *out)
{
	uint64_t low = (uint64_t)touches->low[event], high = (uint64_t)touches->high[event];
	uint64_t found = 0;

	cut(runs, low);
	cut(runs, high);
	for (uint64_t at = low; at < high;) {
		uint64_t end = run_after(runs, at);

		if (runs->writer[at] >= 0 && found < most) {
			if (row + found < room) {
				out->asker[row + found] = (int64_t)event;
				out->writer[row + found] = runs->writer[at];
				out->low[row + found] = (int64_t)at;
				out->high[row + found] = (int64_t)end;
				out->again[row + found] = runs->asked[at];
			}
			found++;
		}
		runs->asked[at] = 1;
		at = end;
	}
	return found;
}

int64_t anaros_pofc_overlaps(const struct pofc_touches *touches, uint64_t cells, uint64_t most,
			     uint64_t room, const struct pofc_overlaps *out)
{
	struct runs runs;
	uint64_t rows = 0;

	if (runs_init(&runs, cells) < 0) {
		runs_free(&runs);
		return -ENOMEM;
	}
	begin_at(&runs, 0);
	runs.writer[0] = -1;
	for (uint64_t i = 0; i < touches->count; i++) {
		uint64_t low = (uint64_t)touches->low[i], high = (uint64_t)touches->high[i];

		if (low >= high || high > cells)
			continue;
		if (touches->act[i] == POFC_TOUCH_ASKS)
			rows += ask(&runs, touches, i, most, rows, room, out);
		else
			write_to(&runs, low, high,
				 touches->act[i] == POFC_TOUCH_WRITES ? (int64_t)i : -1);
	}
	runs_free(&runs);
	return (int64_t)rows;
}
