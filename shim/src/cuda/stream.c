// SPDX-License-Identifier: Apache-2.0
/* Streams, events, waits of the thread and waits of a stream, and questions. */
#include "cuda/cuda.h"
#include "core/question.h"

/* size_bytes 1: made; 0: destroyed. */
#define STREAM_MADE                                                                                \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_STREAM, .object = (uintptr_t)CUDA_OUT(phStream),         \
		  .size_bytes = 1)
#define STREAM_DESTROYED CUDA_NOTE(.kind = ANAROS_KIND_GPU_STREAM, .object = CUDA_STREAM(hStream))

CUDA_WRAP(cuStreamCreate, STREAM_MADE)
CUDA_WRAP(cuStreamCreateWithPriority, STREAM_MADE)
CUDA_WRAP(cuGreenCtxStreamCreate, STREAM_MADE)
CUDA_WRAP(cuStreamDestroy, STREAM_DESTROYED)
CUDA_WRAP(cuStreamDestroy_v2, STREAM_DESTROYED)

#define WAIT(object_)                                                                              \
	anaros_questions_over();                                                                   \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_SYNC, .object = (object_))

CUDA_PAIR(cuStreamSynchronize, _ptsz, WAIT(CUDA_STREAM(hStream)))
CUDA_WRAP(cuEventSynchronize, WAIT((uintptr_t)hEvent))
CUDA_WRAP(cuCtxSynchronize, WAIT(0))
CUDA_WRAP(cuCtxSynchronize_v2, WAIT(0))

#define NOT_READY 600
#define QUESTION(object_)                                                                          \
	if (anaros_answer_is_news(&call, (object_), result, result == NOT_READY))                  \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_QUERY, .object = (object_))

CUDA_PAIR(cuStreamQuery, _ptsz, QUESTION(CUDA_STREAM(hStream)))
CUDA_WRAP(cuEventQuery, QUESTION((uintptr_t)hEvent))

#define EVENT(stream, flags_, waited)                                                              \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_EVENT, .flags = (flags_), .object = (stream),          \
		    .address = (uintptr_t)hEvent, .size_bytes = (waited))
#define EVENT_RECORDED                                                                             \
	anaros_question_over((uintptr_t)hEvent);                                                   \
	anaros_cuda_joins(result, (uintptr_t)hEvent, CUDA_STREAM(hStream));                        \
	EVENT(CUDA_STREAM(hStream), CUDA_FLAGS(hStream, ANAROS_FLAG_ASYNC), 0)

CUDA_PAIR(cuEventRecord, _ptsz, EVENT_RECORDED)
CUDA_PAIR(cuEventRecordWithFlags, _ptsz, EVENT_RECORDED)
CUDA_PAIR(cuStreamWaitEvent, _ptsz,
	  anaros_cuda_joins(result, CUDA_STREAM(hStream), (uintptr_t)hEvent);
	  EVENT(CUDA_STREAM(hStream), CUDA_FLAGS(hStream, ANAROS_FLAG_ASYNC), 1))
/* All streams of a context at once: the context stands for them. */
CUDA_WRAP(cuCtxRecordEvent, anaros_question_over((uintptr_t)hEvent);
	  EVENT((uintptr_t)hCtx, ANAROS_FLAG_ASYNC, 0))
CUDA_WRAP(cuCtxWaitEvent, EVENT((uintptr_t)hCtx, ANAROS_FLAG_ASYNC, 1))
CUDA_WRAP(cuGreenCtxRecordEvent, anaros_question_over((uintptr_t)hEvent);
	  EVENT((uintptr_t)hCtx, ANAROS_FLAG_ASYNC, 0))
CUDA_WRAP(cuGreenCtxWaitEvent, EVENT((uintptr_t)hCtx, ANAROS_FLAG_ASYNC, 1))

/* A word of memory that a stream writes, or is held back by. */
#define SIGNAL(waits)                                                                              \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_SIGNAL,                                                \
		    .flags = CUDA_FLAGS(stream, ANAROS_FLAG_ASYNC), .object = CUDA_STREAM(stream), \
		    .address = addr, .size_bytes = (waits))
#define SIGNALS(bits)                                                                              \
	CUDA_PAIR(cuStreamWriteValue##bits, _ptsz, SIGNAL(0))                                      \
	CUDA_PAIR(cuStreamWriteValue##bits##_v2, _ptsz, SIGNAL(0))                                 \
	CUDA_PAIR(cuStreamWaitValue##bits, _ptsz, SIGNAL(1))                                       \
	CUDA_PAIR(cuStreamWaitValue##bits##_v2, _ptsz, SIGNAL(1))

SIGNALS(32)
SIGNALS(64)
