// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets and NIC. A socket is known by its address, from where it is connected,
 * listens, is accepted or used by a thread of the target to where TCP is done with
 * it. Of the end of any other there is no event: such a one is the target's for a
 * moment after each packet that it sent.
 */
#include "handlers/packet.h"

/* The type of a field. */
enum skb_drop_reason {
	ANAROS_REASON_ANY,
};

#define ANAROS_REASON_TEXT 32
#define ANAROS_NAME_TEXT   16 /* of an interface */
#define ANAROS_FAMILY_IPV4 2
#define ANAROS_FAMILY_IPV6 10
#define ANAROS_TCP         6

/* Where a listener of the target listens: what it accepts begins with the same. */
struct anaros_place {
	u8 address[16];
	u32 port;
	u32 family;
};

struct socket_owner {
	struct anaros_place place; /* of a listener */
	u64 sent_ns;               /* last packet of what is not TCP; 0: it is */
	u32 pid;
	u32 listens;
};

struct anaros_reason {
	char text[ANAROS_REASON_TEXT];
};

struct anaros_interface {
	char name[ANAROS_NAME_TEXT];
};

BPF_TABLE("lru_hash", u64, struct socket_owner, sockets, 16384);
BPF_TABLE("lru_hash", struct anaros_place, u32, listeners, 1024);
BPF_TABLE("lru_hash", u64, struct packet, packets, 4096);
BPF_TABLE("array", u32, u8, reasons, ANAROS_REASONS_MAX);
BPF_TABLE("array", u32, struct anaros_reason, reason_names, ANAROS_REASONS_MAX);
BPF_TABLE("hash", struct anaros_interface, u32, interfaces, 1024);
BPF_TABLE("array", u32, u64, network_used, 1);

static __always_inline struct packet *find_packets(u64 *key)
{
	return packets.lookup(key);
}

static __always_inline int put_packets(u64 *key, struct packet *value)
{
	return packets.update(key, value);
}

static __always_inline int drop_packets(u64 *key)
{
	return packets.delete(key);
}

static __always_inline u8 *find_reasons(u32 *key)
{
	return reasons.lookup(key);
}

static __always_inline u64 *anaros_network_used(void)
{
	u32 zero = 0;

	return network_used.lookup(&zero);
}

typedef u64 anaros_socket; /* its address, 0 = unknown */

static __always_inline struct socket_owner *anaros_owner(anaros_socket socket)
{
	struct socket_owner *owner;

	if (!socket)
		return NULL;
	owner = sockets.lookup(&socket);
	if (owner && owner->sent_ns && bpf_ktime_get_ns() - owner->sent_ns > config.net_recent_ns)
		return NULL;
	return owner;
}

static __always_inline struct socket_owner *put_socket(anaros_socket socket,
						       struct socket_owner *fresh)
{
	if (sockets.update(&socket, fresh)) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_UNTRACKED);
		return NULL;
	}
	return sockets.lookup(&socket);
}

static __always_inline struct socket_owner *anaros_adopt(anaros_socket socket, anaros_thread thread)
{
	struct socket_owner fresh = {.pid = thread.pid};

	return socket ? put_socket(socket, &fresh) : NULL;
}

/* Cookies and counts of bytes are in the socket alone. */
static __always_inline u64 anaros_cookie(anaros_socket socket)
{
	return 0;
}

static __always_inline u64 anaros_new_cookie(anaros_socket socket)
{
	return 0;
}

static __always_inline void anaros_connects(struct socket_owner *owner)
{
}

static __always_inline void anaros_tell_moved(struct anaros_record *record, anaros_socket socket,
					      struct socket_owner *owner)
{
}

static __always_inline long anaros_reason(u32 reason, char *text)
{
	struct anaros_reason *name = reason_names.lookup(&reason);

	if (!name)
		return 0;
	return bpf_probe_read_kernel_str(text, ANAROS_REASON_TEXT, name->text) - 1;
}

static __always_inline bool anaros_is_full(u32 reason)
{
	return reason && (reason == ANAROS_CPU_BACKLOG || reason == ANAROS_FULL_RING);
}

#include "handlers/net.h"

/* What is accepted carries the place of its listener until its own is filled in. */
static __always_inline void inherit(anaros_socket socket, struct anaros_place *place)
{
	u32 *pid = listeners.lookup(place);
	struct socket_owner fresh = {};

	if (!pid)
		return;
	fresh.pid = *pid;
	put_socket(socket, &fresh);
}

static __always_inline void listen(anaros_socket socket, struct anaros_place *place)
{
	struct socket_owner *owner = sockets.lookup(&socket);
	u32 pid;

	if (!owner)
		return;
	owner->place = *place;
	owner->listens = 1;
	pid = owner->pid;
	listeners.update(place, &pid);
}

static __always_inline void listen_no_more(anaros_socket socket)
{
	struct socket_owner *owner = sockets.lookup(&socket);
	struct anaros_place place;

	if (!owner || !owner->listens)
		return;
	place = owner->place;
	owner->listens = 0;
	listeners.delete(&place);
}

TRACEPOINT_PROBE(sock, inet_sock_set_state)
{
	anaros_socket socket = (u64)args->skaddr;
	struct anaros_place place = {.port = args->sport, .family = args->family};
	u32 before = args->oldstate, after = args->newstate;

	if (args->protocol != ANAROS_TCP)
		return 0;
	__builtin_memcpy(place.address, args->saddr_v6, sizeof(place.address));
	if (before == ANAROS_TCP_LISTEN && after != ANAROS_TCP_CLOSE)
		inherit(socket, &place);
	anaros_on_tcp_state(0, socket, before, after);
	if (after == ANAROS_TCP_LISTEN)
		listen(socket, &place);
	else if (before == ANAROS_TCP_LISTEN && after == ANAROS_TCP_CLOSE)
		listen_no_more(socket);
	return 0;
}

TRACEPOINT_PROBE(tcp, tcp_destroy_sock)
{
	anaros_socket socket = (u64)args->skaddr;

	sockets.delete(&socket);
	return 0;
}

TRACEPOINT_PROBE(tcp, tcp_retransmit_skb)
{
	anaros_on_retransmit((u64)args->skaddr, 0);
	return 0;
}

#ifdef ANAROS_HAS_SEND_LENGTH
/* What was opened before the probes were, and what is not TCP. */
TRACEPOINT_PROBE(sock, sock_send_length)
{
	struct socket_owner fresh = {}, *owner;
	anaros_socket socket = (u64)args->sk;

	if (args->family != ANAROS_FAMILY_IPV4 && args->family != ANAROS_FAMILY_IPV6)
		return 0;
	owner = sockets.lookup(&socket);
	if (!anaros_task(anaros_current())) {
		if (owner)
			sockets.delete(&socket); /* accepted in the same place, by somebody else */
		return 0;
	}
	if (args->protocol != ANAROS_TCP)
		fresh.sent_ns = bpf_ktime_get_ns();
	if (owner) {
		owner->sent_ns = fresh.sent_ns;
		return 0;
	}
	fresh.pid = anaros_current().pid;
	put_socket(socket, &fresh);
	return 0;
}
#endif

TRACEPOINT_PROBE(skb, kfree_skb)
{
	anaros_socket to = 0;
	u32 reason = 0;

#ifdef ANAROS_HAS_DROP_REASON
	reason = args->reason;
#endif
#ifdef ANAROS_HAS_DROP_SOCKET
	to = (u64)args->rx_sk;
#endif
	anaros_on_drop((u64)args->skbaddr, to, 0, reason, 0, 0);
	return 0;
}

TRACEPOINT_PROBE(napi, napi_poll)
{
	struct anaros_interface interface = {};
	u32 *number, work = args->work;
	bool device;

	if (!work)
		return 0;
	bpf_probe_read_kernel_str(interface.name, sizeof(interface.name),
				  (void *)((u64)args + (args->data_loc_dev_name & 0xffff)));
	device = interface.name[0] != '('; /* "(no_device)" */
	number = device ? interfaces.lookup(&interface) : NULL;
	anaros_on_poll(device, number ? *number : 0, work, args->budget, 0);
	return 0;
}

/* The target uses the network; whether the packet will wait the next one tells. */
TRACEPOINT_PROBE(net, net_dev_queue)
{
	anaros_on_queue(0, 0, 0, 0);
	return 0;
}

#ifdef ANAROS_HAS_QDISC_ENQUEUE
TRACEPOINT_PROBE(qdisc, qdisc_enqueue)
{
	anaros_on_queue(0, (u64)args->skbaddr, 0, args->ifindex);
	return 0;
}

TRACEPOINT_PROBE(net, net_dev_start_xmit)
{
	anaros_on_xmit((u64)args->skbaddr, args->queue_mapping, args->len);
	return 0;
}
#endif
