// SPDX-License-Identifier: Apache-2.0
/* Streams, events, waits, questions, captures, contexts and the device in use. */
#include "core/question.h"
#include "hip/hip.h"

/* size_bytes 1: made; 0: destroyed. */
#define STREAM_MADE                                                                                \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_STREAM, .object = (uintptr_t)DEVICE_OUT(stream),       \
		    .size_bytes = 1)

HIP_WRAP(hipStreamCreate, STREAM_MADE)
HIP_WRAP(hipStreamCreateWithFlags, STREAM_MADE)
HIP_WRAP(hipStreamCreateWithPriority, STREAM_MADE)
HIP_WRAP(hipExtStreamCreateWithCUMask, STREAM_MADE)
HIP_WRAP(hipStreamDestroy,
	 DEVICE_NOTE(.kind = ANAROS_KIND_GPU_STREAM, .object = HIP_STREAM(stream)))

#define WAIT(object_)                                                                              \
	anaros_questions_over();                                                                   \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_SYNC, .object = (object_))

HIP_PAIR(hipStreamSynchronize, WAIT(HIP_STREAM(stream)))
HIP_WRAP(hipEventSynchronize, WAIT((uintptr_t)event))
HIP_WRAP(hipDeviceSynchronize, WAIT(0))
HIP_WRAP(hipCtxSynchronize, WAIT(0))

#define NOT_READY 600
#define QUESTION(object_)                                                                          \
	if (anaros_answer_is_news(&call, (object_), result, result == NOT_READY))                  \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_QUERY, .object = (object_))

HIP_PAIR(hipStreamQuery, QUESTION(HIP_STREAM(stream)))
HIP_WRAP(hipEventQuery, QUESTION((uintptr_t)event))

#define EVENT(waited)                                                                              \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_EVENT,                                               \
		      .flags = HIP_FLAGS(stream, ANAROS_FLAG_ASYNC), .object = HIP_STREAM(stream), \
		      .address = (uintptr_t)event, .size_bytes = (waited))
#define EVENT_RECORDED                                                                             \
	anaros_question_over((uintptr_t)event);                                                    \
	anaros_cuda_joins(result, (uintptr_t)event, HIP_STREAM(stream));                           \
	EVENT(0)

HIP_PAIR(hipEventRecord, EVENT_RECORDED)
HIP_WRAP(hipEventRecordWithFlags, EVENT_RECORDED)
HIP_PAIR(hipStreamWaitEvent, anaros_cuda_joins(result, HIP_STREAM(stream), (uintptr_t)event);
	 EVENT(1))

/* A word of memory, or a semaphore, that a stream writes or is held back by. */
#define SIGNAL(address_, waits)                                                                    \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_SIGNAL,                                              \
		      .flags = HIP_FLAGS(stream, ANAROS_FLAG_ASYNC), .object = HIP_STREAM(stream), \
		      .address = (uintptr_t)(address_), .size_bytes = (waits))

HIP_WRAP(hipStreamWriteValue32, SIGNAL(ptr, 0))
HIP_WRAP(hipStreamWriteValue64, SIGNAL(ptr, 0))
HIP_WRAP(hipStreamWaitValue32, SIGNAL(ptr, 1))
HIP_WRAP(hipStreamWaitValue64, SIGNAL(ptr, 1))
HIP_WRAP(hipSignalExternalSemaphoresAsync,
	 for (unsigned int i = 0; extSemArray != NULL && i < numExtSems; i++)
	     SIGNAL(extSemArray[i], 0))
HIP_WRAP(hipWaitExternalSemaphoresAsync,
	 for (unsigned int i = 0; extSemArray != NULL && i < numExtSems; i++)
	     SIGNAL(extSemArray[i], 1))

/* hipStreamBatchMemOpParams. */
struct memory_op {
	unsigned int operation;
	uint64_t address;
	uint64_t rest[4];
};

enum { OP_WAIT_32 = 1, OP_WRITE_32 = 2, OP_WAIT_64 = 4, OP_WRITE_64 = 5 };

static void batch(const struct anaros_call *call, struct anaros_fields fields,
		  const struct memory_op *list, unsigned int count)
{
	uint64_t end_ns = anaros_now_ns();

	for (unsigned int i = 0; list != NULL && i < count; i++) {
		unsigned int what = list[i].operation;
		bool waits = what == OP_WAIT_32 || what == OP_WAIT_64;
		bool has_address = waits || what == OP_WRITE_32 || what == OP_WRITE_64;

		/* Barriers and flushes have none; only a wait can hold the stream back. */
		fields.address = has_address ? list[i].address : 0;
		fields.size_bytes = waits;
		anaros_record_at(call->start_ns, end_ns, &fields);
	}
}

HIP_WRAP(hipStreamBatchMemOp,
	 batch(&call,
	       (struct anaros_fields){.kind = ANAROS_KIND_GPU_SIGNAL,
				      .status = result,
				      .flags = HIP_FLAGS(stream, ANAROS_FLAG_ASYNC),
				      .object = HIP_STREAM(stream)},
	       paramArray, count))

/* The address is 0 where it begins, and the graph where it ends. */
#define CAPTURE(graph_)                                                                            \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_CAPTURE, .object = HIP_STREAM(stream),                 \
		    .address = (uintptr_t)(graph_))
#define BEGINS                                                                                     \
	anaros_cuda_capture_begins(result, HIP_STREAM(stream));                                    \
	CAPTURE(NULL)

HIP_PAIR(hipStreamBeginCapture, BEGINS)
HIP_WRAP(hipStreamBeginCaptureToGraph, BEGINS)
HIP_PAIR(hipStreamEndCapture, anaros_cuda_capture_ends(HIP_STREAM(stream));
	 CAPTURE(DEVICE_OUT(pGraph)))

enum { DESTROYED = 0, MADE = 1, CURRENT = 2, TAKEN_OFF = 3 };

/* A device is told as its ordinal + 1, because 0 is no answer. */
#define DEVICE(ordinal) ((uint64_t)(unsigned int)(ordinal) + 1)
#define CONTEXT(context_, what, device_)                                                           \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_CONTEXT, .object = (uintptr_t)(context_),              \
		    .size_bytes = (what), .address = (device_))

HIP_WRAP(hipSetDevice, CONTEXT(NULL, CURRENT, DEVICE(deviceId)))
HIP_WRAP(hipDeviceReset, CONTEXT(NULL, DESTROYED, 0))
HIP_WRAP(hipCtxCreate, CONTEXT(DEVICE_OUT(ctx), MADE, DEVICE(device)))
HIP_WRAP(hipCtxDestroy, CONTEXT(ctx, DESTROYED, 0))
HIP_WRAP(hipCtxPushCurrent, CONTEXT(ctx, CURRENT, 0))
HIP_WRAP(hipCtxSetCurrent, CONTEXT(ctx, CURRENT, 0))
HIP_WRAP(hipCtxPopCurrent, CONTEXT(DEVICE_OUT(ctx), TAKEN_OFF, 0))
HIP_WRAP(hipDevicePrimaryCtxRetain, CONTEXT(DEVICE_OUT(pctx), MADE, DEVICE(dev)))
HIP_WRAP(hipDevicePrimaryCtxRelease, CONTEXT(NULL, DESTROYED, DEVICE(dev)))
HIP_WRAP(hipDevicePrimaryCtxReset, CONTEXT(NULL, DESTROYED, DEVICE(dev)))
