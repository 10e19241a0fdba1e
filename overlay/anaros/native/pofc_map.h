/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for 64-bit keys, in the order in which they come. */
#ifndef ANAROS_POFC_MAP_H
#define ANAROS_POFC_MAP_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

struct map_slot {
	uint64_t key;
	uint32_t number; /* + 1; 0 = free */
};

struct map {
	struct map_slot *slots;
	uint64_t mask;
	uint64_t seed;
	uint32_t used;
};

static inline int map_init(struct map *map)
{
	map->mask = 255;
	map->used = 0;
	/* Keys come from the workload: it must not be able to make them collide. */
	if (getrandom(&map->seed, sizeof(map->seed), GRND_NONBLOCK) < 0)
		map->seed = (uintptr_t)map;
	map->slots = calloc(map->mask + 1, sizeof(*map->slots));
	return map->slots == NULL ? -ENOMEM : 0;
}

static inline void map_free(struct map *map)
{
	free(map->slots);
}

static inline struct map_slot *map_slot(const struct map *map, uint64_t key)
{
	uint64_t hash = (key ^ map->seed) * 0x9e3779b97f4a7c15ull;

	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93ull;
	hash ^= hash >> 32;
	for (;; hash++) {
		struct map_slot *slot = &map->slots[hash & map->mask];

		if (slot->number == 0 || slot->key == key)
			return slot;
	}
}

/* The number of a key, -1 if it has none. */
static inline int64_t map_find(const struct map *map, uint64_t key)
{
	return (int64_t)map_slot(map, key)->number - 1;
}

int map_grow(struct map *map);

/* The number of a key, the next free one if it has none yet; or -ENOMEM. */
static inline int64_t map_number(struct map *map, uint64_t key)
{
	struct map_slot *slot = map_slot(map, key);

	if (slot->number == 0) {
		if (map->used > map->mask / 2) {
			if (map_grow(map) < 0)
				return -ENOMEM;
			slot = map_slot(map, key);
		}
		slot->key = key;
		slot->number = ++map->used;
	}
	return (int64_t)slot->number - 1;
}

#endif
