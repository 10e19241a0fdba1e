// SPDX-License-Identifier: Apache-2.0
/*
 * NVMe, where the kernel has its tracepoints: nvme_setup_cmd, nvme_complete_rq
 * and, of local controllers, nvme_sq. The driver may be a module whose types
 * nobody knows: the loader tells where the fields of an event are, as the format
 * file of the tracepoint has them.
 */
#include "block.bpf.h"

/* The size of a field, 1 to 4 bytes, and where it lies in its event. */
struct nvme_field {
	u8 offset;
	u8 size;
};

/* overlay/anaros/capture/kernel/nvme.py fills it in. */
struct nvme_layout {
	struct nvme_field setup_controller, setup_queue, setup_number, setup_opcode;
	struct nvme_field complete_controller, complete_queue, complete_number, complete_status,
	    complete_retries;
	struct nvme_field sq_controller, sq_queue, sq_head, sq_tail;
};

const volatile struct nvme_layout nvme_layout SEC(".rodata.nvme") = {};

/* As much of an event as is looked at; what lies further on the loader does not ask for. */
#define NVME_EVENT_BYTES 96
#define NVME_QUEUES_MAX  4096
#define NVME_COMMANDS    16384
#define NVME_TRANSPORT   16

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct nvme_preparing);
} nvme_preparing SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NVME_COMMANDS);
	__type(key, u64);
	__type(value, struct nvme_command);
} nvme_commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NVME_QUEUES_MAX);
	__type(key, u64);
	__type(value, struct nvme_queue);
} nvme_queues SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NVME_QUEUES_MAX);
	__type(key, u64);
	__type(value, u8);
} nvme_named SEC(".maps");

/* How a controller is reached: pcie, tcp, rdma, fc, loop; the loader tells. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, char[NVME_TRANSPORT]);
} nvme_transports SEC(".maps");

static __always_inline long anaros_spell_queue(char *text, u32 controller, u32 queue)
{
	static const char known[] = "nvme%u %s queue %u", unknown[] = "nvme%u queue %u";
	char *transport = bpf_map_lookup_elem(&nvme_transports, &controller);
	u64 with[] = {controller, (u64)transport, queue}, without[] = {controller, queue};
	long length;

	if (transport)
		length = bpf_snprintf(text, 64, known, with, sizeof(with));
	else
		length = bpf_snprintf(text, 64, unknown, without, sizeof(without));
	return length - 1; /* the zero at its end */
}

#include "handlers/nvme.h"

static __always_inline u32 field_of(const void *event, struct nvme_field field)
{
	switch (field.size) {
	case 1:
		return *(const u8 *)(event + field.offset);
	case 2:
		return *(const u16 *)(event + field.offset);
	case 4:
		return *(const u32 *)(event + field.offset);
	default:
		return 0;
	}
}

#define FIELD(event, name)                                                                         \
	field_of(event, (struct nvme_field){nvme_layout.name.offset, nvme_layout.name.size})

/* An event at hand: the context of a tracepoint may not be looked into at whatever place. */
#define EVENT(name, ctx)                                                                           \
	u64 name[NVME_EVENT_BYTES / sizeof(u64)] = {};                                             \
	bpf_probe_read_kernel(name, sizeof(name), ctx)

static __always_inline int on_setup(void *ctx)
{
	EVENT(event, ctx);
	anaros_on_nvme_setup(FIELD(event, setup_controller), FIELD(event, setup_queue),
			     FIELD(event, setup_number), FIELD(event, setup_opcode));
	return 0;
}

static __always_inline int on_complete(void *ctx)
{
	EVENT(event, ctx);
	anaros_on_nvme_complete(FIELD(event, complete_controller), FIELD(event, complete_queue),
				FIELD(event, complete_number), FIELD(event, complete_status),
				FIELD(event, complete_retries));
	return 0;
}

static __always_inline int on_sq(void *ctx)
{
	EVENT(event, ctx);
	anaros_on_nvme_sq(FIELD(event, sq_controller), FIELD(event, sq_queue),
			  FIELD(event, sq_head), FIELD(event, sq_tail));
	return 0;
}

static __always_inline int on_issue(u64 key)
{
	struct nvme_preparing *preparing = anaros_nvme_preparing();

	if (preparing)
		anaros_on_nvme_issue(bpf_map_lookup_elem(&requests, &key), preparing);
	return 0;
}

SEC("tracepoint/nvme/nvme_setup_cmd")
int nvme_setup(void *ctx)
{
	return on_setup(ctx);
}

SEC("tp_btf/block_rq_issue")
int nvme_issue(u64 *ctx)
{
	return on_issue(ctx[0]);
}

SEC("tracepoint/nvme/nvme_sq")
int nvme_sq(void *ctx)
{
	return on_sq(ctx);
}

SEC("tracepoint/nvme/nvme_complete_rq")
int nvme_complete(void *ctx)
{
	return on_complete(ctx);
}
