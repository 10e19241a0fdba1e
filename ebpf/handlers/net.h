/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets and NIC.
 *
 * A socket belongs to the target when the front says so: one of the target's
 * threads connected it, listens on it or sent through it, or a listener of the
 * target accepted it. Packets are the target's when their socket is; where a
 * packet has none (received, not yet matched) nobody can tell, and it is counted.
 *
 * The front has, beside what shared.h asks for: the maps packets and reasons;
 * anaros_socket, and of it anaros_owner(), a struct socket_owner with the pid,
 * anaros_adopt(socket, thread), anaros_cookie() as far as there is one and
 * anaros_new_cookie(), which makes one; anaros_connects(owner);
 * anaros_tell_moved(record, socket, owner), at the end; anaros_reason(reason,
 * text), the kernel's name of it; anaros_is_full(reason); and
 * anaros_network_used(), where it is kept when the target last used the network.
 */
#ifndef ANAROS_EBPF_HANDLERS_NET_H
#define ANAROS_EBPF_HANDLERS_NET_H

#include "packet.h"
#include "shared.h"

#define ANAROS_TCP_SYN_SENT 2
#define ANAROS_TCP_CLOSE    7
#define ANAROS_TCP_LISTEN   10

static __always_inline void use_network(u64 now)
{
	u64 *used = anaros_network_used();

	if (used)
		*used = now;
}

/* Says whether what serves everybody concerns the target. */
static __always_inline bool uses_network(u64 now)
{
	u64 *used = anaros_network_used();

	return used && now - *used <= config.net_recent_ns;
}

/* Whether a thread of the target is at work here, and not interrupted. */
static __always_inline bool target_works(anaros_event event)
{
	bool works = anaros_task(anaros_current()) && anaros_context(event) == ANAROS_CONTEXT_TASK;

	barrier_var(works); /* the verifier forbids to merge two pointers */
	return works;
}

static __always_inline void anaros_on_tcp_state(anaros_event event, anaros_socket socket,
						u32 before, u32 after)
{
	struct socket_owner *owner = anaros_owner(socket);
	bool works = target_works(event);
	struct anaros_record *record;
	u64 now;

	if (!owner && works && before == ANAROS_TCP_CLOSE &&
	    (after == ANAROS_TCP_SYN_SENT || after == ANAROS_TCP_LISTEN))
		owner = anaros_adopt(socket, anaros_current());
	if (!owner) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_OTHERS);
		return;
	}
	if (after == ANAROS_TCP_SYN_SENT)
		anaros_connects(owner);
	now = bpf_ktime_get_ns();
	use_network(now);
	record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_TCP_STATE);
	if (!record)
		return;
	record->start_ns = now;
	record->pid = owner->pid;
	if (works) {
		anaros_thread thread = anaros_current();

		record->pid = anaros_pid(thread);
		record->tid = anaros_tid(thread);
	}
	record->status = after;
	record->address = before;
	record->object = anaros_new_cookie(socket);
	if (after == ANAROS_TCP_CLOSE)
		anaros_tell_moved(record, socket, owner);
	anaros_submit(record);
}

static __always_inline void anaros_on_retransmit(anaros_socket socket, u32 bytes)
{
	struct socket_owner *owner = anaros_owner(socket);
	struct anaros_record *record;
	u64 now;

	if (!owner) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_OTHERS);
		return;
	}
	now = bpf_ktime_get_ns();
	use_network(now);
	record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_TCP_RETRANSMIT);
	if (!record)
		return;
	record->start_ns = now;
	record->pid = owner->pid;
	record->object = anaros_new_cookie(socket);
	record->size_bytes = bytes;
	anaros_submit(record);
}

/* The kernel's own name of a reason, told once. */
static __always_inline void name_reason(u32 reason, u64 now)
{
	u8 *told = anaros_find(reasons, &reason);
	struct anaros_text *name;
	long length;

	if (!told || *told)
		return;
	*told = 1;
	name = anaros_name(ANAROS_PROBE_NET);
	if (!name)
		return;
	length = anaros_reason(reason, name->text);
	if (length > 0)
		anaros_ship_name(ANAROS_PROBE_NET, name, now, 0, ANAROS_NAME_REASON, reason,
				 length);
}

/*
 * Of a packet that was to go to one socket, or came from another. A queue that
 * was full has dropped packets of anybody: nobody can tell whose. It concerns the
 * target while it uses the network. One that did not come out of the queue of an
 * interface was dropped there.
 */
static __always_inline void anaros_on_drop(u64 key, anaros_socket to, anaros_socket from,
					   u32 reason, u32 queue, u32 bytes)
{
	struct socket_owner *owner = anaros_owner(to);
	u64 now = bpf_ktime_get_ns(), cookie = 0, place = 0;
	struct anaros_record *record;
	struct packet *packet;
	u32 pid = 0;

	if (owner) {
		cookie = anaros_cookie(to);
		pid = owner->pid;
	} else {
		owner = anaros_owner(from);
		if (owner) {
			cookie = anaros_cookie(from);
			pid = owner->pid;
		} else if (!anaros_is_full(reason) || !uses_network(now)) {
			bool known = to;

			barrier_var(known); /* the verifier forbids to merge two pointers */
			anaros_count(ANAROS_PROBE_NET, known || from
							   ? ANAROS_COUNTER_OTHERS
							   : ANAROS_COUNTER_UNKNOWN_OWNER);
			return;
		}
	}
	if (reason)
		name_reason(reason, now);
	packet = anaros_find(packets, &key);
	if (packet) {
		place = (u64)queue << 32 | packet->interface;
		anaros_drop(packets, &key);
	}
	record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_NIC_DROP);
	if (!record)
		return;
	record->start_ns = now;
	record->pid = pid;
	record->status = reason;
	record->address = reason;
	record->object = cookie;
	record->size_bytes = bytes;
	record->context = place;
	anaros_submit(record);
}

/*
 * A poll serves everybody, so it is nobody's: pid 0. It is shipped when it did
 * work while the target used the network. Polls without a device (packets that
 * one CPU handed to itself, as on loopback) say something only when packets
 * had piled up.
 */
static __always_inline void anaros_on_poll(bool device, u32 interface, u32 work, u32 budget,
					   u32 queue)
{
	struct anaros_record *record;
	u64 now;

	if (!work)
		return;
	if (!device && work < config.backlog_min) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_BELOW_MINIMUM);
		return;
	}
	now = bpf_ktime_get_ns();
	if (!uses_network(now)) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_OTHERS);
		return;
	}
	record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_NIC_POLL);
	if (!record)
		return;
	record->start_ns = now;
	record->object = interface;
	record->status = work >= budget;
	record->size_bytes = work;
	record->address = budget;
	record->context = queue;
	anaros_submit(record);
}

/* A packet on its way to an interface; 0: that has no queue, the driver gets it at once. */
static __always_inline void anaros_on_queue(anaros_event event, u64 key, anaros_socket socket,
					    u32 interface)
{
	struct socket_owner *owner = anaros_owner(socket);
	struct packet packet = {.interface = interface};
	bool works = false;

	if (!owner || interface)
		works = target_works(event);
	if (!owner && works)
		owner = anaros_adopt(socket, anaros_current());
	if (!owner && !works)
		return;
	packet.queued_ns = bpf_ktime_get_ns();
	use_network(packet.queued_ns);
	if (!interface)
		return;
	if (owner) {
		packet.cookie = anaros_cookie(socket);
		packet.pid = owner->pid;
	}
	if (works) {
		anaros_thread thread = anaros_current();

		packet.pid = anaros_pid(thread);
		packet.tid = anaros_tid(thread);
	}
	if (anaros_put(packets, &key, &packet))
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_UNTRACKED);
}

/* The driver gets it, for one of its transmit queues. */
static __always_inline void anaros_on_xmit(u64 key, u32 queue, u32 bytes)
{
	struct packet *packet = anaros_find(packets, &key);
	struct anaros_record *record;
	u64 now;

	if (!packet)
		return;
	now = bpf_ktime_get_ns();
	if (now - packet->queued_ns < config.queue_min_ns) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_BELOW_MINIMUM);
	} else {
		record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_NIC_QUEUE);
		if (record) {
			record->start_ns = packet->queued_ns;
			record->duration_ns = now - packet->queued_ns;
			record->pid = packet->pid;
			record->tid = packet->tid;
			record->object = packet->interface;
			record->status = queue;
			record->size_bytes = bytes;
			record->address = packet->cookie;
			anaros_submit(record);
		}
	}
	anaros_drop(packets, &key);
}

#endif
