/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times that are summed by key, and told once a second: what came since then.
 */
#ifndef ANAROS_SUMS_BPF_H
#define ANAROS_SUMS_BPF_H

#include "common.bpf.h"

struct sum {
	u64 count;
	u64 ns;
	u64 told_count;
	u64 told_sum_ns;
	u64 told_ns; /* when */
};

/* The sum of a key, which begins at since_ns if it is a new one; NULL: the map is full. */
static __always_inline struct sum *sum_of(void *map, const void *key, u64 since_ns, u32 probe)
{
	struct sum fresh = {.told_ns = since_ns}, *sum = bpf_map_lookup_elem(map, key);

	if (sum)
		return sum;
	bpf_map_update_elem(map, key, &fresh, BPF_NOEXIST);
	sum = bpf_map_lookup_elem(map, key);
	if (!sum)
		anaros_count(probe, ANAROS_COUNTER_UNTRACKED);
	return sum;
}

/* A record of what came since the last one; NULL: nothing, or no room. The caller submits it. */
static __always_inline struct anaros_record *sum_tell(struct sum *sum, u32 probe, u16 kind)
{
	u64 now = bpf_ktime_get_ns(), count, ns;
	struct anaros_record *record;

	if (!sum || sum->count == sum->told_count)
		return NULL;
	count = sum->count;
	ns = sum->ns;
	record = anaros_reserve(probe, kind);
	if (!record)
		return NULL;
	record->start_ns = sum->told_ns;
	record->duration_ns = ns - sum->told_sum_ns;
	record->size_bytes = count - sum->told_count;
	record->context = now - sum->told_ns;
	sum->told_count = count;
	sum->told_sum_ns = ns;
	sum->told_ns = now;
	return record;
}

#endif
