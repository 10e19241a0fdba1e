// SPDX-License-Identifier: Apache-2.0
/*
 * Which streams are in capture: a call on one of those goes into a graph and
 * does not run. A stream joins a capture by waiting for an event that was
 * recorded in it.
 */
#include "cuda/nodes.h"
#include "core/lock.h"

#define CAPTURED 256u

uint32_t anaros_cuda_captures; /* streams and events in a capture */

static struct captured {
	uint64_t handle; /* a stream or an event */
	uint64_t origin; /* the stream that the capture began on */
} captured[CAPTURED];

/* The per-thread stream has one handle in all threads. */
static uint64_t capture_key(uint64_t handle)
{
	if (handle == CUDA_STREAM_PER_THREAD)
		return handle | (uint64_t)anaros_thread.tid << 32;
	return handle;
}

/* The capture that it is part of, by the stream it began on; 0 = none. */
static uint64_t origin_of(uint64_t handle)
{
	uint64_t key = capture_key(handle);

	for (unsigned int i = 0; i < CAPTURED; i++)
		if (__atomic_load_n(&captured[i].handle, __ATOMIC_ACQUIRE) == key)
			return captured[i].origin;
	return 0;
}

bool anaros_cuda_captured(uint64_t handle)
{
	return origin_of(handle) != 0;
}

/* The flag is missing, or stays, nothing else. */
static COLD void count_lost(void)
{
	if (anaros_shared != NULL)
		__atomic_fetch_add(&anaros_shared->captures_lost, 1, __ATOMIC_RELAXED);
}

/* Counted first, and taken off last: a child of fork may find only half of it done. */
static void add_captured(uint64_t handle, uint64_t origin)
{
	uint32_t *lock = anaros_lock(ANAROS_LOCK_CUDA_CAPTURES);
	uint64_t key = capture_key(handle);

	for (unsigned int i = 0; lock != NULL && origin_of(handle) == 0 && i < CAPTURED; i++) {
		if (captured[i].handle != 0)
			continue;
		__atomic_fetch_add(&anaros_cuda_captures, 1, __ATOMIC_RELAXED);
		captured[i].origin = origin;
		__atomic_store_n(&captured[i].handle, key, __ATOMIC_RELEASE);
	}
	if (lock == NULL || origin_of(handle) == 0)
		count_lost();
	if (lock != NULL)
		anaros_unlock(lock);
}

void anaros_cuda_capture_begins(int result, uint64_t stream)
{
	if (result == CUDA_SUCCESS)
		add_captured(stream, capture_key(stream));
}

/* The capture is over even where the driver says that it went wrong. */
void anaros_cuda_capture_ends(uint64_t stream)
{
	uint64_t origin = capture_key(stream);
	uint32_t *lock;

	if (__atomic_load_n(&anaros_cuda_captures, __ATOMIC_RELAXED) == 0)
		return;
	lock = anaros_lock(ANAROS_LOCK_CUDA_CAPTURES);
	if (lock == NULL) {
		count_lost();
		return;
	}
	for (unsigned int i = 0; i < CAPTURED; i++) {
		if (captured[i].handle == 0 || captured[i].origin != origin)
			continue;
		__atomic_store_n(&captured[i].handle, 0, __ATOMIC_RELEASE);
		__atomic_fetch_sub(&anaros_cuda_captures, 1, __ATOMIC_RELAXED);
	}
	anaros_unlock(lock);
}

/* What was done on one member of a capture makes the other one a member. */
void anaros_cuda_joins(int result, uint64_t joining, uint64_t member)
{
	uint64_t origin;

	if (result != CUDA_SUCCESS || __atomic_load_n(&anaros_cuda_captures, __ATOMIC_RELAXED) == 0)
		return;
	origin = origin_of(member);
	if (origin != 0)
		add_captured(joining, origin);
}

void anaros_cuda_put_in_graph(const struct anaros_fields *fields)
{
	anaros_cuda_nodes_captured(origin_of(fields->object), fields);
}

/* The address is 0 where it begins, and the graph where it ends. */
#define CAPTURE(graph)                                                                             \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_CAPTURE, .object = CUDA_STREAM(hStream),                 \
		  .address = (uintptr_t)(graph))
#define BEGINS(graph, again)                                                                       \
	if (result == CUDA_SUCCESS)                                                                \
		anaros_cuda_nodes_begin(capture_key(CUDA_STREAM(hStream)), graph, again);          \
	anaros_cuda_capture_begins(result, CUDA_STREAM(hStream));                                  \
	CAPTURE(NULL)
#define ENDS(graph)                                                                                \
	anaros_cuda_capture_ends(CUDA_STREAM(hStream));                                            \
	CAPTURE(graph)
#define ENDS_IN(graph)                                                                             \
	anaros_cuda_nodes_end(capture_key(CUDA_STREAM(hStream)), graph);                           \
	ENDS(graph)

CUDA_PAIR(cuStreamBeginCapture, _ptsz, BEGINS(NULL, false))
CUDA_PAIR(cuStreamBeginCapture_v2, _ptsz, BEGINS(NULL, false))
CUDA_PAIR(cuStreamBeginCaptureToGraph, _ptsz, BEGINS(hGraph, false))
/* The same nodes once more, with other values. */
CUDA_PAIR(cuStreamBeginRecaptureToGraph, _ptsz, BEGINS(hGraph, true))
CUDA_PAIR(cuStreamBeginCaptureToCig, _ptsz, BEGINS(NULL, false))
CUDA_PAIR(cuStreamEndCapture, _ptsz, ENDS_IN(CUDA_OUT(phGraph)))
/* The work goes to a graphics queue: there is no graph to name. */
CUDA_PAIR(cuStreamEndCaptureToCig, _ptsz, ENDS(hStream))
