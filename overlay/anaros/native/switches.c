// SPDX-License-Identifier: Apache-2.0
/* Reads the rings of sched_switch (anaros/switch.h) and makes records of their slots. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "anaros/switch.h"
#include "native.h"
#include "wait.h"

#define SLOT_RECORDS 4
/* Few enough that their records stay in the first cache. */
#define BATCH_SLOTS 32

struct switches {
	struct anaros_switch_ends *ends;
	const struct anaros_switch *slots;
	size_t ends_bytes;
	size_t slots_bytes;
	uint32_t cpus;
	uint32_t slots_each;
};

static size_t mapped(size_t bytes)
{
	return (bytes + 4095) & ~(size_t)4095;
}

/* Maps what both BPF maps hold: a ring for each CPU, of `slots_each` slots (a power of two). */
struct switches *anaros_switches_open(int ends_fd, int slots_fd, uint32_t cpus, uint32_t slots_each,
				      int *error)
{
	struct switches *rings = calloc(1, sizeof(*rings));

	if (rings == NULL) {
		*error = ENOMEM;
		return NULL;
	}
	rings->cpus = cpus;
	rings->slots_each = slots_each;
	rings->ends_bytes = mapped(cpus * sizeof(*rings->ends));
	rings->slots_bytes = mapped((size_t)cpus * slots_each * sizeof(*rings->slots));
	rings->ends = mmap(NULL, rings->ends_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ends_fd, 0);
	rings->slots = mmap(NULL, rings->slots_bytes, PROT_READ, MAP_SHARED, slots_fd, 0);
	if (rings->ends == MAP_FAILED || rings->slots == MAP_FAILED) {
		*error = errno;
		anaros_switches_close(rings);
		return NULL;
	}
	return rings;
}

void anaros_switches_close(struct switches *rings)
{
	if (rings->ends != MAP_FAILED)
		munmap(rings->ends, rings->ends_bytes);
	if (rings->slots != MAP_FAILED)
		munmap((void *)rings->slots, rings->slots_bytes);
	free(rings);
}

/* Since when a thread was ready that waited for a CPU. */
static uint64_t ready_ns(const struct anaros_switch *slot)
{
	if (slot->off_ns != 0 && slot->state == 0)
		return slot->off_ns;
	return slot->waking_ns > slot->off_ns ? slot->waking_ns : slot->off_ns;
}

/* A wait for a CPU, or for the quota of the cgroup. */
static struct anaros_record queued(const struct anaros_switch *slot)
{
	bool throttled = slot->flags & ANAROS_SWITCH_THROTTLED;
	struct anaros_record record = {
	    .start_ns = ready_ns(slot),
	    .duration_ns = slot->in_ns - ready_ns(slot),
	    .pid = slot->pid,
	    .tid = slot->tid,
	    .kind = throttled ? ANAROS_KIND_SCHED_THROTTLE : ANAROS_KIND_SCHED_RUNQUEUE,
	    .flags = ANAROS_FLAG_KERNEL,
	    .address = slot->cpu,
	};

	if (throttled)
		return record;
	record.flags |= slot->flags & ANAROS_SWITCH_OTHER ? ANAROS_FLAG_OTHER_TENANT : 0;
	record.object = slot->over_tid;
	record.size_bytes = slot->over_pid;
	return record;
}

/* A sleep that has a record of its own besides: on a futex, or in a page fault. */
static bool slept(const struct anaros_switch *slot, enum anaros_wait wait,
		  struct anaros_record *record)
{
	*record = (struct anaros_record){
	    .start_ns = slot->off_ns,
	    .duration_ns = slot->in_ns - slot->off_ns,
	    .pid = slot->pid,
	    .tid = slot->tid,
	    .flags = ANAROS_FLAG_KERNEL,
	};
	switch (wait) {
	case ANAROS_WAIT_FUTEX:
		record->kind = ANAROS_KIND_SYNC_FUTEX;
		record->object = slot->argument;
		if (slot->waking_ns != 0) {
			record->address = slot->waker_tid;
			record->size_bytes = slot->waker_pid;
		}
		return true;
	case ANAROS_WAIT_FAULT:
		record->kind = ANAROS_KIND_MEM_FAULT;
		record->address = slot->argument;
		record->status = slot->flags & ANAROS_SWITCH_IOWAIT ? 1 : 0;
		return true;
	default:
		return false;
	}
}

/* The records of one slot; returns how many. */
static int expand(const struct anaros_switch *slot, struct anaros_record *record)
{
	uint16_t async = slot->flags & ANAROS_SWITCH_ASYNC ? ANAROS_FLAG_ASYNC : 0;
	enum anaros_wait wait = anaros_wait_of(slot);
	int count = 0;

	if (slot->off_ns != 0) {
		bool woken = slot->state != 0 && slot->waking_ns != 0;

		record[count++] = (struct anaros_record){
		    .start_ns = slot->off_ns,
		    .duration_ns = slot->in_ns - slot->off_ns,
		    .pid = slot->pid,
		    .tid = slot->tid,
		    .kind = ANAROS_KIND_SCHED_OFFCPU,
		    .flags = ANAROS_FLAG_KERNEL | (woken ? async : 0),
		    .status = slot->state,
		    .object = woken ? slot->waker_tid : 0,
		    .size_bytes = slot->flags & ANAROS_SWITCH_IOWAIT ? 1 : 0,
		    .address = anaros_wait_word(wait, slot),
		    .context = wait != ANAROS_WAIT_UNKNOWN ? slot->argument : 0,
		};
		if (slept(slot, wait, &record[count]))
			count++;
	}
	if (slot->flags & ANAROS_SWITCH_READY)
		record[count++] = queued(slot);
	if (slot->flags & ANAROS_SWITCH_WAKEUP)
		record[count++] = (struct anaros_record){
		    .start_ns = slot->waking_ns,
		    .pid = slot->waker_pid,
		    .tid = slot->waker_tid,
		    .kind = ANAROS_KIND_SCHED_WAKEUP,
		    .flags = ANAROS_FLAG_KERNEL | async,
		    .object = slot->tid,
		    .address = slot->cpu,
		};
	return count;
}

/*
 * Empties one ring, with what comes meanwhile: a ring that was left beyond its
 * mark would not say again that it fills. Returns the records, or what
 * `sample` returned below 0.
 */
static int64_t consume_ring(struct switches *rings, uint32_t cpu, uint64_t slots_max,
			    anaros_sample_fn sample, void *context)
{
	const struct anaros_switch *ring = rings->slots + (size_t)cpu * rings->slots_each;
	struct anaros_switch_ends *ends = &rings->ends[cpu];
	struct anaros_record records[BATCH_SLOTS * SLOT_RECORDS];
	uint64_t tail = ends->tail;
	int64_t total = 0;

	while (slots_max > 0) {
		uint64_t batch = __atomic_load_n(&ends->head, __ATOMIC_ACQUIRE) - tail;
		int count = 0, result;

		if (batch == 0)
			break;
		if (batch > BATCH_SLOTS)
			batch = BATCH_SLOTS;
		if (batch > slots_max)
			batch = slots_max;
		slots_max -= batch;
		for (; batch > 0; batch--)
			count += expand(&ring[tail++ & (rings->slots_each - 1)], records + count);
		__atomic_store_n(&ends->tail, tail, __ATOMIC_RELEASE);
		result = sample(context, records, (size_t)count * sizeof(*records));
		if (result < 0)
			return result;
		total += count;
	}
	return total;
}

/*
 * Hands all that the rings hold to `sample`, many records at a time, but no
 * more than `room` of them. Returns how many, or what `sample` returned below 0.
 */
int64_t anaros_switches_consume(struct switches *rings, uint64_t room, anaros_sample_fn sample,
				void *context)
{
	int64_t total = 0;

	for (uint32_t cpu = 0; cpu < rings->cpus; cpu++) {
		uint64_t slots_max = (room - (uint64_t)total) / SLOT_RECORDS;
		int64_t count = consume_ring(rings, cpu, slots_max, sample, context);

		if (count < 0)
			return count;
		total += count;
	}
	return total;
}
