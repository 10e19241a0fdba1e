// SPDX-License-Identifier: Apache-2.0
/*
 * Calls to devices by the entry points of their libraries: CUDA's driver,
 * OpenCL, NCCL. What of a call's arguments is what stands in a table that the
 * loader fills; the cookie of a probe is the place of its function there.
 *
 * An object of its own, loaded by `anaros attach` when a process of the target
 * has such a library; its maps but the last are those of anaros.bpf.c.
 */
#include <linux/ptrace.h>
#include "common.bpf.h"

#define ENTRIES_MAX 1024
#define ARGUMENTS   12 /* in registers and on the stack; 0 is the result */
#define NAME_MAX    24

#ifdef __TARGET_ARCH_x86
#define IN_REGISTERS 6
#define STACK_SKIPS  8 /* the address to return to */
#else
#define IN_REGISTERS 8
#define STACK_SKIPS  0
#endif

/* How the size of a record comes about. */
enum measure {
	MEASURE_VALUE,   /* the argument, times a constant */
	MEASURE_NARROW,  /* its low half: the first ABI had 32 bits */
	MEASURE_GRID,    /* six arguments from there, 32 bits each, multiplied */
	MEASURE_CONFIG,  /* the same of CUDA's CUlaunchConfig, which holds the stream too */
	MEASURE_RANGE,   /* a list of so many sizes as the third argument says, multiplied */
	MEASURE_RECT,    /* width and height of CUDA's CUDA_MEMCPY2D */
	MEASURE_PRODUCT, /* two arguments from there */
	MEASURE_TYPED,   /* the argument times the size of NCCL's type in the next */
};

enum entry_flag {
	ENTRY_RETURNS = 1,    /* recorded when it returns, with its duration and result */
	ENTRY_MADE = 2,       /* the object is where the argument points, then */
	ENTRY_MADE_THERE = 4, /* the address too */
	ENTRY_GIVEN = 8,      /* the object is the result */
	ENTRY_NAMED = 16,     /* the address is the hash of the name */
};

struct entry {
	u64 null_object; /* for a stream that is NULL */
	u64 name_hash;
	u32 scale;
	u16 kind;
	u16 record_flags;
	u8 object; /* which argument, from 1 on; 0: none */
	u8 address;
	u8 size;
	u8 measure;
	u8 flags;
	u8 name_size;
	u8 padding[2];
	char name[NAME_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENTRIES_MAX);
	__type(key, u32);
	__type(value, struct entry);
} entries SEC(".maps");

/* What became of the calls: recorded or not, the sum is how many there were. */
struct outcome {
	u64 calls;
	u64 capped; /* beyond the rate: counted only */
	u64 nested; /* made inside another that is recorded */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ENTRIES_MAX);
	__type(key, u32);
	__type(value, struct outcome);
} outcomes SEC(".maps");

struct window {
	u64 begin_ns;
	u64 calls;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct window);
} windows SEC(".maps");

/* A thread in a call; the values lie here, for a thread may lose its CPU meanwhile. */
struct device_call {
	u64 start_ns; /* of one that is recorded when it returns; 0: none */
	u64 stack;
	u32 entry;
	u32 padding;
	u64 values[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct device_call);
} device_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENTRIES_MAX);
	__type(key, u32);
	__type(value, u8);
} names_told SEC(".maps");

#define WINDOW_NS 100000000ull

/* Calls that each CPU records in a window. */
const volatile u64 window_calls SEC(".rodata.device") = 1000;

/* Bytes of NCCL's types, in its order. */
const volatile u8 type_bytes[16] SEC(".rodata.device") = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};

static __always_inline bool too_many(u64 now)
{
	u32 zero = 0;
	struct window *window = bpf_map_lookup_elem(&windows, &zero);

	if (!window)
		return false;
	if (now - window->begin_ns >= WINDOW_NS) {
		window->begin_ns = now;
		window->calls = 0;
	}
	return window->calls++ >= window_calls;
}

static __always_inline void take_values(struct pt_regs *ctx, u64 *values)
{
	u64 stack = PT_REGS_SP(ctx);

	values[0] = 0;
	values[1] = PT_REGS_PARM1(ctx);
	values[2] = PT_REGS_PARM2(ctx);
	values[3] = PT_REGS_PARM3(ctx);
	values[4] = PT_REGS_PARM4(ctx);
	values[5] = PT_REGS_PARM5(ctx);
#ifdef __TARGET_ARCH_x86
	values[6] = ctx->r9;
#else
	values[6] = ((struct user_pt_regs *)ctx)->regs[5];
	values[7] = ((struct user_pt_regs *)ctx)->regs[6];
	values[8] = ((struct user_pt_regs *)ctx)->regs[7];
#endif
	if (bpf_probe_read_user(values + IN_REGISTERS + 1, 8 * (ARGUMENTS - IN_REGISTERS),
				(void *)(stack + STACK_SKIPS)))
		__builtin_memset(values + IN_REGISTERS + 1, 0, 8 * (ARGUMENTS - IN_REGISTERS));
}

static __always_inline u64 low(const u64 *values, u32 place)
{
	return (u32)values[place & 15];
}

static __always_inline u64 product_of_list(u64 list, u64 count)
{
	u64 sizes[3] = {1, 1, 1}, bytes = count < 3 ? 8 * count : 24;

	if (!list || bpf_probe_read_user(sizes, bytes & 31, (void *)list))
		return 0;
	return sizes[0] * sizes[1] * sizes[2];
}

/* CUlaunchConfig: grid and block, three words each, shared memory, then the stream. */
static __always_inline u64 product_of_config(u64 config, u64 *stream)
{
	u32 words[6];

	if (bpf_probe_read_user(words, sizeof(words), (void *)config))
		return 0;
	bpf_probe_read_user(stream, sizeof(*stream), (void *)(config + 32));
	return (u64)words[0] * words[1] * words[2] * words[3] * words[4] * words[5];
}

static __always_inline u64 product_of_rect(u64 copy)
{
	u64 sides[2];

	if (bpf_probe_read_user(sides, sizeof(sides), (void *)(copy + 112)))
		return 0;
	return sides[0] * sides[1];
}

static __always_inline u64 size_of(const struct entry *entry, const u64 *values, u64 *object)
{
	u64 value = values[entry->size & 15];
	u32 at = entry->size;

	switch (entry->measure) {
	case MEASURE_NARROW:
		return (u32)value * (u64)entry->scale;
	case MEASURE_GRID:
		return low(values, at) * low(values, at + 1) * low(values, at + 2) *
		       low(values, at + 3) * low(values, at + 4) * low(values, at + 5);
	case MEASURE_CONFIG:
		return product_of_config(value, object);
	case MEASURE_RANGE:
		return product_of_list(value, low(values, 3));
	case MEASURE_RECT:
		return product_of_rect(value);
	case MEASURE_PRODUCT:
		return value * values[(at + 1) & 15];
	case MEASURE_TYPED:
		return value * type_bytes[values[(at + 1) & 15] & 15];
	default:
		return value * entry->scale;
	}
}

/* A name of its own, once: what the address stands for. */
static __always_inline void tell_name(u32 index, const struct entry *entry, u64 now, u32 pid)
{
	struct {
		struct anaros_record record;
		char name[NAME_MAX];
	} * text;
	u8 *told = bpf_map_lookup_elem(&names_told, &index);

	if (!told || *told)
		return;
	*told = 1;
	text = bpf_ringbuf_reserve(&ring, sizeof(*text), 0);
	if (!text) {
		anaros_count(ANAROS_PROBE_DEVICE, ANAROS_COUNTER_DROPPED);
		return;
	}
	__builtin_memset(&text->record, 0, sizeof(text->record));
	text->record.start_ns = now;
	text->record.pid = pid;
	text->record.kind = ANAROS_KIND_META_NAME;
	text->record.flags = ANAROS_FLAG_KERNEL;
	text->record.status = ANAROS_NAME_KERNEL;
	text->record.object = entry->name_hash;
	text->record.size_bytes = entry->name_size;
	__builtin_memcpy(text->name, entry->name, NAME_MAX);
	bpf_ringbuf_submit(text, anaros_wake_flags());
}

static __always_inline void ship(u32 index, const struct entry *entry, const u64 *values, u64 start,
				 u64 now, s64 result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 object = values[entry->object & 15], made = 0;
	u64 size = size_of(entry, values, &object);
	u64 address = values[entry->address & 15];
	struct anaros_record *record;

	if (entry->flags & ENTRY_NAMED) {
		tell_name(index, entry, now, task->tgid);
		address = entry->name_hash;
	}
	if (entry->flags & ENTRY_MADE) {
		bpf_probe_read_user(&made, sizeof(made), (void *)object);
		object = result ? 0 : made;
		if (entry->flags & ENTRY_MADE_THERE)
			address = object;
	}
	if (entry->flags & ENTRY_GIVEN) {
		object = result;
		result = 0;
	}
	record = anaros_reserve(ANAROS_PROBE_DEVICE, entry->kind);
	if (!record)
		return;
	record->start_ns = start;
	record->duration_ns = now - start;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->flags |= entry->record_flags;
	record->status = result;
	record->object = object ? object : entry->null_object;
	record->address = address;
	record->size_bytes = size;
	anaros_submit(record);
}

SEC("uprobe")
int device_enter(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 index = bpf_get_attach_cookie(ctx);
	struct device_call *call;
	struct outcome *outcome;
	struct entry *entry;
	u64 now, stack = PT_REGS_SP(ctx);

	if (!anaros_current_task(ANAROS_PROBE_DEVICE))
		return 0;
	entry = bpf_map_lookup_elem(&entries, &index);
	outcome = bpf_map_lookup_elem(&outcomes, &index);
	call = bpf_task_storage_get(&device_calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!entry || !outcome || !call) {
		anaros_count(ANAROS_PROBE_DEVICE, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	/* The stack grows down: higher up, the other call was left without a return. */
	if (call->start_ns && stack < call->stack) {
		__sync_fetch_and_add(&outcome->nested, 1);
		return 0;
	}
	__sync_fetch_and_add(&outcome->calls, 1);
	call->start_ns = 0;
	now = bpf_ktime_get_ns();
	if (too_many(now)) {
		__sync_fetch_and_add(&outcome->capped, 1);
		return 0;
	}
	take_values(ctx, call->values);
	if (entry->flags & ENTRY_RETURNS) {
		call->start_ns = now;
		call->stack = stack;
		call->entry = index;
		return 0;
	}
	ship(index, entry, call->values, now, now, 0);
	return 0;
}

SEC("uretprobe")
int device_return(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 index = bpf_get_attach_cookie(ctx);
	struct device_call *call;
	struct entry *entry;
	u64 start;

	if (!anaros_marked(task))
		return 0;
	call = bpf_task_storage_get(&device_calls, task, NULL, 0);
	entry = bpf_map_lookup_elem(&entries, &index);
	if (!call || !entry || !call->start_ns || call->entry != index)
		return 0;
	start = call->start_ns;
	call->start_ns = 0;
	ship(index, entry, call->values, start, bpf_ktime_get_ns(),
	     entry->flags & ENTRY_GIVEN ? (s64)PT_REGS_RC(ctx) : (s32)PT_REGS_RC(ctx));
	return 0;
}
