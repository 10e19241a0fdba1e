// SPDX-License-Identifier: Apache-2.0
/*
 * Managed memory: each group of pages is somewhere, and moves when a kernel
 * touches it, when it is prefetched, and when a device has no room for it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "watch.h"

#define GROUP_BYTES 65536u

/* Where a group is: nowhere yet, the host, or a device's index plus 1. */
enum { NOWHERE = -1, HOST = 0 };

struct group {
	int8_t place, preferred, prefetched; /* NOWHERE: none was set */
	bool read_mostly;
	uint8_t accessed_by; /* one bit for each place */
	uint64_t touched;
};

struct sim_managed {
	struct sim_managed *next;
	size_t bytes;
	size_t count;
	struct group groups[];
};

static struct sim_managed *all;
static uint64_t last_touch;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct sim_managed *sim_managed_new(size_t bytes)
{
	size_t count = (bytes + GROUP_BYTES - 1) / GROUP_BYTES;
	struct sim_managed *managed =
	    calloc(1, sizeof(*managed) + count * sizeof(managed->groups[0]));

	managed->bytes = bytes;
	managed->count = count;
	for (size_t i = 0; i < count; i++)
		managed->groups[i] = (struct group){NOWHERE, NOWHERE, NOWHERE, false, 0, 0};
	pthread_mutex_lock(&lock);
	managed->next = all;
	all = managed;
	pthread_mutex_unlock(&lock);
	return managed;
}

static size_t bytes_of(const struct sim_managed *managed, size_t group)
{
	size_t at = group * GROUP_BYTES;

	return managed->bytes - at < GROUP_BYTES ? managed->bytes - at : GROUP_BYTES;
}

static void leave(struct sim_managed *managed, size_t group)
{
	if (managed->groups[group].place > HOST)
		sim_give_back(&sim_devices[managed->groups[group].place - 1],
			      bytes_of(managed, group));
	managed->groups[group].place = NOWHERE;
}

void sim_managed_free(struct sim_managed *managed)
{
	struct sim_managed **link;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < managed->count; i++)
		leave(managed, i);
	for (link = &all; *link != managed; link = &(*link)->next)
		;
	*link = managed->next;
	pthread_mutex_unlock(&lock);
	free(managed);
}

/* Counted as the bytes go over the bus: what was nowhere was not moved. */
static void count_move(int from, int to, size_t bytes)
{
	if (from == NOWHERE)
		return;
	if (from == HOST) {
		sim_count(SIM_EVENT_migrations_h2d, 1);
		sim_count(SIM_EVENT_migrated_h2d_bytes, bytes);
	} else if (to == HOST) {
		sim_count(SIM_EVENT_migrations_d2h, 1);
		sim_count(SIM_EVENT_migrated_d2h_bytes, bytes);
	} else {
		sim_count(SIM_EVENT_migrations_d2d, 1);
		sim_count(SIM_EVENT_migrated_d2d_bytes, bytes);
	}
}

/* The group on this device that was not used for the longest time goes. */
static size_t evict_locked(const struct sim_device *device)
{
	int place = sim_index_of(device) + 1;
	struct sim_managed *from = NULL;
	size_t oldest = 0, bytes;

	for (struct sim_managed *managed = all; managed != NULL; managed = managed->next)
		for (size_t i = 0; i < managed->count; i++)
			if (managed->groups[i].place == place &&
			    (from == NULL ||
			     managed->groups[i].touched < from->groups[oldest].touched)) {
				from = managed;
				oldest = i;
			}
	if (from == NULL)
		return 0;
	bytes = bytes_of(from, oldest);
	leave(from, oldest);
	from->groups[oldest].place = HOST;
	count_move(place, HOST, bytes);
	sim_count(SIM_EVENT_evictions, 1);
	sim_count(SIM_EVENT_evicted_bytes, bytes);
	return bytes;
}

size_t sim_managed_evict(struct sim_device *device, size_t bytes)
{
	size_t gone = 0;

	pthread_mutex_lock(&lock);
	while (gone < bytes) {
		size_t more = evict_locked(device);

		if (more == 0)
			break;
		gone += more;
	}
	pthread_mutex_unlock(&lock);
	return gone;
}

/* Room for one group, under the lock: not by way of sim_take. */
static bool take_locked(struct sim_device *device, size_t bytes)
{
	while (atomic_fetch_add(&device->used_bytes, bytes) + bytes > device->total_bytes) {
		atomic_fetch_sub(&device->used_bytes, bytes);
		if (evict_locked(device) == 0)
			return false;
	}
	return true;
}

/* Bytes that were moved; 0: it was there, or it stays where it is. */
static size_t move_locked(struct sim_managed *managed, size_t index, int to, bool forced)
{
	struct group *group = &managed->groups[index];
	size_t bytes = bytes_of(managed, index);
	int from = group->place;

	group->touched = ++last_touch;
	if (from == to)
		return 0;
	/* Mapped where it is, for those that are said to use it. */
	if (!forced && from != NOWHERE && group->preferred == from &&
	    (group->accessed_by & (1u << to)) != 0)
		return 0;
	if (to > HOST && !take_locked(&sim_devices[to - 1], bytes)) {
		if (from == NOWHERE)
			group->place = HOST;
		return 0;
	}
	leave(managed, index);
	group->place = (int8_t)to;
	count_move(from, to, bytes);
	return from == NOWHERE ? 0 : bytes;
}

struct moved {
	size_t bytes;
	int from;
	uint64_t address;
};

static void report(const struct sim_op *op, struct moved moved, int to, uint64_t start_ns)
{
	const struct sim_observer *observer = sim_observer();
	struct sim_activity activity = {
	    .work = SIM_WORK_MOVE,
	    .correlation = op->correlation,
	    .queued_ns = op->queued_ns,
	    .start_ns = start_ns,
	    .end_ns = sim_now_ns(),
	    .device = (uint32_t)sim_ordinal_of(op->stream->context->device),
	    .context = (uint32_t)op->stream->context->id,
	    .stream = (uint32_t)op->stream->id,
	    .bytes = moved.bytes,
	    .direction = moved.from == HOST ? SIM_H2D
			 : to == HOST       ? SIM_D2H
					    : SIM_P2P,
	    .address = moved.address,
	};

	if (observer != NULL)
		observer->work(&activity);
}

/* Moves what of the range is managed; takes as long as the bus would. */
static void move(const struct sim_range *range, uint64_t address, size_t bytes, int place,
		 const struct sim_op *op, bool forced)
{
	struct sim_managed *managed = range->managed;
	uint64_t start_ns = sim_now_ns();
	size_t first = (address - range->start) / GROUP_BYTES, last;
	struct moved moved = {0, NOWHERE, 0};
	size_t room = range->bytes - (address - range->start);

	if (bytes > room)
		bytes = room;
	last = (address - range->start + bytes - 1) / GROUP_BYTES;
	pthread_mutex_lock(&lock);
	for (size_t i = first; i <= last; i++) {
		int from = managed->groups[i].place;
		size_t more = move_locked(managed, i, place, forced);

		if (forced)
			managed->groups[i].prefetched = (int8_t)place;
		if (more != 0 && moved.bytes == 0) {
			moved.from = from;
			moved.address = range->start + i * GROUP_BYTES;
		}
		moved.bytes += more;
	}
	pthread_mutex_unlock(&lock);
	if (moved.bytes == 0)
		return;
	sim_sleep_until(start_ns + sim_scaled_ns((double)moved.bytes /
						 op->stream->context->device->bytes_per_ns));
	report(op, moved, place, start_ns);
}

void sim_managed_touch(uint64_t address, size_t bytes, int place, const struct sim_op *op)
{
	struct sim_range range;

	if (sim_find(address, &range) && range.managed != NULL)
		move(&range, address, bytes, place, op, false);
}

/* Prefetches and discards */

static void run_move(struct sim_op *op)
{
	struct sim_range range;
	uint64_t end = op->move.address + op->move.bytes;

	if (!sim_find(op->move.address, &range) || range.managed == NULL)
		return;
	if (op->move.discard) {
		/* Only groups that it covers whole; what was in them is gone. */
		size_t first = (op->move.address - range.start + GROUP_BYTES - 1) / GROUP_BYTES;

		pthread_mutex_lock(&lock);
		for (size_t i = first; i < range.managed->count; i++) {
			uint64_t at = range.start + i * GROUP_BYTES;
			size_t bytes = bytes_of(range.managed, i);

			if (at + bytes > end)
				break;
			leave(range.managed, i);
			madvise((void *)(uintptr_t)at, sim_page_bytes(bytes), MADV_DONTNEED);
			sim_count(SIM_EVENT_discarded_bytes, bytes);
		}
		pthread_mutex_unlock(&lock);
	}
	if (op->move.place != NOWHERE)
		move(&range, op->move.address, op->move.bytes, op->move.place, op, true);
}

static int place_of(const struct sim_location *location, int *place)
{
	struct sim_device *device;
	int result;

	if (location->type == SIM_LOCATION_HOST || location->type == SIM_LOCATION_NUMA ||
	    location->type == SIM_LOCATION_NUMA_CURRENT) {
		*place = HOST;
		return SIM_OK;
	}
	if (location->type != SIM_LOCATION_DEVICE)
		return SIM_INVALID_VALUE;
	result = sim_device_of(location->id, &device);
	if (result == SIM_OK)
		*place = sim_index_of(device) + 1;
	return result;
}

static int submit(struct sim_stream *stream, uint64_t address, size_t bytes,
		  const struct sim_location *location, bool discard)
{
	struct sim_range range;
	int place = NOWHERE, result;
	struct sim_op *op;

	if (bytes == 0 || !sim_find(address, &range) || range.managed == NULL ||
	    address - range.start + bytes > range.bytes)
		return SIM_INVALID_VALUE;
	if (location != NULL) {
		result = place_of(location, &place);
		if (result != SIM_OK)
			return result;
	}
	op = sim_op_new(SIM_WORK_MOVE, run_move, SIM_ENGINE_NONE, 0);
	op->move.address = address;
	op->move.bytes = bytes;
	op->move.place = place;
	op->move.discard = discard;
	return sim_submit(stream, op, NULL);
}

static int prefetch(uint64_t address, size_t bytes, struct sim_location location, void *handle,
		    bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	return result == SIM_OK ? submit(stream, address, bytes, &location, false) : result;
}

static struct sim_location by_ordinal(int ordinal)
{
	return ordinal < 0 ? (struct sim_location){SIM_LOCATION_HOST, 0}
			   : (struct sim_location){SIM_LOCATION_DEVICE, ordinal};
}

struct batch {
	const uint64_t *addresses;
	const size_t *bytes;
	size_t count;
	const struct sim_location *locations;
	const size_t *indices;
	size_t location_count;
};

static int move_batch(struct batch batch, bool discard, void *handle, bool per_thread)
{
	struct sim_stream *stream;
	size_t which = 0;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result == SIM_OK && (batch.count == 0 || batch.addresses == NULL ||
				 batch.bytes == NULL || batch.location_count > batch.count))
		result = SIM_INVALID_VALUE;
	for (size_t i = 0; result == SIM_OK && i < batch.count; i++) {
		while (which + 1 < batch.location_count && batch.indices[which + 1] <= i)
			which++;
		result =
		    submit(stream, batch.addresses[i], batch.bytes[i],
			   batch.location_count != 0 ? &batch.locations[which] : NULL, discard);
	}
	return result;
}

static int attach(uint64_t address, void *handle, unsigned int flags, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_range range;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result != SIM_OK)
		return result;
	if (!sim_find(address, &range) || range.managed == NULL || flags == 0 || flags > 4)
		return SIM_INVALID_VALUE;
	return sim_submit(stream, sim_op_new(SIM_WORK_NOTHING, NULL, SIM_ENGINE_NONE, 0), NULL);
}

/* Advice, and what became of it */

static void advise_one(struct group *group, int advice, int place)
{
	switch (advice) {
	case 1:
	case 2:
		group->read_mostly = advice == 1;
		break;
	case 3:
		group->preferred = (int8_t)place;
		break;
	case 4:
		group->preferred = NOWHERE;
		break;
	case 5:
		group->accessed_by |= (uint8_t)(1u << place);
		break;
	default:
		group->accessed_by &= (uint8_t) ~(1u << place);
	}
}

static bool groups_of(uint64_t address, size_t bytes, struct sim_range *range, size_t *first,
		      size_t *last)
{
	if (bytes == 0 || !sim_find(address, range) || range->managed == NULL ||
	    address - range->start + bytes > range->bytes)
		return false;
	*first = (address - range->start) / GROUP_BYTES;
	*last = (address - range->start + bytes - 1) / GROUP_BYTES;
	return true;
}

static int advise(uint64_t address, size_t bytes, int advice, struct sim_location location)
{
	struct sim_range range;
	size_t first, last;
	int place = HOST, result = SIM_OK;

	if (advice < 1 || advice > 6 || !groups_of(address, bytes, &range, &first, &last))
		return SIM_INVALID_VALUE;
	if (advice == 3 || advice > 4)
		result = place_of(&location, &place);
	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&lock);
	for (size_t i = first; i <= last; i++)
		advise_one(&range.managed->groups[i], advice, place);
	pthread_mutex_unlock(&lock);
	return SIM_OK;
}

/* The one place of all groups, else NOWHERE. */
static int common_place(const struct sim_managed *managed, size_t first, size_t last,
			bool prefetched)
{
	int place = NOWHERE;

	for (size_t i = first; i <= last; i++) {
		int here =
		    prefetched ? managed->groups[i].prefetched : managed->groups[i].preferred;

		if (i > first && here != place)
			return NOWHERE;
		place = here;
	}
	return place;
}

static int ordinal_of(int place)
{
	return place == NOWHERE ? -2 : place == HOST ? -1 : sim_ordinal_of(&sim_devices[place - 1]);
}

enum range_attribute {
	RANGE_READ_MOSTLY = 1,
	RANGE_PREFERRED,
	RANGE_ACCESSED_BY,
	RANGE_PREFETCHED,
	RANGE_PREFERRED_TYPE,
	RANGE_PREFERRED_ID,
	RANGE_PREFETCHED_TYPE,
	RANGE_PREFETCHED_ID
};

static void list_users(const struct sim_managed *managed, size_t first, size_t last, int *out,
		       size_t room)
{
	unsigned int users = 0xff;
	size_t count = 0;

	for (size_t i = first; i <= last; i++)
		users &= managed->groups[i].accessed_by;
	for (int place = HOST; place <= SIM_DEVICES; place++)
		if ((users & (1u << place)) != 0 && count < room)
			out[count++] = ordinal_of(place);
	while (count < room)
		out[count++] = -2;
}

static int range_attribute(void *out, size_t size, int attribute, uint64_t address, size_t bytes)
{
	bool prefetched = attribute == RANGE_PREFETCHED || attribute >= RANGE_PREFETCHED_TYPE;
	struct sim_range range;
	size_t first, last;
	int place;

	if (out == NULL || size < sizeof(int) || attribute < 1 || attribute > 8 ||
	    !groups_of(address, bytes, &range, &first, &last))
		return SIM_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	place = common_place(range.managed, first, last, prefetched);
	switch (attribute) {
	case RANGE_READ_MOSTLY:
		*(int *)out = 1;
		for (size_t i = first; i <= last; i++)
			if (!range.managed->groups[i].read_mostly)
				*(int *)out = 0;
		break;
	case RANGE_ACCESSED_BY:
		list_users(range.managed, first, last, out, size / sizeof(int));
		break;
	case RANGE_PREFERRED_TYPE:
	case RANGE_PREFETCHED_TYPE:
		*(int *)out = place == NOWHERE ? 0
			      : place == HOST  ? SIM_LOCATION_HOST
					       : SIM_LOCATION_DEVICE;
		break;
	case RANGE_PREFERRED_ID:
	case RANGE_PREFETCHED_ID:
		*(int *)out = place > HOST ? ordinal_of(place) : 0;
		break;
	default:
		*(int *)out = ordinal_of(place);
	}
	pthread_mutex_unlock(&lock);
	return SIM_OK;
}

static int range_attributes(void **out, const size_t *sizes, const int *attributes, size_t count,
			    uint64_t address, size_t bytes)
{
	int result = out != NULL && sizes != NULL && attributes != NULL && count != 0
			 ? SIM_OK
			 : SIM_INVALID_VALUE;

	for (size_t i = 0; result == SIM_OK && i < count; i++)
		result = range_attribute(out[i], sizes[i], attributes[i], address, bytes);
	return result;
}

SIM_PAIR(cuMemPrefetchAsync, _ptsz, (uint64_t address, size_t bytes, int device, void *stream),
	 prefetch(address, bytes, by_ordinal(device), stream, PER_THREAD))
SIM_PAIR(cuMemPrefetchAsync_v2, _ptsz,
	 (uint64_t address, size_t bytes, struct sim_location location, unsigned int flags,
	  void *stream),
	 flags != 0 ? SIM_INVALID_VALUE : prefetch(address, bytes, location, stream, PER_THREAD))
#define BATCH                                                                                      \
	(struct batch)                                                                             \
	{                                                                                          \
		addresses, bytes, count, locations, indices, location_count                        \
	}
SIM_PAIR(cuMemPrefetchBatchAsync, _ptsz,
	 (uint64_t * addresses, size_t *bytes, size_t count, struct sim_location *locations,
	  size_t *indices, size_t location_count, unsigned long long flags, void *stream),
	 flags != 0 || location_count == 0 ? SIM_INVALID_VALUE
					   : move_batch(BATCH, false, stream, PER_THREAD))
SIM_PAIR(cuMemDiscardBatchAsync, _ptsz,
	 (uint64_t * addresses, size_t *bytes, size_t count, unsigned long long flags,
	  void *stream),
	 flags != 0 ? SIM_INVALID_VALUE
		    : move_batch((struct batch){addresses, bytes, count, NULL, NULL, 0}, true,
				 stream, PER_THREAD))
SIM_PAIR(cuMemDiscardAndPrefetchBatchAsync, _ptsz,
	 (uint64_t * addresses, size_t *bytes, size_t count, struct sim_location *locations,
	  size_t *indices, size_t location_count, unsigned long long flags, void *stream),
	 flags != 0 || location_count == 0 ? SIM_INVALID_VALUE
					   : move_batch(BATCH, true, stream, PER_THREAD))
SIM_PAIR(cuStreamAttachMemAsync, _ptsz,
	 (void *stream, uint64_t address, size_t bytes, unsigned int flags),
	 ((void)bytes, attach(address, stream, flags, PER_THREAD)))
SIM_FN(cuMemAdvise, (uint64_t address, size_t bytes, int advice, int device),
       advise(address, bytes, advice, by_ordinal(device)))
SIM_FN(cuMemAdvise_v2, (uint64_t address, size_t bytes, int advice, struct sim_location location),
       advise(address, bytes, advice, location))
SIM_FN(cuMemRangeGetAttribute,
       (void *out, size_t size, int attribute, uint64_t address, size_t bytes),
       range_attribute(out, size, attribute, address, bytes))
SIM_FN(cuMemRangeGetAttributes,
       (void **out, size_t *sizes, int *attributes, size_t count, uint64_t address, size_t bytes),
       range_attributes(out, sizes, attributes, count, address, bytes))
