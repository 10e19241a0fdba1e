// SPDX-License-Identifier: Apache-2.0
/*
 * Once a second, what the threads and sockets of the target that live have
 * moved by the kernel's own count. Their ends are told by process.bpf.c and
 * net.bpf.c, which are there from the beginning.
 */
#include "usage.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct anaros_told);
} usages SEC(".maps");

SEC("iter/task")
int usage_tasks(struct bpf_iter__task *ctx)
{
	anaros_tell_usage(ctx->task, &usages);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int usage_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct socket_owner *owner = ctx->value;
	struct sock *socket = ctx->sk;

	if (socket && owner)
		anaros_tell_bytes(socket, owner);
	return 0;
}
