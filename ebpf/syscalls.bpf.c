// SPDX-License-Identifier: Apache-2.0
/*
 * Calls of the target by the kernel's own entry, for a process that does not
 * carry the shim: the same records as the shim writes for the functions of the
 * C library.
 *
 * An object of its own, loaded by `anaros attach`, and by `anaros run` once a
 * program without the shim is worth it: while it is attached, every system call
 * on the machine takes the kernel's slow way in and out. It shares the maps
 * of anaros.bpf.c.
 */
#include <linux/unistd.h>
#include "aio.bpf.h"
#include "witness.bpf.h"

#define CALLS_MAX     512
#define SHAPES        32 /* a power of two, above the last sort */
#define MESSAGES_MAX  64
#define MSG_PEEK      2
#define MAP_ANONYMOUS 0x20
#define EINTR         4
#define RESTART_FIRST 512 /* ERESTARTSYS and its kin: the kernel's own numbers */
#define RESTART_LAST  516

#ifdef __TARGET_ARCH_x86
struct pt_regs {
	unsigned long r10, r8, r9, dx, si, di, orig_ax;
} ANAROS_KERNEL_TYPE;

#define CALL_NUMBER(regs) ((regs)->orig_ax)
#define CALL_1(regs)      ((regs)->di)
#define CALL_2(regs)      ((regs)->si)
#define CALL_3(regs)      ((regs)->dx)
#define CALL_4(regs)      ((regs)->r10)
#define CALL_5(regs)      ((regs)->r8)
#else
struct pt_regs {
	u64 regs[31];
	u64 orig_x0;
	s32 syscallno;
} ANAROS_KERNEL_TYPE;

#define CALL_NUMBER(regs) ((u32)(regs)->syscallno)
#define CALL_1(regs)      ((regs)->orig_x0)
#define CALL_2(regs)      ((regs)->regs[1])
#define CALL_3(regs)      ((regs)->regs[2])
#define CALL_4(regs)      ((regs)->regs[3])
#define CALL_5(regs)      ((regs)->regs[4])
#endif

/* What sort of call it is: which of its arguments are what (shapes). */
enum sort {
	SORT_NONE,
	SORT_READ,
	SORT_WRITE,
	SORT_READ_MANY,
	SORT_WRITE_MANY,
	SORT_RECV,
	SORT_SEND,
	SORT_RECV_MESSAGE,
	SORT_SEND_MESSAGE,
	SORT_RECV_MESSAGES,
	SORT_SEND_MESSAGES,
	SORT_OPEN,
	SORT_CLOSE,
	SORT_SYNC,
	SORT_SYNC_RANGE,
	SORT_SYNC_MEMORY,
	SORT_MAP,
	SORT_SENDFILE,
	SORT_SPLICE,
	SORT_COPY,
	SORT_SOCKET,
	SORT_BIND,
	SORT_LISTEN,
	SORT_CONNECT,
	SORT_ACCEPT,
	SORT_SHUTDOWN,
	SORT_EPOLL,
	SORT_POLL,
	SORT_AIO_SUBMIT, /* these two in aio.bpf.h */
	SORT_AIO_REAP,
};

/* Where a value of the record comes from: nowhere, an argument, or the result. */
enum source { NONE, FIRST, SECOND, THIRD, FOURTH, FIFTH, RESULT };

enum way {
	WAY_VECTOR = 1,   /* the address is that of the first buffer in a list */
	WAY_MESSAGE = 2,  /* likewise, in a message */
	WAY_MESSAGES = 4, /* the size is the sum over messages */
	WAY_MADE = 8,     /* a result that is no error is the status */
	WAY_SENT = 16,    /* what goes to a socket is sent there as well */
	WAY_FILE = 32,    /* only where a file is mapped */
	WAY_COUNTED = 64, /* the kernel's account of the thread has it, on a socket too */
};

struct shape {
	u16 kind;
	u16 socket_kind; /* where the descriptor is a socket's; 0: the same */
	u8 file;         /* the descriptor; enum source, as the next four */
	u8 other;        /* a second one, whose object is the address */
	u8 address;
	u8 size;
	u8 peek; /* the flags of the call */
	u8 way;
};

#define SHAPE_READ(more...)                                                                        \
	{                                                                                          \
		.kind = ANAROS_KIND_FILE_READ, .socket_kind = ANAROS_KIND_NET_RECV, .file = FIRST, \
		.address = SECOND, .size = RESULT, more                                            \
	}
#define SHAPE_WRITE(more...)                                                                       \
	{                                                                                          \
		.kind = ANAROS_KIND_FILE_WRITE, .socket_kind = ANAROS_KIND_NET_SEND,               \
		.file = FIRST, .address = SECOND, .size = RESULT, more                             \
	}
#define SHAPE(name, more...)                                                                       \
	{                                                                                          \
		.kind = ANAROS_KIND_##name, more                                                   \
	}

const volatile struct shape shapes[SHAPES] = {
    [SORT_READ] = SHAPE_READ(.way = WAY_COUNTED),
    [SORT_WRITE] = SHAPE_WRITE(.way = WAY_COUNTED),
    [SORT_READ_MANY] = SHAPE_READ(.way = WAY_VECTOR | WAY_COUNTED),
    [SORT_WRITE_MANY] = SHAPE_WRITE(.way = WAY_VECTOR | WAY_COUNTED),
    [SORT_RECV] = SHAPE_READ(.peek = FOURTH),
    [SORT_SEND] = SHAPE_WRITE(),
    [SORT_RECV_MESSAGE] = SHAPE_READ(.peek = THIRD, .way = WAY_MESSAGE),
    [SORT_SEND_MESSAGE] = SHAPE_WRITE(.way = WAY_MESSAGE),
    [SORT_RECV_MESSAGES] = SHAPE_READ(.peek = FOURTH, .way = WAY_MESSAGE | WAY_MESSAGES),
    [SORT_SEND_MESSAGES] = SHAPE_WRITE(.way = WAY_MESSAGE | WAY_MESSAGES),
    [SORT_OPEN] = SHAPE(FILE_OPEN, .file = RESULT, .way = WAY_MADE),
    [SORT_CLOSE] = SHAPE(FILE_CLOSE, .socket_kind = ANAROS_KIND_NET_CLOSE),
    [SORT_SYNC] = SHAPE(FILE_SYNC, .file = FIRST),
    [SORT_SYNC_RANGE] = SHAPE(FILE_SYNC, .file = FIRST, .size = THIRD),
    [SORT_SYNC_MEMORY] = SHAPE(FILE_SYNC, .address = FIRST, .size = SECOND),
    [SORT_MAP] =
	SHAPE(FILE_MMAP, .file = FIFTH, .address = RESULT, .size = SECOND, .way = WAY_FILE),
    [SORT_SENDFILE] = SHAPE(FILE_SENDFILE, .file = SECOND, .other = FIRST, .size = RESULT,
			    .way = WAY_SENT | WAY_COUNTED),
    [SORT_SPLICE] =
	SHAPE(FILE_SENDFILE, .file = FIRST, .other = THIRD, .size = RESULT, .way = WAY_SENT),
    [SORT_COPY] = SHAPE(FILE_COPY, .file = FIRST, .other = THIRD, .size = RESULT, .way = WAY_SENT),
    [SORT_SOCKET] =
	SHAPE(NET_SOCKET, .file = RESULT, .address = SECOND, .size = FIRST, .way = WAY_MADE),
    [SORT_BIND] = SHAPE(NET_BIND, .file = FIRST),
    [SORT_LISTEN] = SHAPE(NET_LISTEN, .file = FIRST, .size = SECOND),
    [SORT_CONNECT] = SHAPE(NET_CONNECT, .file = FIRST),
    [SORT_ACCEPT] = SHAPE(NET_ACCEPT, .file = RESULT, .other = FIRST, .way = WAY_MADE),
    [SORT_SHUTDOWN] = SHAPE(NET_SHUTDOWN, .file = FIRST, .size = SECOND),
    [SORT_EPOLL] = SHAPE(POLL_WAIT, .way = WAY_MADE),
    [SORT_POLL] = SHAPE(POLL_WAIT, .way = WAY_MADE),
};

const volatile u8 sorts[CALLS_MAX] = {
    [__NR_read] = SORT_READ,
    [__NR_pread64] = SORT_READ,
    [__NR_readv] = SORT_READ_MANY,
    [__NR_preadv] = SORT_READ_MANY,
    [__NR_preadv2] = SORT_READ_MANY,
    [__NR_write] = SORT_WRITE,
    [__NR_pwrite64] = SORT_WRITE,
    [__NR_writev] = SORT_WRITE_MANY,
    [__NR_pwritev] = SORT_WRITE_MANY,
    [__NR_pwritev2] = SORT_WRITE_MANY,
    [__NR_recvfrom] = SORT_RECV,
    [__NR_sendto] = SORT_SEND,
    [__NR_recvmsg] = SORT_RECV_MESSAGE,
    [__NR_sendmsg] = SORT_SEND_MESSAGE,
    [__NR_recvmmsg] = SORT_RECV_MESSAGES,
    [__NR_sendmmsg] = SORT_SEND_MESSAGES,
    [__NR_openat] = SORT_OPEN,
    [__NR_openat2] = SORT_OPEN,
    [__NR_close] = SORT_CLOSE,
    [__NR_fsync] = SORT_SYNC,
    [__NR_fdatasync] = SORT_SYNC,
    [__NR_syncfs] = SORT_SYNC,
    [__NR_sync_file_range] = SORT_SYNC_RANGE,
    [__NR_msync] = SORT_SYNC_MEMORY,
    [__NR_mmap] = SORT_MAP,
    [__NR_sendfile] = SORT_SENDFILE,
    [__NR_splice] = SORT_SPLICE,
    [__NR_copy_file_range] = SORT_COPY,
    [__NR_socket] = SORT_SOCKET,
    [__NR_bind] = SORT_BIND,
    [__NR_listen] = SORT_LISTEN,
    [__NR_connect] = SORT_CONNECT,
    [__NR_accept] = SORT_ACCEPT,
    [__NR_accept4] = SORT_ACCEPT,
    [__NR_shutdown] = SORT_SHUTDOWN,
    [__NR_epoll_pwait] = SORT_EPOLL,
    [__NR_epoll_pwait2] = SORT_EPOLL,
    [__NR_ppoll] = SORT_POLL,
    [__NR_pselect6] = SORT_POLL,
    [__NR_io_submit] = SORT_AIO_SUBMIT,
    [__NR_io_getevents] = SORT_AIO_REAP,
    [__NR_io_pgetevents] = SORT_AIO_REAP,
#ifdef __NR_open
    [__NR_open] = SORT_OPEN,
    [__NR_creat] = SORT_OPEN,
    [__NR_epoll_wait] = SORT_EPOLL,
    [__NR_poll] = SORT_POLL,
    [__NR_select] = SORT_POLL,
#endif
};

/* A call under way on a thread. */
struct call {
	u64 start_ns; /* 0: none */
	u64 object;   /* of what it closes */
	u32 number;
	u32 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} calls SEC(".maps");

/* When the probes came: a call that was under way then is told from there on. */
u64 attached_ns SEC(".data.calls") = 0;
/* Calls of 32-bit programs, which have numbers of their own. */
u64 compat_calls SEC(".data.compat") = 0;

/* Whether only the calls of processes without the shim are told; the loader says so. */
const volatile bool bare_only SEC(".rodata.bare") = false;

/* Of a thread that is marked: does nobody else tell of its calls? */
static __always_inline bool is_followed(struct task_struct *task)
{
	u32 pid = task->tgid;
	u8 *member;

	if (!bare_only)
		return anaros_task(task);
	member = bpf_map_lookup_elem(&tree, &pid);
	return member && *member & ANAROS_BARE;
}

static __always_inline bool is_compat(struct task_struct *task)
{
	const struct task_struct *looked = anaros_look(task);

	return bpf_core_field_exists(looked->thread_info.status) &&
	       looked->thread_info.status & TS_COMPAT;
}

SEC("tp_btf/sys_enter")
int call_enter(u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct pt_regs *regs = (void *)ctx[0];
	u64 number = ctx[1];
	struct anaros_file file;
	struct call *call;

	if (!anaros_marked(task))
		return 0;
	if (is_compat(task)) {
		if (is_followed(task))
			__sync_fetch_and_add(&compat_calls, 1);
		return 0;
	}
	if (number >= CALLS_MAX || !sorts[number] || !is_followed(task))
		return 0;
	call = bpf_task_storage_get(&calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		anaros_count(ANAROS_PROBE_CALLS, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	call->number = number;
	call->object = 0;
	call->flags = 0;
	if (sorts[number] == SORT_CLOSE) {
		anaros_file_of(task, CALL_1(regs), &file);
		call->object = file.object;
		call->flags = file.flags;
	}
	call->start_ns = bpf_ktime_get_ns();
	if (sorts[number] == SORT_AIO_SUBMIT)
		anaros_aio_submit(task, CALL_3(regs), CALL_2(regs), call->start_ns);
	return 0;
}

struct values;

/* One finished call on its way to its record. */
struct done {
	struct task_struct *task;
	const struct pt_regs *regs;
	u64 start_ns;
	u64 now_ns;
	s64 result;
	struct values *values;
};

static __always_inline s32 error_of(s64 result)
{
	if (result >= 0)
		return 0;
	return result <= -RESTART_FIRST && result >= -RESTART_LAST ? -EINTR : result;
}

/* The values of `enum source`: looked up, for the verifier follows every branch. */
struct values {
	u64 of[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct values);
} values SEC(".maps");

static __always_inline u64 value_of(const struct done *done, u8 source)
{
	return done->values->of[source & 7];
}

static __always_inline struct values *values_of(const struct done *done)
{
	u32 zero = 0;
	struct values *values_now = bpf_map_lookup_elem(&values, &zero);

	if (!values_now)
		return NULL;
	values_now->of[NONE] = 0;
	values_now->of[FIRST] = CALL_1(done->regs);
	values_now->of[SECOND] = CALL_2(done->regs);
	values_now->of[THIRD] = CALL_3(done->regs);
	values_now->of[FOURTH] = CALL_4(done->regs);
	values_now->of[FIFTH] = CALL_5(done->regs);
	values_now->of[RESULT] = done->result > 0 ? done->result : 0;
	return values_now;
}

/* A descriptor, which is 0 or above also where it is the result. */
static __always_inline s32 descriptor_of(const struct done *done, u8 source)
{
	if (source == NONE)
		return -1;
	return source == RESULT ? done->result : (s64)value_of(done, source);
}

/* The first buffer stands for the vector. */
static __always_inline u64 buffer_of(u64 address, u8 way)
{
	u64 base = 0;

	if (way & WAY_MESSAGE) {
		bpf_probe_read_user(&base, sizeof(base), (void *)(address + 16)); /* msg_iov */
		address = base;
		way = WAY_VECTOR;
	}
	if (way & WAY_VECTOR) {
		base = 0;
		if (address)
			bpf_probe_read_user(&base, sizeof(base), (void *)address); /* iov_base */
		return base;
	}
	return address;
}

struct messages {
	u64 at;
	u64 bytes;
};

/* struct mmsghdr: 56 bytes of header, then how long it was. */
static long add_message(u32 place, struct messages *messages)
{
	u32 length = 0;

	bpf_probe_read_user(&length, sizeof(length), (void *)(messages->at + 64ull * place + 56));
	messages->bytes += length;
	return 0;
}

static __always_inline u64 bytes_of(u64 at, s64 count)
{
	struct messages messages = {.at = at};

	if (count > 0)
		bpf_loop(count < MESSAGES_MAX ? count : MESSAGES_MAX, add_message, &messages, 0);
	return messages.bytes;
}

static __always_inline bool is_socket(u16 flags)
{
	return (flags & ANAROS_FLAG_FD_TYPE_MASK) == ANAROS_FD_SOCKET;
}

static __always_inline struct anaros_record *begin(const struct done *done, u16 kind,
						   const struct anaros_file *file)
{
	struct anaros_record *record = anaros_reserve(ANAROS_PROBE_CALLS, kind);

	if (!record)
		return NULL;
	record->start_ns = done->start_ns;
	record->duration_ns = done->now_ns - done->start_ns;
	record->pid = done->task->tgid;
	record->tid = done->task->pid;
	record->flags |= file->flags;
	record->object = file->object;
	record->status = error_of(done->result);
	return record;
}

/* What a copy inside the kernel brought to a socket. */
static __always_inline void sent(const struct done *done, const struct anaros_file *file)
{
	struct anaros_record *record;

	anaros_name_file(file, done->now_ns, done->task->tgid);
	record = begin(done, ANAROS_KIND_NET_SEND, file);
	if (!record)
		return;
	record->size_bytes = done->result > 0 ? done->result : 0;
	anaros_submit(record);
}

static __always_inline void finish(const struct done *done, u8 sort, struct anaros_file *file)
{
	const volatile struct shape *shape = &shapes[sort & (SHAPES - 1)];
	struct anaros_file other = {};
	struct anaros_record *record;
	u64 address, size;
	u8 way = shape->way;
	u16 kind = shape->kind;

	if (way & WAY_FILE && (CALL_4(done->regs) & MAP_ANONYMOUS || (s32)CALL_5(done->regs) < 0))
		return;
	if (shape->file) {
		anaros_file_of(done->task, descriptor_of(done, shape->file), file);
		anaros_name_file(file, done->now_ns, done->task->tgid);
	}
	address = value_of(done, shape->address);
	size = value_of(done, shape->size);
	if (way & WAY_MESSAGES)
		size = bytes_of(address, done->result);
	address = buffer_of(address, way);
	if (way & WAY_FILE && done->result < 0 && done->result > -4096)
		size = 0;
	if (shape->other) {
		anaros_file_of(done->task, descriptor_of(done, shape->other), &other);
		address = other.object;
	}
	if (shape->socket_kind && is_socket(file->flags))
		kind = shape->socket_kind;
	if (way & WAY_COUNTED && kind != ANAROS_KIND_FILE_READ && kind != ANAROS_KIND_FILE_WRITE)
		file->flags |= ANAROS_FLAG_ACCOUNTED;
	record = begin(done, kind, file);
	if (record) {
		record->address = address;
		record->size_bytes = size;
		if (sort == SORT_EPOLL)
			record->object = CALL_1(done->regs);
		if (way & WAY_MADE && done->result >= 0)
			record->status = done->result;
		if (value_of(done, shape->peek) & MSG_PEEK)
			record->flags |= ANAROS_FLAG_PEEK;
		anaros_submit(record);
	}
	if (way & WAY_SENT && is_socket(other.flags))
		sent(done, &other);
}

SEC("tp_btf/sys_exit")
int call_exit(u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct done done = {.task = task, .regs = (void *)ctx[0], .result = ctx[1]};
	u64 number = CALL_NUMBER(done.regs);
	struct anaros_file file = {};
	struct call *call;
	u8 sort;

	if (!anaros_marked(task) || number >= CALLS_MAX)
		return 0;
	sort = sorts[number];
	if (!sort || !is_followed(task) || is_compat(task))
		return 0;
	done.now_ns = bpf_ktime_get_ns();
	if (sort == SORT_AIO_REAP) {
		anaros_aio_reaped(task, CALL_4(done.regs), done.result, done.now_ns);
		return 0;
	}
	done.start_ns = attached_ns;
	call = bpf_task_storage_get(&calls, task, NULL, 0);
	/*
	 * What began before was not watched all the time. But of a thread that was
	 * seen to begin others, a call whose beginning the kernel left out (it runs
	 * us once a CPU, whoever else comes by meanwhile) has just begun.
	 */
	if (call && attached_ns && (!call->start_ns || call->number != number))
		done.start_ns = done.now_ns;
	if (call && call->start_ns && call->start_ns >= attached_ns && call->number == number) {
		done.start_ns = call->start_ns;
		call->start_ns = 0;
		file.object = call->object;
		file.flags = call->flags;
	} else if (sort == SORT_CLOSE) {
		return 0; /* of what, nobody can tell any more */
	}
	if (sort == SORT_AIO_SUBMIT) {
		anaros_aio_submitted(task, CALL_3(done.regs), CALL_2(done.regs), done.result);
		return 0;
	}
	/* 0: the loader has not finished, nobody knows since when it was watched. */
	done.values = values_of(&done);
	if (done.start_ns && done.values)
		finish(&done, sort, &file);
	return 0;
}

/*
 * A socket has no cookie until it is asked for, and only who was handed the
 * socket by the kernel itself may ask: here, within the call, before it returns.
 */
static __always_inline int give_cookie(u64 *ctx)
{
	struct sock *socket = (void *)ctx[0];

	if (anaros_marked(bpf_get_current_task_btf()) &&
	    !anaros_look_as(struct sock, socket)->__sk_common.skc_cookie.counter)
		bpf_get_socket_cookie(socket);
	return 0;
}

SEC("tp_btf/sock_send_length")
int cookie_send(u64 *ctx)
{
	return give_cookie(ctx);
}

SEC("tp_btf/sock_recv_length")
int cookie_recv(u64 *ctx)
{
	return give_cookie(ctx);
}

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};

/* Run once at the start: the sockets that the target has open already are its own. */
SEC("iter/task_file")
int seed_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket_owner owner = {.told = ~0u}; /* nothing yet, not even that it moved nothing */
	struct socket *socket;
	struct sock *held;

	if (!task || !file || !anaros_task(task))
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	held = socket->sk;
	if (!held)
		return 0;
	owner.pid = task->tgid;
	bpf_get_socket_cookie(held);
	bpf_sk_storage_get(&sockets, held, &owner, BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}
