// SPDX-License-Identifier: Apache-2.0
/*
 * Contexts, and processes that are frozen: what a record says is the number
 * in its size. A device is told as its ordinal + 1, because 0 is no answer.
 */
#include "cuda/cuda.h"

enum {
	DESTROYED = 0, /* or released, or reset */
	MADE = 1,      /* or retained */
	CURRENT = 2,   /* made the thread's own */
	TAKEN_OFF = 3,
	LOCKED = 4,
	SAVED = 5,
	RESTORED = 6,
	UNLOCKED = 7,
};

#define DEVICE(ordinal) ((uint64_t)(unsigned int)(ordinal) + 1)

#define CONTEXT(context_, what, device)                                                            \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_CONTEXT, .object = (uintptr_t)(context_),                \
		  .size_bytes = (what), .address = (device))

CUDA_WRAP(cuCtxCreate, CONTEXT(CUDA_OUT(pctx), MADE, DEVICE(dev)))
CUDA_WRAP(cuCtxCreate_v2, CONTEXT(CUDA_OUT(pctx), MADE, DEVICE(dev)))
CUDA_WRAP(cuCtxCreate_v3, CONTEXT(CUDA_OUT(pctx), MADE, DEVICE(dev)))
CUDA_WRAP(cuCtxCreate_v4, CONTEXT(CUDA_OUT(pctx), MADE, DEVICE(dev)))
CUDA_WRAP(cuCtxAttach, CONTEXT(CUDA_OUT(pctx), MADE, 0))
CUDA_WRAP(cuCtxDetach, CONTEXT(ctx, DESTROYED, 0))
CUDA_WRAP(cuCtxDestroy, CONTEXT(ctx, DESTROYED, 0))
CUDA_WRAP(cuCtxDestroy_v2, CONTEXT(ctx, DESTROYED, 0))
CUDA_WRAP(cuCtxPushCurrent, CONTEXT(ctx, CURRENT, 0))
CUDA_WRAP(cuCtxPushCurrent_v2, CONTEXT(ctx, CURRENT, 0))
CUDA_WRAP(cuCtxSetCurrent, CONTEXT(ctx, CURRENT, 0))
CUDA_WRAP(cuCtxPopCurrent, CONTEXT(CUDA_OUT(pctx), TAKEN_OFF, 0))
CUDA_WRAP(cuCtxPopCurrent_v2, CONTEXT(CUDA_OUT(pctx), TAKEN_OFF, 0))
CUDA_WRAP(cuDevicePrimaryCtxRetain, CONTEXT(CUDA_OUT(pctx), MADE, DEVICE(dev)))
CUDA_WRAP(cuDevicePrimaryCtxRelease, CONTEXT(NULL, DESTROYED, DEVICE(dev)))
CUDA_WRAP(cuDevicePrimaryCtxRelease_v2, CONTEXT(NULL, DESTROYED, DEVICE(dev)))
CUDA_WRAP(cuDevicePrimaryCtxReset, CONTEXT(NULL, DESTROYED, DEVICE(dev)))
CUDA_WRAP(cuDevicePrimaryCtxReset_v2, CONTEXT(NULL, DESTROYED, DEVICE(dev)))
CUDA_WRAP(cuGreenCtxCreate, CONTEXT(CUDA_OUT(phCtx), MADE, DEVICE(dev)))
CUDA_WRAP(cuGreenCtxDestroy, CONTEXT(hCtx, DESTROYED, 0))

#define PROCESS(what) CONTEXT((unsigned int)pid, what, 0)

CUDA_WRAP(cuCheckpointProcessLock, PROCESS(LOCKED))
CUDA_WRAP(cuCheckpointProcessCheckpoint, PROCESS(SAVED))
CUDA_WRAP(cuCheckpointProcessRestore, PROCESS(RESTORED))
CUDA_WRAP(cuCheckpointProcessUnlock, PROCESS(UNLOCKED))
