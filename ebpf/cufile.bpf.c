// SPDX-License-Identifier: Apache-2.0
/*
 * cuFile: bytes between storage and device memory, by the static probes that
 * the library has where a transfer ends. Where it began tells the entry of the
 * call on the same thread, if one of the library's own threads did not do it.
 *
 * An object of its own, loaded when a process of the target maps the library;
 * its maps but the last are those of anaros.bpf.c.
 */
#include <linux/ptrace.h>
#include "common.bpf.h"
#include <bpf/usdt.bpf.h>

#define DEVICE_MINOR_BITS 20

struct super_block {
	u32 s_dev;
} ANAROS_KERNEL_TYPE;

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
} ANAROS_KERNEL_TYPE;

struct file {
	struct inode *f_inode;
} ANAROS_KERNEL_TYPE;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} ANAROS_KERNEL_TYPE;

struct files_struct {
	struct fdtable *fdt;
} ANAROS_KERNEL_TYPE;

struct task_struct___files {
	struct files_struct *files;
} ANAROS_KERNEL_TYPE;

/* A call under way on a thread; left_bytes 0: none. */
struct call {
	u64 start_ns;
	u64 buffer;
	u64 left_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} cufile_calls SEC(".maps");

/* The first three arguments are alike in all; of vectors the buffer is the list. */
static __always_inline int begin(u64 buffer, u64 bytes)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct call *call;

	if (!anaros_current_task(ANAROS_PROBE_CUFILE))
		return 0;
	call = bpf_task_storage_get(&cufile_calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		anaros_count(ANAROS_PROBE_CUFILE, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	call->start_ns = bpf_ktime_get_ns();
	call->buffer = buffer;
	call->left_bytes = bytes;
	return 0;
}

SEC("uprobe")
int cufile_begin(struct pt_regs *ctx)
{
	return begin(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
}

/* How many bytes, the list would tell. */
SEC("uprobe")
int cufile_begin_vector(struct pt_regs *ctx)
{
	return begin(0, ~0ull);
}

/* As the shim names a file: by what stat() says of it. */
static __always_inline u64 object_of(struct task_struct *task, u32 fd)
{
	struct task_struct___files *holder = (void *)task;
	struct fdtable *table = BPF_CORE_READ(holder, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = NULL;
	struct inode *inode;
	u64 device;
	u32 raw;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	raw = BPF_CORE_READ(inode, i_sb, s_dev);
	device = raw & ((1u << DEVICE_MINOR_BITS) - 1);
	device = (device & 0xff) | (u64)(raw >> DEVICE_MINOR_BITS) << 8 | (device & ~0xffull) << 12;
	return ((device ^ device >> 16 ^ device >> 32) & 0xffff) << 48 |
	       (BPF_CORE_READ(inode, i_ino) & 0xffffffffffffull);
}

/*
 * The probes that end a transfer have these arguments, the last one only where
 * the bytes may go through a buffer of the library's on the device.
 */
struct transfer {
	long fd, offset, bytes, buffer_offset, result, device, bounced;
};

static __always_inline bool read_transfer(struct pt_regs *ctx, struct transfer *at)
{
	at->bounced = 0;
	if (bpf_usdt_arg(ctx, 0, &at->fd) || bpf_usdt_arg(ctx, 1, &at->offset) ||
	    bpf_usdt_arg(ctx, 2, &at->bytes) || bpf_usdt_arg(ctx, 3, &at->buffer_offset) ||
	    bpf_usdt_arg(ctx, 4, &at->result) || bpf_usdt_arg(ctx, 5, &at->device))
		return false;
	if (bpf_usdt_arg_cnt(ctx) > 6)
		bpf_usdt_arg(ctx, 6, &at->bounced);
	return true;
}

SEC("usdt")
int cufile_done(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 now = bpf_ktime_get_ns(), moved, start = now, buffer = 0;
	struct anaros_record *record;
	struct transfer at;
	struct call *call;

	if (!anaros_current_task(ANAROS_PROBE_CUFILE))
		return 0;
	if (!read_transfer(ctx, &at)) {
		anaros_count(ANAROS_PROBE_CUFILE, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	moved = at.result > 0 ? at.result : 0;
	call = bpf_task_storage_get(&cufile_calls, task, NULL, 0);
	if (call && call->left_bytes) {
		start = call->start_ns;
		buffer = call->buffer;
		/* The next part of the same call begins here. */
		call->start_ns = now;
		call->left_bytes = moved && moved < call->left_bytes ? call->left_bytes - moved : 0;
	}
	record = anaros_reserve(ANAROS_PROBE_CUFILE, ANAROS_KIND_GPU_STORAGE);
	if (!record)
		return 0;
	record->start_ns = start;
	record->duration_ns = now - start;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->flags |= bpf_usdt_cookie(ctx);
	if (at.bounced & 0xff)
		record->flags |= ANAROS_STORAGE_BOUNCED;
	record->status = at.result < 0 ? at.result : 0;
	record->object = object_of(task, at.fd);
	record->size_bytes = moved;
	record->address = buffer ? buffer + at.buffer_offset : at.offset;
	if (!buffer)
		record->flags |= ANAROS_FLAG_OFFSET;
	record->context = (u32)at.device + 1;
	anaros_submit(record);
	return 0;
}
