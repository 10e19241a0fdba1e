// SPDX-License-Identifier: Apache-2.0
/* A sorted table that knows every range of memory. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static struct sim_range *ranges;
static size_t range_count, range_room;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

/* Index of the first range that starts behind the address. */
static size_t behind(uint64_t address)
{
	size_t low = 0, high = range_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool sim_find(uint64_t address, struct sim_range *range)
{
	bool found = false;
	size_t index;

	pthread_rwlock_rdlock(&lock);
	index = behind(address);
	if (index > 0 && address - ranges[index - 1].start < ranges[index - 1].bytes) {
		*range = ranges[index - 1];
		found = true;
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

/* The first range that begins at or behind an address. */
bool sim_range_next(uint64_t from, struct sim_range *range)
{
	bool found;
	size_t index;

	pthread_rwlock_rdlock(&lock);
	index = from > 0 ? behind(from - 1) : 0;
	found = index < range_count;
	if (found)
		*range = ranges[index];
	pthread_rwlock_unlock(&lock);
	return found;
}

bool sim_on_device(const struct sim_range *range)
{
	return range->kind != SIM_MEMORY_HOST && range->kind != SIM_MEMORY_REGISTERED;
}

/*
 * Whether a device may use all of it by this address: it may lie in several
 * ranges, side by side, that were mapped one by one.
 */
bool sim_is_device(uint64_t address, size_t bytes, struct sim_range *range)
{
	struct sim_range last;

	if (!sim_find(address, range))
		return false;
	last = *range;
	while (address - last.start + bytes > last.bytes) {
		uint64_t end = last.start + last.bytes;

		bytes -= end - address;
		address = end;
		if (last.kind != SIM_MEMORY_MAPPED || !sim_find(end, &last) ||
		    last.kind != SIM_MEMORY_MAPPED)
			return false;
	}
	return true;
}

void sim_range_add(const struct sim_range *range)
{
	static _Atomic uint64_t last_id;
	size_t index;

	pthread_rwlock_wrlock(&lock);
	if (range_count == range_room) {
		range_room = range_room ? 2 * range_room : 64;
		ranges = realloc(ranges, range_room * sizeof(*ranges));
	}
	index = behind(range->start);
	memmove(&ranges[index + 1], &ranges[index], (range_count - index) * sizeof(*ranges));
	ranges[index] = *range;
	ranges[index].id = atomic_fetch_add(&last_id, 1) + 1;
	range_count++;
	pthread_rwlock_unlock(&lock);
}

bool sim_range_remove(uint64_t start, struct sim_range *range)
{
	bool found = false;
	size_t index;

	pthread_rwlock_wrlock(&lock);
	index = behind(start);
	if (index > 0 && ranges[index - 1].start == start) {
		*range = ranges[index - 1];
		memmove(&ranges[index - 1], &ranges[index],
			(range_count - index) * sizeof(*ranges));
		range_count--;
		found = true;
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

/* Replaces what is known of the range that starts where this one does. */
bool sim_range_update(const struct sim_range *range)
{
	bool found;
	size_t index;

	pthread_rwlock_wrlock(&lock);
	index = behind(range->start);
	found = index > 0 && ranges[index - 1].start == range->start;
	if (found)
		ranges[index - 1] = *range;
	pthread_rwlock_unlock(&lock);
	return found;
}
