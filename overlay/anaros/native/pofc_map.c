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

/* The first of the entries from `low` to before `high` that is after `time`. */
static uint64_t after(const struct entry *entries, uint64_t low, uint64_t high, int64_t time)
{
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (entries[middle].key <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int anaros_pofc_latest(const int64_t *group, const int64_t *time, uint64_t count,
		       const int64_t *query_group, const int64_t *query_time, uint64_t queries,
		       int64_t *found)
{
	struct groups groups = {0};
	int error = make_groups(&groups, group, time, count);

	for (uint64_t i = 0; i < queries && error == 0; i++) {
		int64_t mine = map_find(&groups.map, (uint64_t)query_group[i]);
		uint64_t first, at;

		found[i] = -1;
		if (mine < 0)
			continue;
		first = mine > 0 ? groups.ends[mine - 1] : 0;
		at = after(groups.entries, first, groups.ends[mine], query_time[i]);
		if (at > first)
			found[i] = (int64_t)groups.entries[at - 1].value;
	}
	free_groups(&groups);
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
