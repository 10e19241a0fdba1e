/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record: one event, 64 bytes, little endian.
 *
 * Written once by whoever saw the event (the shim in the workload, or a BPF
 * program in the kernel) and copied once, by the drain. The Python dtype in
 * overlay/anaros/records.py is compared with this struct by a test.
 *
 * Only fixed-width types and no libc headers: BPF programs include this file.
 */
#ifndef ANAROS_RECORD_H
#define ANAROS_RECORD_H

#ifdef __bpf__
typedef unsigned char anaros_u8;
typedef unsigned short anaros_u16;
typedef unsigned int anaros_u32;
typedef int anaros_s32;
typedef unsigned long long anaros_u64;
#else
#include <stdint.h>
typedef uint8_t anaros_u8;
typedef uint16_t anaros_u16;
typedef uint32_t anaros_u32;
typedef int32_t anaros_s32;
typedef uint64_t anaros_u64;
#endif

struct anaros_record {
	anaros_u64 start_ns; /* CLOCK_MONOTONIC */
	anaros_u64 duration_ns;
	anaros_u32 pid;
	anaros_u32 tid;
	anaros_u16 kind;   /* kinds.h */
	anaros_u16 flags;  /* ANAROS_FLAG_* */
	anaros_s32 status; /* 0 or a count, -errno, or the driver's result */
	anaros_u64 object; /* what was acted on; kinds.h says which handle */
	anaros_u64 size_bytes;
	anaros_u64 address; /* user memory or offset: the thread of lineage */
	anaros_u64 context; /* request context; 0 = unknown */
};

_Static_assert(sizeof(struct anaros_record) == 64, "a record is 64 bytes");
_Static_assert(__builtin_offsetof(struct anaros_record, kind) == 24, "layout");
_Static_assert(__builtin_offsetof(struct anaros_record, status) == 28, "layout");
_Static_assert(__builtin_offsetof(struct anaros_record, object) == 32, "layout");
_Static_assert(__builtin_offsetof(struct anaros_record, context) == 56, "layout");

/* What a file descriptor stands for: the low three bits of flags. */
enum anaros_fd_type {
	ANAROS_FD_UNKNOWN = 0,
	ANAROS_FD_REGULAR = 1,
	ANAROS_FD_DIRECTORY = 2,
	ANAROS_FD_SOCKET = 3,
	ANAROS_FD_PIPE = 4,
	ANAROS_FD_CHARACTER = 5,
	ANAROS_FD_BLOCK = 6,
	ANAROS_FD_ANONYMOUS = 7, /* eventfd, epoll, timerfd, memfd, ... */
};

/* What sort of memory a gpu.alloc or gpu.free is about: the same three bits. */
enum anaros_memory {
	ANAROS_MEMORY_DEVICE = 0,
	ANAROS_MEMORY_MANAGED = 1,
	ANAROS_MEMORY_HOST = 2,           /* allocated page-locked */
	ANAROS_MEMORY_REGISTERED = 3,     /* the program's own, page-locked later */
	ANAROS_MEMORY_STREAM_ORDERED = 4, /* from a pool */
	ANAROS_MEMORY_PHYSICAL = 5,       /* a handle; it has an address where it is mapped */
	ANAROS_MEMORY_ARRAY = 6,
	ANAROS_MEMORY_IMPORTED = 7, /* of another process or library */
};

/* How a function passed by the shim: the address of a gpu.unknown. */
enum anaros_way {
	ANAROS_WAY_DLSYM = 1,
	ANAROS_WAY_RESOLVER = 2, /* the driver's own, or a table that it gives */
	ANAROS_WAY_SLOT = 3,     /* a library that was bound past the shim */
	ANAROS_WAY_SEALED = 4,   /* likewise, and its slot could not be written */
	ANAROS_WAY_SECOND = 5,   /* another function of that name is the recorded one */
};

enum anaros_flag {
	ANAROS_FLAG_FD_TYPE_MASK = 0x0007,
	ANAROS_FLAG_STDIO = 0x0008,        /* bytes passed through a FILE buffer */
	ANAROS_FLAG_ASYNC = 0x0010,        /* enqueued; the device does it later */
	ANAROS_FLAG_PEEK = 0x0020,         /* MSG_PEEK: bytes were not consumed */
	ANAROS_FLAG_OTHER_TENANT = 0x0040, /* not of the target; it delayed it */
	ANAROS_FLAG_DEVICE_TIME = 0x0080,  /* times come from the device */
	ANAROS_FLAG_PINNED = 0x0100,       /* the host side is page-locked */
	ANAROS_FLAG_CAPTURE = 0x0200,      /* recorded into a graph, not run */
	ANAROS_FLAG_OFFSET = 0x0400,       /* address is a file offset */
	ANAROS_FLAG_LISTENER = 0x0800,     /* the socket accepts connections */
	ANAROS_FLAG_ACCOUNTED = 0x1000,    /* the kernel counts it: not recv, not splice */
	ANAROS_FLAG_KERNEL = 0x8000,       /* seen by the kernel plane */
};

#endif
