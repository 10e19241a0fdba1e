// SPDX-License-Identifier: Apache-2.0
/* Words in memory that streams wait for and write. */
#include <stdlib.h>
#include <time.h>

#include "memory.h"

enum operation {
	OP_WAIT_32 = 1,
	OP_WRITE_32 = 2,
	OP_FLUSH = 3,
	OP_WAIT_64 = 4,
	OP_WRITE_64 = 5,
	OP_BARRIER = 6,
	OP_REDUCE = 8,
};

enum { WAIT_GEQ, WAIT_EQ, WAIT_AND, WAIT_NOR };

static uint64_t load(const struct sim_signal *signal)
{
	void *word = (void *)(uintptr_t)signal->address;

	return signal->bytes == 8 ? __atomic_load_n((uint64_t *)word, __ATOMIC_ACQUIRE)
				  : __atomic_load_n((uint32_t *)word, __ATOMIC_ACQUIRE);
}

static bool holds(const struct sim_signal *signal)
{
	uint64_t word = load(signal), value = signal->value;

	switch (signal->flags & 3) {
	case WAIT_GEQ:
		return signal->bytes == 8 ? (int64_t)(word - value) >= 0
					  : (int32_t)(uint32_t)(word - value) >= 0;
	case WAIT_EQ:
		return word == value;
	case WAIT_AND:
		return (word & value) != 0;
	default:
		return (uint32_t) ~(word | value) != 0 &&
		       (signal->bytes == 4 || ~(word | value) != 0);
	}
}

static void run(struct sim_op *op)
{
	const struct sim_signal *signal = &op->signal;
	void *word = (void *)(uintptr_t)signal->address;

	if (signal->bytes == 0)
		return; /* a barrier: the order is there already */
	if (signal->wait) {
		while (!holds(signal))
			nanosleep(&(struct timespec){0, 20000}, NULL);
		return;
	}
	if (signal->bytes == 8)
		__atomic_store_n((uint64_t *)word, signal->value, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint32_t *)word, (uint32_t)signal->value, __ATOMIC_RELEASE);
}

struct sim_op *sim_signal_op(const struct sim_signal *signal)
{
	struct sim_op *op = sim_op_new(SIM_WORK_SIGNAL, run, SIM_ENGINE_NONE, 0);

	op->signal = *signal;
	return op;
}

static int check(const struct sim_signal *signal)
{
	struct sim_range range;

	if (signal->bytes == 0)
		return SIM_OK;
	if (signal->address % signal->bytes != 0 || !sim_find(signal->address, &range))
		return SIM_INVALID_VALUE;
	return SIM_OK;
}

int sim_signal_read(const void *batch, size_t index, struct sim_signal *signal)
{
	const union sim_mem_op *op = (const union sim_mem_op *)batch + index;

	*signal = (struct sim_signal){op->on.address, op->on.value, op->on.flags, 4, false};
	switch (op->operation) {
	case OP_WAIT_32:
	case OP_WAIT_64:
		signal->wait = true;
		break;
	case OP_WRITE_32:
	case OP_WRITE_64:
		break;
	case OP_FLUSH:
	case OP_BARRIER:
		signal->bytes = 0;
		return SIM_OK;
	default:
		return SIM_NOT_SUPPORTED;
	}
	if (op->operation == OP_WAIT_64 || op->operation == OP_WRITE_64)
		signal->bytes = 8;
	else
		signal->value = (uint32_t)signal->value;
	return check(signal);
}

static int one(void *handle, struct sim_signal signal, bool per_thread)
{
	struct sim_stream *stream;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result == SIM_OK)
		result = check(&signal);
	return result == SIM_OK ? sim_submit(stream, sim_signal_op(&signal), NULL) : result;
}

static int batch(void *handle, unsigned int count, const void *ops, bool per_thread)
{
	struct sim_stream *stream;
	struct sim_signal signal;
	int result = sim_stream_of(handle, per_thread, &stream);

	if (result == SIM_OK && (ops == NULL || count == 0 || count > 256))
		result = SIM_INVALID_VALUE;
	for (unsigned int i = 0; result == SIM_OK && i < count; i++)
		result = sim_signal_read(ops, i, &signal);
	for (unsigned int i = 0; result == SIM_OK && i < count; i++) {
		sim_signal_read(ops, i, &signal);
		result = sim_submit(stream, sim_signal_op(&signal), NULL);
	}
	return result;
}

#define SIGNAL(bits, wait) ((struct sim_signal){address, value, flags, (bits) / 8, wait})
#define CALLS(name, bits, wait, version)                                                           \
	SIM_PAIR(name##bits##version, _ptsz,                                                       \
		 (void *stream, uint64_t address, uint##bits##_t value, unsigned int flags),       \
		 one(stream, SIGNAL(bits, wait), PER_THREAD))

CALLS(cuStreamWaitValue, 32, true, )
CALLS(cuStreamWaitValue, 64, true, )
CALLS(cuStreamWaitValue, 32, true, _v2)
CALLS(cuStreamWaitValue, 64, true, _v2)
CALLS(cuStreamWriteValue, 32, false, )
CALLS(cuStreamWriteValue, 64, false, )
CALLS(cuStreamWriteValue, 32, false, _v2)
CALLS(cuStreamWriteValue, 64, false, _v2)
SIM_PAIR(cuStreamBatchMemOp, _ptsz,
	 (void *stream, unsigned int count, void *ops, unsigned int flags),
	 ((void)flags, batch(stream, count, ops, PER_THREAD)))
SIM_PAIR(cuStreamBatchMemOp_v2, _ptsz,
	 (void *stream, unsigned int count, void *ops, unsigned int flags),
	 ((void)flags, batch(stream, count, ops, PER_THREAD)))
