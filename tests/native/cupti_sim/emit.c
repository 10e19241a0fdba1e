// SPDX-License-Identifier: Apache-2.0
/* Records made of what the driver tells. */
#include <string.h>
#include <unistd.h>

#include "cupti.h"
#include "records.h"

/* 12, 13.0, and 13.5 and later. */
static const struct {
	uint8_t kernel, copy, peer, fill, graph, move;
} sizes[] = {{208, 88, 88, 80, 48, 64}, {216, 96, 96, 88, 56, 104}, {248, 112, 96, 104, 56, 104}};

size_t cupti_record_bytes(enum cupti_kind kind)
{
	uint32_t version = cupti_version();
	int column = version < 130000 ? 0 : version < 130500 ? 1 : 2;

	switch (kind) {
	case KIND_MEMCPY:
		return sizes[column].copy;
	case KIND_MEMSET:
		return sizes[column].fill;
	case KIND_KERNEL:
	case KIND_CONCURRENT_KERNEL:
		return sizes[column].kernel;
	case KIND_DRIVER:
		return sizeof(struct cupti_api);
	case KIND_MEMCPY2:
		return sizes[column].peer;
	case KIND_UNIFIED_MEMORY_COUNTER:
		return sizes[column].move;
	case KIND_EXTERNAL_CORRELATION:
		return sizeof(struct cupti_external);
	case KIND_GRAPH_TRACE:
		return sizes[column].graph;
	default:
		return 0;
	}
}

static void put(const void *record, enum cupti_kind kind)
{
	cupti_put(record, cupti_record_bytes(kind));
}

static void put_kernel(const struct sim_activity *activity)
{
	enum cupti_kind kind =
	    cupti_enabled(KIND_CONCURRENT_KERNEL) ? KIND_CONCURRENT_KERNEL : KIND_KERNEL;
	struct cupti_kernel record = {
	    .kind = kind,
	    .registers = 32,
	    .start_ns = cupti_time_ns(activity->start_ns),
	    .end_ns = cupti_time_ns(activity->end_ns),
	    .device = activity->device,
	    .context = activity->context,
	    .stream = activity->stream,
	    .dynamic_shared = (int32_t)activity->grid.shared_bytes,
	    .correlation = activity->correlation,
	    .grid_id = activity->correlation,
	    .name = activity->name,
	    .node = activity->node,
	    .graph = activity->graph,
	};

	if (!cupti_enabled(kind))
		return;
	for (int axis = 0; axis < 3; axis++) {
		record.grid[axis] = (int32_t)activity->grid.grid[axis];
		record.block[axis] = (int32_t)activity->grid.block[axis];
	}
	if (cupti_latency()) {
		record.queued_ns = cupti_time_ns(activity->queued_ns);
		record.submitted_ns = record.queued_ns;
	}
	put(&record, kind);
}

enum {
	COPY_HTOD = 1,
	COPY_DTOH,
	COPY_HTOA,
	COPY_ATOH,
	COPY_ATOA,
	COPY_ATOD,
	COPY_DTOA,
	COPY_DTOD,
	COPY_HTOH,
	COPY_PTOP
};

static uint8_t copy_kind(const struct sim_activity *activity)
{
	bool from_array = activity->from == SIM_PLACE_ARRAY;
	bool to_array = activity->to == SIM_PLACE_ARRAY;

	switch (activity->direction) {
	case SIM_H2D:
		return to_array ? COPY_HTOA : COPY_HTOD;
	case SIM_D2H:
		return from_array ? COPY_ATOH : COPY_DTOH;
	case SIM_H2H:
		return COPY_HTOH;
	case SIM_P2P:
		return COPY_PTOP;
	default:
		return from_array && to_array ? COPY_ATOA
		       : from_array           ? COPY_ATOD
		       : to_array             ? COPY_DTOA
					      : COPY_DTOD;
	}
}

static void put_peer(const struct sim_activity *activity)
{
	struct cupti_copy_peer record = {
	    .kind = KIND_MEMCPY2,
	    .copy_kind = COPY_PTOP,
	    .src_kind = activity->from,
	    .dst_kind = activity->to,
	    .bytes = activity->bytes,
	    .start_ns = cupti_time_ns(activity->start_ns),
	    .end_ns = cupti_time_ns(activity->end_ns),
	    .device = activity->device,
	    .context = activity->context,
	    .stream = activity->stream,
	    .src_device = activity->device,
	    .dst_device = activity->peer,
	    .correlation = activity->correlation,
	    .node = activity->node,
	    .graph = activity->graph,
	};

	if (cupti_enabled(KIND_MEMCPY2))
		put(&record, KIND_MEMCPY2);
}

static void put_copy(const struct sim_activity *activity)
{
	struct cupti_copy record = {
	    .kind = KIND_MEMCPY,
	    .copy_kind = copy_kind(activity),
	    .src_kind = activity->from,
	    .dst_kind = activity->to,
	    .flags = 1,
	    .bytes = activity->bytes,
	    .start_ns = cupti_time_ns(activity->start_ns),
	    .end_ns = cupti_time_ns(activity->end_ns),
	    .device = activity->device,
	    .context = activity->context,
	    .stream = activity->stream,
	    .correlation = activity->correlation,
	    .node = activity->node,
	    .graph = activity->graph,
	    .copies = 1,
	};

	if (activity->direction == SIM_P2P)
		put_peer(activity);
	else if (cupti_enabled(KIND_MEMCPY))
		put(&record, KIND_MEMCPY);
}

static void put_fill(const struct sim_activity *activity)
{
	struct cupti_fill record = {
	    .kind = KIND_MEMSET,
	    .value = activity->value,
	    .bytes = activity->bytes,
	    .start_ns = cupti_time_ns(activity->start_ns),
	    .end_ns = cupti_time_ns(activity->end_ns),
	    .device = activity->device,
	    .context = activity->context,
	    .stream = activity->stream,
	    .correlation = activity->correlation,
	    .flags = 1,
	    .memory_kind = (uint16_t)activity->to,
	    .node = activity->node,
	    .graph = activity->graph,
	};

	if (cupti_enabled(KIND_MEMSET))
		put(&record, KIND_MEMSET);
}

/* Counter 1: bytes to a device, 2: to the host, 8: between devices. */
static void put_move(const struct sim_activity *activity)
{
	struct cupti_move record = {
	    .kind = KIND_UNIFIED_MEMORY_COUNTER,
	    .counter = activity->direction == SIM_H2D   ? 1
		       : activity->direction == SIM_D2H ? 2
							: 8,
	    .value = activity->bytes,
	    .start_ns = cupti_time_ns(activity->start_ns),
	    .end_ns = cupti_time_ns(activity->end_ns),
	    .address = activity->address,
	    .src = activity->direction == SIM_H2D ? UINT32_MAX : activity->device,
	    .dst = activity->direction == SIM_D2H ? UINT32_MAX : activity->device,
	    .pid = (uint32_t)getpid(),
	};

	if (cupti_enabled(KIND_UNIFIED_MEMORY_COUNTER))
		put(&record, KIND_UNIFIED_MEMORY_COUNTER);
}

static void put_graph(const struct sim_activity *activity)
{
	struct cupti_graph record = {
	    .kind = KIND_GRAPH_TRACE,
	    .correlation = activity->correlation,
	    .start_ns = cupti_time_ns(activity->start_ns),
	    .end_ns = cupti_time_ns(activity->end_ns),
	    .device = activity->device,
	    .graph = activity->graph,
	    .context = activity->context,
	    .stream = activity->stream,
	    .end_device = activity->device,
	    .end_context = activity->context,
	};

	if (cupti_enabled(KIND_GRAPH_TRACE))
		put(&record, KIND_GRAPH_TRACE);
}

static void work(const struct sim_activity *activity)
{
	/* Who asks for whole graphs does not get their nodes. */
	if (activity->work != SIM_WORK_GRAPH && activity->graph != 0 &&
	    cupti_enabled(KIND_GRAPH_TRACE))
		return;
	switch (activity->work) {
	case SIM_WORK_KERNEL:
		put_kernel(activity);
		break;
	case SIM_WORK_COPY:
		put_copy(activity);
		break;
	case SIM_WORK_FILL:
		put_fill(activity);
		break;
	case SIM_WORK_MOVE:
		put_move(activity);
		break;
	case SIM_WORK_GRAPH:
		put_graph(activity);
		break;
	default:
		break;
	}
}

static void enter(const struct sim_call *call)
{
	cupti_correlate(call->correlation);
	cupti_call(call, false);
}

static void leave(const struct sim_call *call)
{
	struct cupti_api record = {
	    .kind = KIND_DRIVER,
	    .start_ns = cupti_time_ns(call->start_ns),
	    .end_ns = cupti_time_ns(call->end_ns),
	    .pid = (uint32_t)getpid(),
	    .tid = call->tid,
	    .correlation = call->correlation,
	    .result = (uint32_t)call->result,
	};

	cupti_call(call, true);
	if (!cupti_enabled(KIND_DRIVER))
		return;
	record.cbid = cupti_cbid(call->symbol);
	put(&record, KIND_DRIVER);
}

const struct sim_observer cupti_observer = {work, enter, leave};
