// SPDX-License-Identifier: Apache-2.0
/* The numbers by which activity names handles, asked for without a call. */
#include "queue.h"

enum { ID_CONTEXT, ID_STREAM, ID_GRAPH, ID_EXEC, ID_NODE, ID_DEVICE_OF_CONTEXT };

static uint64_t context_number(const void *handle, bool device)
{
	struct sim_context *context;

	if (sim_context_of((void *)(uintptr_t)handle, &context) != SIM_OK)
		return UINT64_MAX;
	return device ? (uint64_t)sim_ordinal_of(context->device) : context->id;
}

/* UINT64_MAX: no such thing. */
SIM_EXPORT uint64_t anaros_sim_id(int what, const void *handle);
SIM_EXPORT uint64_t anaros_sim_id(int what, const void *handle)
{
	struct sim_stream *stream;

	switch (what) {
	case ID_CONTEXT:
	case ID_DEVICE_OF_CONTEXT:
		return context_number(handle, what == ID_DEVICE_OF_CONTEXT);
	case ID_STREAM:
		if (sim_stream_of((void *)(uintptr_t)handle, false, &stream) != SIM_OK)
			return UINT64_MAX;
		return stream->id;
	case ID_GRAPH:
		return sim_is_graph(handle) ? ((const struct sim_graph *)handle)->id : UINT64_MAX;
	case ID_EXEC:
		return sim_exec_id(handle);
	case ID_NODE:
		return sim_is_node(handle) ? ((const struct sim_node *)handle)->id : UINT64_MAX;
	default:
		return UINT64_MAX;
	}
}
