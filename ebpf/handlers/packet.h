/* SPDX-License-Identifier: Apache-2.0 */
/* What net.h keeps, for the maps of the front. */
#ifndef ANAROS_EBPF_HANDLERS_PACKET_H
#define ANAROS_EBPF_HANDLERS_PACKET_H

#include "types.h"

#define ANAROS_REASONS_MAX 512 /* why packets are dropped */

/* A packet between stack and driver. */
struct packet {
	u64 queued_ns;
	u64 cookie;
	u32 pid;
	u32 tid;
	u32 interface;
	u32 padding;
};

#endif
