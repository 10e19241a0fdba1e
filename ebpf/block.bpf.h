/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to block devices that are followed: begun and ended in block.bpf.c,
 * looked at in queue.bpf.c.
 */
#ifndef ANAROS_EBPF_BLOCK_H
#define ANAROS_EBPF_BLOCK_H

#include "common.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct io);
} requests SEC(".maps");

#endif
