/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store does to every record: the order of time, columns put where
 * they belong, and the sums of the table of calls. Arrays are the caller's
 * and as long as their comments say.
 *
 * build.py hands this file to cffi, which knows no preprocessor: declarations
 * alone stand here.
 */
#ifndef ANAROS_STORE_H
#define ANAROS_STORE_H

#include <stdint.h>

/*
 * Sorts starts[count], stably: sorted[count], and order[count] = base + where
 * each was before. `scratch` has room for 2 * count words. Returns 0, or
 * -ENOMEM.
 */
int anaros_store_sort(const uint64_t *starts, uint32_t count, uint32_t base, uint64_t *sorted,
		      uint32_t *order, uint64_t *scratch);

/* to[place[i]] = from[i] of each column; widths are 1, 2, 4 or 8 bytes. */
void anaros_store_scatter(const void *const *from, void *const *to, const uint8_t *widths,
			  uint32_t columns, const uint32_t *place, uint64_t count);

/* What the records of one kind add up to; sums wrap. */
struct store_call {
	uint64_t count;
	uint64_t total_ns;
	uint64_t size_bytes;
	uint64_t first_ns; /* the first start */
	uint64_t end_ns;   /* the last end */
	uint64_t flags;    /* those of the first one */
};

/* Adds `count` records to calls[65536], which is zero, by kind. */
void anaros_store_count(const uint64_t *start_ns, const uint64_t *duration_ns, const uint16_t *kind,
			const uint16_t *flags, const uint64_t *size_bytes, uint64_t count,
			struct store_call *calls);

/*
 * Keeps freed memory for the next use: what DuckDB hands out comes in buffers
 * of a megabyte, and to map and clear each anew costs a fifth of a load.
 */
void anaros_store_keep_freed(void);

/* Puts durations kind by kind: sorted[next[kind]++] = its duration. */
void anaros_store_by_kind(const uint16_t *kind, const uint64_t *duration_ns, uint64_t count,
			  uint64_t *next, uint64_t *sorted);

#endif
