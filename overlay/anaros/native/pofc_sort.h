/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANAROS_POFC_SORT_H
#define ANAROS_POFC_SORT_H

#include <stdint.h>

struct entry {
	int64_t key;
	uint64_t value;
};

/*
 * Sorts by key, and keeps the order of equal ones: quick where the entries
 * are a few sorted runs, as those of a few threads are. `scratch` has room
 * for as many.
 */
void pofc_sort(struct entry *entries, struct entry *scratch, uint64_t count);

#endif
