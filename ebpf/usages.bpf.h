/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was said of each thread last, and what an iterator over sockets does: for
 * the objects that tell what was moved. The one that is there first has neither.
 */
#ifndef ANAROS_EBPF_USAGES_H
#define ANAROS_EBPF_USAGES_H

#include "usage.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct anaros_told);
} usages SEC(".maps");

static __always_inline int anaros_tell_socket(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct socket_owner *owner = ctx->value;
	struct sock *socket = ctx->sk;

	if (socket && owner)
		anaros_tell_bytes(socket, owner);
	return 0;
}

#endif
