/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NCCL tells what it does to a profiler plugin, a library that exports one
 * structure for each version of the interface; NCCL takes the newest that it
 * knows. The shim is that library: the rings are its own, and it is loaded
 * already. NCCL_PROFILER_PLUGIN names it.
 *
 * versions.c has the structures as NCCL lays them out and turns what
 * comes in into the few calls below; nccl.c records. Nothing is allocated:
 * what NCCL holds of an event is a slot of a fixed table, or NULL, which it
 * takes for "not followed".
 */
#ifndef ANAROS_NCCL_H
#define ANAROS_NCCL_H

#include "core/shim.h"

/* What an event is about: bits, also of the activation mask. */
enum nccl_event {
	NCCL_COLLECTIVE = 1 << 1,
	NCCL_POINT_TO_POINT = 1 << 2,
	NCCL_PROXY_OPERATION = 1 << 3,
	NCCL_PROXY_STEP = 1 << 4,
	NCCL_COLLECTIVE_CALL = 1 << 9,
	NCCL_POINT_TO_POINT_CALL = 1 << 10,
	NCCL_COPY_COLLECTIVE = 1 << 12, /* by copy engines, without a kernel */
};

/*
 * As little as tells the waits. Kernel events (1 << 6) are left out: for them
 * NCCL runs a proxy operation for each channel of each collective.
 */
#define NCCL_WANTED (NCCL_COLLECTIVE | NCCL_POINT_TO_POINT | NCCL_PROXY_OPERATION | NCCL_PROXY_STEP)

/* The states of a step; those below are of an operation, until the third version. */
enum nccl_state {
	NCCL_SEND_GPU_WAIT = 8,
	NCCL_SEND_WAIT = 9,
	NCCL_RECEIVE_WAIT = 10,
	NCCL_RECEIVE_FLUSH_WAIT = 11,
	NCCL_RECEIVE_GPU_WAIT = 12,
	NCCL_SEND_PEER_WAIT = 20,
};

/* A communicator as one rank sees it: what NCCL calls a context. */
struct nccl_communicator {
	uint32_t used;
	uint64_t id; /* the same on all ranks; 0 where this version does not tell it */
};

/* Words of NCCL's own, which stay where they are; NULL: there is none. */
struct nccl_work {
	uint64_t communicator; /* where the version tells it here; else 0 */
	const char *function;
	const char *datatype;
	const char *algorithm;
	const char *protocol;
	uint64_t count; /* elements */
	int peer;       /* -1: it has none */
	bool captured;  /* goes into a graph */
};

void *nccl_open(uint64_t id, const char *name, int ranks, int rank);
void nccl_close(void *context);
void *nccl_start_work(void *context, const struct nccl_work *work);
void *nccl_start_operation(const void *context, uint64_t pid, int peer, bool sends);
void *nccl_start_step(void *operation, int step);
/* `bytes` of the step, or of all that its operation has moved. */
void nccl_state(void *handle, int state, uint64_t bytes);
void nccl_stop(void *handle);
/* Stands for a call whose work goes into a graph. */
void *nccl_captured_call(void);

#endif
