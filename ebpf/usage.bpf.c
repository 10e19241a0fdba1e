// SPDX-License-Identifier: Apache-2.0
/*
 * Once a second, what the threads and sockets of the target that live have
 * moved by the kernel's own count. Their ends are told by process.bpf.c and
 * net.bpf.c, which are there from the beginning.
 */
#include "usages.bpf.h"

SEC("iter/task")
int usage_tasks(struct bpf_iter__task *ctx)
{
	anaros_tell_usage(ctx->task, &usages);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int usage_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return anaros_tell_socket(ctx);
}
