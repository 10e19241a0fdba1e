// SPDX-License-Identifier: Apache-2.0
/* The store's passes over every record. */
#include <malloc.h>
#include <string.h>

#include "native.h"
#include "store.h"

#define DIGIT_BITS 11
#define DIGITS     (1u << DIGIT_BITS)
#define PASSES_MAX 6

static unsigned int bits_of(uint64_t value)
{
	return value == 0 ? 0 : 64 - (unsigned int)__builtin_clzll(value);
}

/* Starts too far apart to share a word with their positions. */
static int sort_wide(const uint64_t *starts, uint32_t count, uint32_t base, uint64_t *sorted,
		     uint32_t *order, uint64_t *scratch)
{
	int error = anaros_argsort(starts, count, order, (uint32_t *)scratch);

	for (uint32_t i = 0; error == 0 && i < count; i++) {
		sorted[i] = starts[order[i]];
		order[i] += base;
	}
	return error;
}

/*
 * Time and position share a word, so that a pass moves one array. The digits
 * of all passes are counted in one go.
 */
int anaros_store_sort(const uint64_t *starts, uint32_t count, uint32_t base, uint64_t *sorted,
		      uint32_t *order, uint64_t *scratch)
{
	uint32_t ends[PASSES_MAX][DIGITS];
	uint64_t low = UINT64_MAX, high = 0, *from = scratch, *to = scratch + count;
	unsigned int shift, key_bits, passes;

	for (uint32_t i = 0; i < count; i++) {
		low = starts[i] < low ? starts[i] : low;
		high = starts[i] > high ? starts[i] : high;
	}
	if (count == 0)
		return 0;
	shift = bits_of(count - 1);
	key_bits = bits_of(high - low);
	passes = (key_bits + DIGIT_BITS - 1) / DIGIT_BITS;
	if (key_bits + shift > 64 || passes > PASSES_MAX)
		return sort_wide(starts, count, base, sorted, order, scratch);
	memset(ends, 0, passes * sizeof(ends[0]));
	for (uint32_t i = 0; i < count; i++) {
		uint64_t key = starts[i] - low;

		from[i] = key << shift | i;
		for (unsigned int pass = 0; pass < passes; pass++, key >>= DIGIT_BITS)
			ends[pass][key & (DIGITS - 1)]++;
	}
	for (unsigned int pass = 0; pass < passes; pass++) {
		unsigned int down = shift + pass * DIGIT_BITS;
		uint64_t *swap = from;
		uint32_t sum = 0;

		for (uint32_t digit = 0; digit < DIGITS; digit++) {
			uint32_t here = ends[pass][digit];

			ends[pass][digit] = sum;
			sum += here;
		}
		for (uint32_t i = 0; i < count; i++)
			to[ends[pass][from[i] >> down & (DIGITS - 1)]++] = from[i];
		from = to;
		to = swap;
	}
	for (uint32_t i = 0; i < count; i++) {
		sorted[i] = low + (from[i] >> shift);
		order[i] = base + (uint32_t)(from[i] & ((1ull << shift) - 1));
	}
	return 0;
}

#define SCATTER(type)                                                                              \
	do {                                                                                       \
		const type *source = from[column];                                                 \
		type *target = to[column];                                                         \
		for (uint64_t i = 0; i < count; i++)                                               \
			target[place[i]] = source[i];                                              \
	} while (0)

void anaros_store_scatter(const void *const *from, void *const *to, const uint8_t *widths,
			  uint32_t columns, const uint32_t *place, uint64_t count)
{
	for (uint32_t column = 0; column < columns; column++) {
		if (widths[column] == 8)
			SCATTER(uint64_t);
		else if (widths[column] == 4)
			SCATTER(uint32_t);
		else if (widths[column] == 2)
			SCATTER(uint16_t);
		else
			SCATTER(uint8_t);
	}
}

void anaros_store_count(const uint64_t *start_ns, const uint64_t *duration_ns, const uint16_t *kind,
			const uint16_t *flags, const uint64_t *size_bytes, uint64_t count,
			struct store_call *calls)
{
	for (uint64_t i = 0; i < count; i++) {
		struct store_call *call = &calls[kind[i]];
		uint64_t end_ns = start_ns[i] + duration_ns[i];

		if (call->count++ == 0) {
			call->flags = flags[i];
			call->first_ns = start_ns[i];
		}
		call->total_ns += duration_ns[i];
		call->size_bytes += size_bytes[i];
		call->first_ns = start_ns[i] < call->first_ns ? start_ns[i] : call->first_ns;
		call->end_ns = end_ns > call->end_ns ? end_ns : call->end_ns;
	}
}

void anaros_store_keep_freed(void)
{
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

void anaros_store_by_kind(const uint16_t *kind, const uint64_t *duration_ns, uint64_t count,
			  uint64_t *next, uint64_t *sorted)
{
	for (uint64_t i = 0; i < count; i++)
		sorted[next[kind[i]]++] = duration_ns[i];
}
