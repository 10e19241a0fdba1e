/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of CUPTI 13.5, for x86-64. Those of older versions are the same
 * up to where they end.
 */
#ifndef ANAROS_SIM_CUPTI_RECORDS_H
#define ANAROS_SIM_CUPTI_RECORDS_H

#include <stdint.h>

struct cupti_kernel {
	uint32_t kind;
	uint8_t cache_config, shared_config;
	uint16_t registers;
	uint32_t global_cache[2];
	uint64_t start_ns, end_ns, completed_ns;
	uint32_t device, context, stream;
	int32_t grid[3], block[3];
	int32_t static_shared, dynamic_shared;
	uint32_t local_per_thread, local_total;
	uint32_t correlation;
	int64_t grid_id;
	const char *name;
	void *reserved;
	uint64_t queued_ns, submitted_ns;
	uint8_t launch_type, carveout[2], padding;
	uint32_t shared_executed;
	uint64_t node;
	uint32_t shared_limit;
	uint32_t graph;
	void *policy;
	uint32_t channel, channel_type;
	uint32_t cluster[3], cluster_policy;
	uint64_t local_total_v2;
	uint32_t cluster_sizes[2];
	uint8_t device_launched, padding3[7];
	int32_t priority;
	uint32_t padding4, execution_model, padding5, source_graph, padding6;
	uint64_t source_node;
};

struct cupti_copy {
	uint32_t kind;
	uint8_t copy_kind, src_kind, dst_kind, flags;
	uint64_t bytes, start_ns, end_ns;
	uint32_t device, context, stream, correlation, runtime_correlation, pad;
	void *reserved;
	uint64_t node;
	uint32_t graph, channel, channel_type;
	uint8_t device_launched, pad2[3];
	uint64_t copies;
	uint32_t source_graph, pad3;
	uint64_t source_node;
};

struct cupti_copy_peer {
	uint32_t kind;
	uint8_t copy_kind, src_kind, dst_kind, flags;
	uint64_t bytes, start_ns, end_ns;
	uint32_t device, context, stream;
	uint32_t src_device, src_context, dst_device, dst_context;
	uint32_t correlation;
	void *reserved;
	uint64_t node;
	uint32_t graph, channel, channel_type;
};

struct cupti_fill {
	uint32_t kind, value;
	uint64_t bytes, start_ns, end_ns;
	uint32_t device, context, stream, correlation;
	uint16_t flags, memory_kind;
	uint32_t pad;
	void *reserved;
	uint64_t node;
	uint32_t graph, channel, channel_type;
	uint8_t device_launched, pad2[3];
	uint32_t source_graph, pad3;
	uint64_t source_node;
};

struct cupti_api {
	uint32_t kind, cbid;
	uint64_t start_ns, end_ns;
	uint32_t pid, tid, correlation, result;
};

struct cupti_external {
	uint32_t kind, external_kind;
	uint64_t id;
	uint32_t correlation, reserved;
};

struct cupti_graph {
	uint32_t kind, correlation;
	uint64_t start_ns, end_ns;
	uint32_t device, graph, context, stream;
	void *reserved;
	uint32_t end_device, end_context;
};

struct cupti_move {
	uint32_t kind, counter;
	uint64_t value, start_ns, end_ns, address;
	uint32_t src, dst, stream, pid, flags, pad;
	uint64_t processors[5];
};

_Static_assert(sizeof(struct cupti_kernel) == 248, "kernel");
_Static_assert(sizeof(struct cupti_copy) == 112, "copy");
_Static_assert(sizeof(struct cupti_copy_peer) == 96, "copy between devices");
_Static_assert(sizeof(struct cupti_fill) == 104, "fill");
_Static_assert(sizeof(struct cupti_api) == 40, "call");
_Static_assert(sizeof(struct cupti_external) == 24, "external correlation");
_Static_assert(sizeof(struct cupti_graph) == 56, "graph");
_Static_assert(sizeof(struct cupti_move) == 104, "managed memory");

#endif
