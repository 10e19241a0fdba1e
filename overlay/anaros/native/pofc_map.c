// SPDX-License-Identifier: Apache-2.0
/* Equal keys: their numbers, their order in time, and the latest of one at a time. */
#include "pofc.h"
#include "pofc_map.h"
#include "pofc_sort.h"

int map_grow(struct map *map)
{
	struct map old = *map;

	map->mask = old.mask * 4 + 3;
	map->slots = calloc(map->mask + 1, sizeof(*map->slots));
	if (map->slots == NULL) {
		*map = old;
		return -ENOMEM;
	}
	for (uint64_t i = 0; i <= old.mask; i++)
		if (old.slots[i].number != 0)
			*map_slot(map, old.slots[i].key) = old.slots[i];
	free(old.slots);
	return 0;
}

int64_t anaros_pofc_number(const uint64_t *keys, uint64_t count, int32_t *number)
{
	struct map map;
	int64_t groups = -ENOMEM;

	if (map_init(&map) == 0) {
		groups = 0;
		for (uint64_t i = 0; i < count && groups >= 0; i++) {
			int64_t found = map_number(&map, keys[i]);

			number[i] = (int32_t)found;
			groups = found < 0 ? found : map.used;
		}
	}
	map_free(&map);
	return groups;
}

/* Entries of groups: those of group g end at ends[g], where those of g + 1 begin. */
struct groups {
	struct map map;
	struct entry *entries;
	struct entry *scratch;
	int32_t *number;
	uint64_t *ends;
};

static void free_groups(struct groups *groups)
{
	map_free(&groups->map);
	free(groups->entries);
	free(groups->scratch);
	free(groups->number);
	free(groups->ends);
}

/* Sorts entries by group and time; the order of equal ones is kept. */
static int make_groups(struct groups *groups, const int64_t *group, const int64_t *time,
		       uint64_t count)
{
	uint64_t first = 0;

	groups->entries = malloc((count + 1) * sizeof(*groups->entries));
	groups->scratch = malloc((count + 1) * sizeof(*groups->scratch));
	groups->number = malloc((count + 1) * sizeof(*groups->number));
	if (map_init(&groups->map) < 0 || !groups->entries || !groups->scratch || !groups->number)
		return -ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		int64_t found = map_number(&groups->map, (uint64_t)group[i]);

		if (found < 0)
			return -ENOMEM;
		groups->number[i] = (int32_t)found;
	}
	groups->ends = calloc(groups->map.used + 1ull, sizeof(*groups->ends));
	if (groups->ends == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i < count; i++)
		groups->ends[groups->number[i] + 1]++;
	/* Where each group begins; filling it moves that to where it ends. */
	for (uint32_t i = 0; i < groups->map.used; i++)
		groups->ends[i + 1] += groups->ends[i];
	for (uint64_t i = 0; i < count; i++)
		groups->entries[groups->ends[groups->number[i]]++] = (struct entry){time[i], i};
	for (uint32_t i = 0; i < groups->map.used; i++) {
		pofc_sort(&groups->entries[first], groups->scratch, groups->ends[i] - first);
		first = groups->ends[i];
	}
	return 0;
}

/*
 * The first of the entries from `low` to before `high` that is after `time`.
 * Queries mostly follow each other: it is looked for around `near` first.
 */
static uint64_t after(const struct entry *entries, uint64_t low, uint64_t high, uint64_t near,
		      int64_t time)
{
	uint64_t step = 1;

	near = near < low || near > high ? low : near;
	if (near < high && entries[near].key <= time) {
		low = near + 1;
		for (; high - near > step && entries[near + step].key <= time; step *= 2)
			low = near + step + 1;
		high = high - near > step ? near + step : high;
	} else {
		high = near;
		for (; near - low > step && entries[near - step].key > time; step *= 2)
			high = near - step;
		low = near - low > step ? near - step : low;
	}
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (entries[middle].key <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Where the entries of a group begin and end; both 0 if there are none. */
static uint64_t bounds(const struct groups *groups, int64_t group, uint64_t *end)
{
	int64_t mine = map_find(&groups->map, (uint64_t)group);

	*end = mine < 0 ? 0 : groups->ends[mine];
	return mine <= 0 ? 0 : groups->ends[mine - 1];
}

int anaros_pofc_latest(const int64_t *group, const int64_t *time, uint64_t count,
		       const int64_t *query_group, const int64_t *query_time, uint64_t queries,
		       int64_t *found)
{
	struct groups groups = {0};
	int error = make_groups(&groups, group, time, count);
	uint64_t near = 0;

	for (uint64_t i = 0; i < queries && error == 0; i++) {
		uint64_t end, first = bounds(&groups, query_group[i], &end);

		near = after(groups.entries, first, end, near, query_time[i]);
		found[i] = near > first ? (int64_t)groups.entries[near - 1].value : -1;
	}
	free_groups(&groups);
	return error;
}

/* sums[i] = what the indices of the first i entries add up to. */
static uint64_t *sum_up(const struct groups *groups, uint64_t count)
{
	uint64_t *sums = malloc((count + 1) * sizeof(*sums));

	if (sums == NULL)
		return NULL;
	sums[0] = 0;
	for (uint64_t i = 0; i < count; i++)
		sums[i + 1] = sums[i] + groups->entries[i].value;
	return sums;
}

int anaros_pofc_alone(const int64_t *group, const int64_t *begin, const int64_t *end,
		      uint64_t count, const int64_t *query_group, const int64_t *query_time,
		      uint64_t queries, int64_t *found)
{
	struct groups opened = {0}, closed = {0};
	uint64_t *came = NULL, *left = NULL, near_open = 0, near_close = 0;
	int error = make_groups(&opened, group, begin, count);

	if (error == 0)
		error = make_groups(&closed, group, end, count);
	if (error == 0) {
		came = sum_up(&opened, count);
		left = sum_up(&closed, count);
		error = came && left ? 0 : -ENOMEM;
	}
	for (uint64_t i = 0; i < queries && error == 0; i++) {
		uint64_t stop, first = bounds(&opened, query_group[i], &stop);

		/* Groups lie in the same places in both. */
		near_open = after(opened.entries, first, stop, near_open, query_time[i]);
		near_close = query_time[i] == INT64_MIN ? first
							: after(closed.entries, first, stop,
								near_close, query_time[i] - 1);
		found[i] = -1;
		if (near_open == near_close + 1) {
			uint64_t only =
			    (came[near_open] - came[first]) - (left[near_close] - left[first]);

			/* An entry that ends before it begins leads elsewhere. */
			found[i] = only < count ? (int64_t)only : -1;
		}
	}
	free(came);
	free(left);
	free_groups(&opened);
	free_groups(&closed);
	return error;
}

int anaros_pofc_order(const int64_t *group, const int64_t *time, uint64_t count, int64_t *order)
{
	struct groups groups = {0};
	int error = make_groups(&groups, group, time, count);

	for (uint64_t i = 0; i < count && error == 0; i++)
		order[i] = (int64_t)groups.entries[i].value;
	free_groups(&groups);
	return error;
}
