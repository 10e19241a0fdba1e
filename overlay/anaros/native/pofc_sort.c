// SPDX-License-Identifier: Apache-2.0
/* A merge sort that takes the sorted runs as it finds them. */
#include <string.h>

#include "pofc_sort.h"

/* Where the sorted run that begins at `first` ends. */
static uint64_t run_end(const struct entry *entries, uint64_t first, uint64_t count)
{
	uint64_t at = first + 1;

	while (at < count && entries[at - 1].key <= entries[at].key)
		at++;
	return at < count ? at : count;
}

static void merge(const struct entry *from, uint64_t first, uint64_t middle, uint64_t end,
		  struct entry *to)
{
	uint64_t a = first, b = middle;

	for (uint64_t i = first; i < end; i++) {
		if (a < middle && (b == end || from[a].key <= from[b].key))
			to[i] = from[a++];
		else
			to[i] = from[b++];
	}
}

void pofc_sort(struct entry *entries, struct entry *scratch, uint64_t count)
{
	struct entry *from = entries, *to = scratch;

	while (count > 0 && run_end(from, 0, count) < count) {
		struct entry *swap = from;

		for (uint64_t first = 0, end; first < count; first = end) {
			uint64_t middle = run_end(from, first, count);

			end = middle < count ? run_end(from, middle, count) : count;
			merge(from, first, middle, end, to);
		}
		from = to;
		to = swap;
	}
	if (from != entries)
		memcpy(entries, from, count * sizeof(*entries));
}
