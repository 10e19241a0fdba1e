// SPDX-License-Identifier: Apache-2.0
/*
 * Spans of device memory in one sorted array. Who looks takes no lock: a
 * count that is odd while somebody writes tells to look again. Who allocates
 * takes one, for as long as it takes to move what lies behind.
 *
 * Nothing is known any more where there is no room, where the lock is held
 * for long, and in a child of fork that was made while somebody wrote.
 */
#include "core/span.h"

#define SPANS  8192u
#define LOOKS  64u
#define UNTOLD 1u /* bytes, where the call does not tell them: only the start is known */

static struct span {
	uint64_t start, end, made_ns;
	uint32_t place;
} spans[SPANS];
static uint32_t count;
static uint32_t sequence; /* odd: being written */
static bool lost;

#define LOAD(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

/* The lock, to be given to end(); NULL: the spans are lost. */
static uint32_t *begin(void)
{
	uint32_t *lock = LOAD(lost) ? NULL : anaros_lock(ANAROS_LOCK_SPANS);

	if (lock == NULL || (LOAD(sequence) & 1) != 0) {
		STORE(lost, true);
		if (lock != NULL)
			anaros_unlock(lock);
		return NULL;
	}
	STORE(sequence, sequence + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return lock;
}

static void end(uint32_t *lock)
{
	__atomic_fetch_add(&sequence, 1, __ATOMIC_RELEASE);
	anaros_unlock(lock);
}

static void put(uint32_t at, struct span span)
{
	STORE(spans[at].start, span.start);
	STORE(spans[at].end, span.end);
	STORE(spans[at].made_ns, span.made_ns);
	STORE(spans[at].place, span.place);
}

/* The first span that ends behind an address. */
static uint32_t first_behind(uint64_t address, uint32_t limit)
{
	uint32_t low = 0, high = limit;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (LOAD(spans[middle].end) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Takes `gone` spans out at a place, and leaves room for `room` there. */
static void shift(uint32_t at, uint32_t gone, uint32_t room)
{
	uint32_t old = LOAD(count), new = old - gone + room;

	for (uint32_t i = at + gone; room < gone && i < old; i++)
		put(i - gone + room, spans[i]);
	for (uint32_t i = old; room > gone && i > at + gone; i--)
		put(i - 1 - gone + room, spans[i - 1]);
	STORE(count, new);
}

void anaros_span_made(uint64_t start, uint64_t bytes, enum anaros_place place)
{
	struct span span = {
	    .start = start, .end = start + (bytes != 0 ? bytes : UNTOLD), .place = (uint32_t)place};
	uint32_t at, gone = 0, *lock;

	if (start == 0 || span.end <= start || (lock = begin()) == NULL)
		return;
	span.made_ns = anaros_now_ns();
	at = first_behind(start, LOAD(count));
	/* What lay here was freed by a call that nobody saw. */
	while (at + gone < LOAD(count) && LOAD(spans[at + gone].start) < span.end)
		gone++;
	if (LOAD(count) - gone < SPANS) {
		shift(at, gone, 1);
		put(at, span);
	} else {
		STORE(lost, true);
	}
	end(lock);
}

void anaros_span_gone(uint64_t start, uint64_t bytes, uint64_t start_ns)
{
	uint32_t at, *lock;

	if (start == 0 || LOAD(count) == 0 || (lock = begin()) == NULL)
		return;
	at = first_behind(start, LOAD(count));
	if (at < LOAD(count) && LOAD(spans[at].start) < start)
		at++;
	while (at < LOAD(count) && LOAD(spans[at].start) - start < (bytes != 0 ? bytes : UNTOLD)) {
		if (LOAD(spans[at].made_ns) <= start_ns)
			shift(at, 1, 0);
		else
			at++;
	}
	end(lock);
}

enum anaros_place anaros_span_of(uint64_t address)
{
	for (uint32_t look = 0; look < LOOKS && !LOAD(lost); look++) {
		uint32_t before = __atomic_load_n(&sequence, __ATOMIC_ACQUIRE);
		uint32_t limit = LOAD(count), at = first_behind(address, limit);
		uint32_t place = ANAROS_PLACE_HOST;

		if (at < limit && LOAD(spans[at].start) <= address)
			place = LOAD(spans[at].place);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if ((before & 1) == 0 && LOAD(sequence) == before)
			return (enum anaros_place)place;
	}
	return ANAROS_PLACE_UNKNOWN;
}

/* Managed memory is the side that is not the device's, as where a call tells the direction. */
struct anaros_span_way anaros_span_way_of(uint64_t dst, uint64_t src)
{
	enum anaros_place to = anaros_span_of(dst), from = anaros_span_of(src);

	if (to == ANAROS_PLACE_UNKNOWN || from == ANAROS_PLACE_UNKNOWN)
		return (struct anaros_span_way){ANAROS_KIND_GPU_COPY, dst};
	if (to == ANAROS_PLACE_DEVICE && from == ANAROS_PLACE_DEVICE)
		return (struct anaros_span_way){ANAROS_KIND_GPU_COPY_D2D, dst};
	if (to == ANAROS_PLACE_DEVICE)
		return (struct anaros_span_way){ANAROS_KIND_GPU_COPY_H2D, src};
	if (from == ANAROS_PLACE_DEVICE)
		return (struct anaros_span_way){ANAROS_KIND_GPU_COPY_D2H, dst};
	return (struct anaros_span_way){ANAROS_KIND_GPU_COPY, dst};
}
