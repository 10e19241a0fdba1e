/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a socket is called: both its addresses, as the shim has them.
 */
#ifndef ANAROS_EBPF_ADDRESSES_H
#define ANAROS_EBPF_ADDRESSES_H

#include "common.bpf.h"
#include <bpf/bpf_endian.h>

#define AF_UNIX  1
#define AF_INET  2
#define AF_INET6 10

struct in6_addr {
	u8 bytes[16];
};

struct sock_common___addresses {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} ANAROS_KERNEL_TYPE;

struct sock___addresses {
	struct sock_common___addresses __sk_common;
} ANAROS_KERNEL_TYPE;

/* Raw addresses; overlay/anaros/capture/rings/names.py spells them out. */
struct anaros_socket_name {
	u32 type;
	u32 local_size;
	u32 peer_size;
	u32 reserved;
	u8 local[28];
	u8 peer[28];
};

static __always_inline void anaros_spell_inet(struct sock___addresses *socket, u16 family,
					      struct anaros_socket_name *name)
{
	u16 port = bpf_htons(BPF_CORE_READ(socket, __sk_common.skc_num));
	u16 peer = BPF_CORE_READ(socket, __sk_common.skc_dport);
	u32 size = family == AF_INET ? 16 : 28;

	*(u16 *)name->local = family;
	*(u16 *)name->peer = family;
	*(u16 *)(name->local + 2) = port;
	*(u16 *)(name->peer + 2) = peer;
	if (family == AF_INET) {
		*(u32 *)(name->local + 4) = BPF_CORE_READ(socket, __sk_common.skc_rcv_saddr);
		*(u32 *)(name->peer + 4) = BPF_CORE_READ(socket, __sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)(name->local + 8), socket,
				   __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)(name->peer + 8), socket,
				   __sk_common.skc_v6_daddr);
	}
	name->local_size = size;
	name->peer_size = peer ? size : 0;
}

#endif
