// SPDX-License-Identifier: Apache-2.0
/* One operation of a queue: made, copied, done and reported. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "watch.h"

struct sim_op *sim_op_new(enum sim_work work, void (*run)(struct sim_op *), enum sim_engine engine,
			  uint64_t cost_ns)
{
	/* All but the room for a kernel's arguments, which is most of it. */
	size_t cleared = offsetof(struct sim_op, copy) + sizeof(struct sim_copy) + 64;
	struct sim_op *op = malloc(sizeof(*op));

	memset(op, 0, cleared);
	op->work = work;
	op->run = run;
	op->engine = engine;
	op->cost_ns = cost_ns;
	return op;
}

void sim_op_free(struct sim_op *op)
{
	if (op->release != NULL)
		op->release(op);
	free(op->depends);
	free(op);
}

struct sim_op *sim_op_clone(const struct sim_op *op)
{
	struct sim_op *copy = malloc(sizeof(*copy));

	memcpy(copy, op, sizeof(*copy));
	copy->next = NULL;
	copy->depends = NULL;
	copy->depends_count = 0;
	if (copy->retain != NULL)
		copy->retain(copy);
	return copy;
}

static enum sim_place_kind place_of(uint64_t address, uint8_t type)
{
	struct sim_range range;

	if (!sim_find(address, &range))
		return SIM_PLACE_PAGEABLE;
	if (type == SIM_TYPE_ARRAY)
		return SIM_PLACE_ARRAY;
	switch (range.kind) {
	case SIM_MEMORY_HOST:
	case SIM_MEMORY_REGISTERED:
		return SIM_PLACE_PINNED;
	case SIM_MEMORY_MANAGED:
		return SIM_PLACE_MANAGED;
	default:
		return SIM_PLACE_DEVICE;
	}
}

static uint32_t peer_of(const struct sim_op *op)
{
	struct sim_range range;

	if (op->copy.direction != SIM_P2P || !sim_find(op->copy.dst, &range))
		return 0;
	if (range.device == op->stream->context->device && !sim_find(op->copy.src, &range))
		return 0;
	return (uint32_t)sim_ordinal_of(range.device);
}

static void report(const struct sim_op *op, uint64_t start_ns, uint64_t end_ns)
{
	const struct sim_observer *observer = sim_observer();
	struct sim_activity activity = {
	    .work = op->work,
	    .correlation = op->correlation,
	    .queued_ns = op->queued_ns,
	    .start_ns = start_ns,
	    .end_ns = end_ns,
	    .device = (uint32_t)sim_ordinal_of(op->stream->context->device),
	    .context = (uint32_t)op->stream->context->id,
	    .stream = (uint32_t)op->stream->id,
	    .graph = op->graph_id,
	    .node = op->node_id,
	};

	if (observer == NULL)
		return;
	switch (op->work) {
	case SIM_WORK_KERNEL:
		activity.name = op->launch.kernel->name;
		activity.grid = op->launch.grid;
		break;
	case SIM_WORK_COPY:
		activity.bytes = sim_copy_bytes(&op->copy);
		activity.direction = op->copy.direction;
		activity.from = place_of(op->copy.src, op->copy.src_type);
		activity.to = place_of(op->copy.dst, op->copy.dst_type);
		activity.peer = peer_of(op);
		activity.address = op->copy.dst;
		break;
	case SIM_WORK_FILL:
		activity.bytes =
		    (uint64_t)op->fill.width * op->fill.height * op->fill.element_bytes;
		activity.value = op->fill.value;
		activity.to = place_of(op->fill.dst, SIM_TYPE_DEVICE);
		activity.address = op->fill.dst;
		break;
	default:
		return;
	}
	observer->work(&activity);
}

void sim_op_execute(struct sim_op *op)
{
	struct sim_context *context = op->stream->context;
	bool timed = op->cost_ns != 0 || sim_observer() != NULL;
	pthread_mutex_t *engine = NULL;
	uint64_t start_ns;

	/* What went astray before is never done. */
	if (sim_fault_of(context) != SIM_OK)
		return;
	if (op->engine != SIM_ENGINE_NONE) {
		engine = &context->device->engine[op->engine];
		pthread_mutex_lock(engine);
	}
	start_ns = timed ? sim_now_ns() : 0;
	if (op->fault != SIM_OK)
		sim_fault_happens(context, op->fault);
	else if (op->run != NULL)
		op->run(op);
	if (op->cost_ns != 0)
		sim_sleep_until(start_ns + op->cost_ns);
	if (engine != NULL)
		pthread_mutex_unlock(engine);
	if (timed)
		report(op, start_ns, sim_now_ns());
}
