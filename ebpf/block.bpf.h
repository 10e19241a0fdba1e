/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to block devices that are followed: begun and ended in block.bpf.c,
 * looked at in queue.bpf.c.
 */
#ifndef ANAROS_EBPF_BLOCK_H
#define ANAROS_EBPF_BLOCK_H

#include "common.bpf.h"

enum owner {
	OWNER_UNKNOWN = 0,
	OWNER_TARGET = 1,
	OWNER_OTHER = 2,
};

struct io {
	u64 insert_ns; /* 0: it went to the driver without waiting */
	u64 issue_ns;
	u64 sector;
	u32 device;
	u32 size_bytes;
	u32 left_bytes;
	u32 operation;
	u32 pid;
	u32 tid;
	u32 owner;
	u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct io);
} requests SEC(".maps");

#endif
