// SPDX-License-Identifier: Apache-2.0
/* Block layer. */

/* Of a request; the tracepoint has letters. */
#define ANAROS_READ    0
#define ANAROS_WRITE   1
#define ANAROS_FLUSH   2
#define ANAROS_DISCARD 3
#define ANAROS_ERASE   5
#define ANAROS_OTHER   255

/*
 * A request as its tracepoints name it. No two under way have the same beginning
 * and do the same, other than by mistake of whoever sent them.
 */
struct anaros_key {
	u32 device;
	u32 operation;
	u64 sector;
};

BPF_TABLE("hash", u32, u8, schedulers, 256); /* devices that have one */
BPF_TABLE("hash", u32, struct device, devices, 256);
BPF_TABLE("lru_hash", struct anaros_key, struct io, requests, 4096);

static __always_inline u8 *find_schedulers(u32 *key)
{
	return schedulers.lookup(key);
}

static __always_inline struct device *find_devices(u32 *key)
{
	return devices.lookup(key);
}

static __always_inline int put_new_devices(u32 *key, struct device *value)
{
	return devices.insert(key, value);
}

static __always_inline struct io *find_requests(struct anaros_key *key)
{
	return requests.lookup(key);
}

static __always_inline int put_requests(struct anaros_key *key, struct io *value)
{
	return requests.update(key, value);
}

static __always_inline int drop_requests(struct anaros_key *key)
{
	return requests.delete(key);
}

typedef struct {
	struct anaros_key key;
	u32 bytes;
} anaros_request;

typedef struct anaros_key anaros_key;

static __always_inline anaros_key anaros_key_of(anaros_request request)
{
	return request.key;
}

static __always_inline u32 anaros_device(anaros_request request)
{
	return request.key.device;
}

static __always_inline u64 anaros_sector(anaros_request request)
{
	return request.key.sector;
}

static __always_inline u32 anaros_bytes(anaros_request request)
{
	return request.bytes;
}

static __always_inline u32 anaros_operation(anaros_request request)
{
	return request.key.operation;
}

/* As it was when the loader looked. */
static __always_inline bool anaros_has_scheduler(anaros_request request)
{
	u32 device = request.key.device;

	return find_schedulers(&device) != NULL;
}

/* Only a program has a stack of its own, outside of the kernel. */
static __always_inline bool anaros_is_kernels(anaros_event event, anaros_thread thread)
{
	u64 place;

	return bpf_get_stack((void *)event, &place, sizeof(place), ANAROS_USER_STACK) <= 0;
}

/* Threads of the kernel that work for a process are announced here like all others. */
static __always_inline struct anaros_task *anaros_current_task(u32 probe)
{
	return anaros_task(anaros_current());
}

static __always_inline void anaros_advance(anaros_key key, struct io *io, u32 bytes)
{
	struct io same = *io;

	drop_requests(&key);
	key.sector += bytes >> 9;
	put_requests(&key, &same);
}

#include "handlers/block.h"

/* A flush before a write is another letter before its own. */
static __always_inline u32 operation(char first, char second)
{
	char letter = first;

	if (first == 'F' && (second == 'W' || second == 'D' || second == 'R' || second == 'N'))
		letter = second;
	switch (letter) {
	case 'R':
		return ANAROS_READ;
	case 'W':
		return ANAROS_WRITE;
	case 'F':
		return ANAROS_FLUSH;
	case 'D':
		return second == 'E' ? ANAROS_ERASE : ANAROS_DISCARD;
	default:
		return ANAROS_OTHER;
	}
}

static __always_inline anaros_key request_key(u32 device, u64 sector, char first, char second)
{
	anaros_key key = {.device = device, .sector = sector};

	key.operation = operation(first, second);
	if (key.operation == ANAROS_FLUSH)
		key.sector = -1; /* what stands there, but not in every tracepoint */
	return key;
}

#define REQUEST_KEY(args) request_key((args)->dev, (args)->sector, (args)->rwbs[0], (args)->rwbs[1])

TRACEPOINT_PROBE(block, block_rq_insert)
{
	anaros_request request = {.key = REQUEST_KEY(args), .bytes = args->bytes};

	anaros_on_insert((u64)args, request);
	return 0;
}

TRACEPOINT_PROBE(block, block_rq_issue)
{
	anaros_request request = {.key = REQUEST_KEY(args), .bytes = args->bytes};

	anaros_on_issue((u64)args, request);
	return 0;
}

TRACEPOINT_PROBE(block, block_rq_complete)
{
	anaros_on_complete(REQUEST_KEY(args), args->error, args->nr_sector << 9);
	return 0;
}

TRACEPOINT_PROBE(block, block_rq_merge)
{
	anaros_on_merge(REQUEST_KEY(args));
	return 0;
}

/* What is put before a request moves its beginning. */
TRACEPOINT_PROBE(block, block_bio_frontmerge)
{
	anaros_key key = REQUEST_KEY(args);
	struct io *io, same;

	key.sector += args->nr_sector;
	io = find_requests(&key);
	if (!io)
		return 0;
	same = *io;
	drop_requests(&key);
	key.sector -= args->nr_sector;
	put_requests(&key, &same);
	return 0;
}
