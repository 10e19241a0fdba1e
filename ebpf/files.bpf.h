/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a descriptor stands for, and what it is called: as the shim has it
 * (shim/src/libc/fds.c), but read from the kernel's own structures.
 */
#ifndef ANAROS_EBPF_FILES_H
#define ANAROS_EBPF_FILES_H

#include "addresses.bpf.h"

#define ANAROS_DEVICE_MINOR_BITS 20
#define ANAROS_PATH_PARTS        48
#define ANAROS_PART_MAX          256
#define ANAROS_ANONYMOUS_MAGIC   0x09041934 /* eventfd, epoll, timerfd share one inode */

#define S_IFSOCK 0140000
#define S_IFREG  0100000
#define S_IFBLK  0060000
#define S_IFDIR  0040000
#define S_IFCHR  0020000
#define S_IFIFO  0010000

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
	struct dentry *s_root;
} ANAROS_KERNEL_TYPE;

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
} ANAROS_KERNEL_TYPE;

struct qstr {
	const unsigned char *name;
} ANAROS_KERNEL_TYPE;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} ANAROS_KERNEL_TYPE;

struct vfsmount {
	struct dentry *mnt_root;
} ANAROS_KERNEL_TYPE;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} ANAROS_KERNEL_TYPE;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} ANAROS_KERNEL_TYPE;

struct file {
	struct inode *f_inode;
	struct path f_path;
	void *private_data;
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

struct socket {
	short type;
	struct sock *sk;
} ANAROS_KERNEL_TYPE;

struct sockaddr_un {
	unsigned short sun_family;
} ANAROS_KERNEL_TYPE;

struct unix_address {
	int len;
	struct sockaddr_un name[];
} ANAROS_KERNEL_TYPE;

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} ANAROS_KERNEL_TYPE;

/* What a descriptor is. */
struct anaros_file {
	struct file *file;
	u64 object;
	u16 flags; /* enum anaros_fd_type | ANAROS_FLAG_LISTENER */
};

/* Which objects have been told by name. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u8);
} named_objects SEC(".maps");

/*
 * The way from a file up to the root of its mounts, and down again. What counts
 * the steps lies here: on the stack the verifier would follow its every value.
 */
struct anaros_way_up {
	u32 count;
	u32 length;
	u64 parts[ANAROS_PATH_PARTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct anaros_way_up);
} ways_up SEC(".maps");

/*
 * A field of a structure that nobody vouches for. A read-only cast makes it one
 * load, where the helper takes a call each; before 6.2 there is only the helper.
 */
#define ANAROS_PEEK(type, pointer, field)                                                          \
	({                                                                                         \
		typeof(((type *)0)->field) value_;                                                 \
		if (bpf_rdonly_cast)                                                               \
			value_ = ((const type *)bpf_rdonly_cast(pointer,                           \
								bpf_core_type_id_kernel(type)))    \
				     ->field;                                                      \
		else                                                                               \
			value_ = BPF_CORE_READ((type *)(pointer), field);                          \
		value_;                                                                            \
	})

/* The same number as stat() gives it: 20 bits of minor in the kernel, 8 and 12 there. */
static __always_inline u64 anaros_device_of(u32 raw)
{
	u64 minor = raw & ((1u << ANAROS_DEVICE_MINOR_BITS) - 1);

	return (minor & 0xff) | (u64)(raw >> ANAROS_DEVICE_MINOR_BITS) << 8 |
	       (minor & ~0xffull) << 12;
}

static __always_inline u64 anaros_inode_object(struct inode *inode)
{
	struct super_block *holder = ANAROS_PEEK(struct inode, inode, i_sb);
	u64 device = anaros_device_of(ANAROS_PEEK(struct super_block, holder, s_dev));

	return ((device ^ device >> 16 ^ device >> 32) & 0xffff) << 48 |
	       (ANAROS_PEEK(struct inode, inode, i_ino) & 0xffffffffffffull);
}

static __always_inline struct file *anaros_file_at(struct task_struct *task, s32 fd)
{
	struct files_struct *holder;
	struct fdtable *table;
	struct file **files;
	struct file *file = NULL;

	if (fd < 0)
		return NULL;
	holder = ANAROS_PEEK(struct task_struct___files, task, files);
	table = ANAROS_PEEK(struct files_struct, holder, fdt);
	files = ANAROS_PEEK(struct fdtable, table, fd);
	if ((u32)fd >= ANAROS_PEEK(struct fdtable, table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd))
		return NULL;
	return file;
}

/* By the four bits of the mode: a table, for the verifier follows every branch. */
const volatile u8 anaros_types[16] = {
    [0] = ANAROS_FD_ANONYMOUS,
    [S_IFIFO >> 12] = ANAROS_FD_PIPE,
    [S_IFCHR >> 12] = ANAROS_FD_CHARACTER,
    [S_IFDIR >> 12] = ANAROS_FD_DIRECTORY,
    [S_IFBLK >> 12] = ANAROS_FD_BLOCK,
    [S_IFREG >> 12] = ANAROS_FD_REGULAR,
    [S_IFSOCK >> 12] = ANAROS_FD_SOCKET,
};

/* 0 where nobody has asked for the cookie yet. */
static __always_inline u64 anaros_cookie_of(struct sock *socket)
{
	return BPF_CORE_READ(socket, __sk_common.skc_cookie.counter);
}

static __always_inline void anaros_file_of(struct task_struct *task, s32 fd,
					   struct anaros_file *found)
{
	struct file *file = anaros_file_at(task, fd);
	struct sock___addresses *socket;
	struct inode *inode;
	unsigned short mode;

	found->file = file;
	found->object = 0;
	found->flags = ANAROS_FD_UNKNOWN;
	if (!file)
		return;
	inode = ANAROS_PEEK(struct file, file, f_inode);
	mode = ANAROS_PEEK(struct inode, inode, i_mode);
	if (mode >> 12 == S_IFSOCK >> 12) {
		struct socket *holder = ANAROS_PEEK(struct file, file, private_data);

		socket = (void *)ANAROS_PEEK(struct socket, holder, sk);
		found->flags = ANAROS_FD_SOCKET;
		found->object = anaros_cookie_of((void *)socket);
		if (BPF_CORE_READ(socket, __sk_common.skc_state) == TCP_LISTEN)
			found->flags |= ANAROS_FLAG_LISTENER;
		return;
	}
	/* Since 6.16 the inode that all of these share looks like a file's from inside. */
	if (BPF_CORE_READ(inode, i_sb, s_magic) == ANAROS_ANONYMOUS_MAGIC)
		mode = 0;
	found->flags = anaros_types[(mode >> 12) & 15];
	found->object = found->flags == ANAROS_FD_ANONYMOUS
			    ? 1ull << 63 | (u64)task->tgid << 24 | ((u64)fd & 0xffffff)
			    : anaros_inode_object(inode);
}

/* On the way from a file up to the root of its mount namespace. */
struct anaros_climb {
	struct anaros_way_up *way;
	struct mount *mount;
	struct dentry *root;
	struct dentry *at;
};

static long anaros_climb_one(u32 step, struct anaros_climb *climb)
{
	struct dentry *at = climb->at, *parent;
	struct mount *mount = climb->mount, *above;
	struct anaros_way_up *way = climb->way;
	u32 count = way->count;

	if (at == climb->root) {
		above = BPF_CORE_READ(mount, mnt_parent);
		if (above == mount || !above)
			return 1;
		climb->at = BPF_CORE_READ(mount, mnt_mountpoint);
		climb->mount = above;
		climb->root = BPF_CORE_READ(above, mnt.mnt_root);
		return 0;
	}
	parent = BPF_CORE_READ(at, d_parent);
	if (parent == at || !parent || count >= ANAROS_PATH_PARTS)
		return 1;
	way->parts[count] = (u64)BPF_CORE_READ(at, d_name.name);
	way->count = count + 1;
	climb->at = parent;
	return 0;
}

/* On the way down again, putting the parts together. */
struct anaros_descent {
	struct anaros_way_up *way;
	struct anaros_text *text;
};

static long anaros_descend_one(u32 step, struct anaros_descent *descent)
{
	struct anaros_way_up *way = descent->way;
	u32 place = way->count - 1 - step, at = way->length;
	long length;

	if (place >= ANAROS_PATH_PARTS || at >= ANAROS_TEXT_MAX - ANAROS_PART_MAX - 2)
		return 1;
	descent->text->text[at] = '/';
	length = bpf_probe_read_kernel_str(descent->text->text + at + 1, ANAROS_PART_MAX,
					   (void *)way->parts[place]);
	if (length < 1 || length > ANAROS_PART_MAX)
		return 1;
	way->length = at + length; /* the end of the part is no part of the path */
	return 0;
}

/* The path as the mount namespace of the file has it; its length. */
static __always_inline u64 anaros_spell_path(struct file *file, struct anaros_text *text)
{
	struct vfsmount *inner = BPF_CORE_READ(file, f_path.mnt);
	struct anaros_climb climb = {.at = BPF_CORE_READ(file, f_path.dentry)};
	struct anaros_descent descent = {.text = text};
	struct anaros_way_up *way;
	u32 zero = 0;

	way = bpf_map_lookup_elem(&ways_up, &zero);
	if (!way)
		return 0;
	way->count = 0;
	way->length = 0;
	climb.way = way;
	climb.mount = (void *)inner - bpf_core_field_offset(struct mount, mnt);
	climb.root = BPF_CORE_READ(inner, mnt_root);
	bpf_loop(2 * ANAROS_PATH_PARTS, anaros_climb_one, &climb, 0);
	descent.way = way;
	bpf_loop(ANAROS_PATH_PARTS, anaros_descend_one, &descent, 0);
	return way->length;
}

static __always_inline void anaros_spell_unix(struct unix_sock *socket, u8 *to, u32 *size)
{
	struct unix_address *address = BPF_CORE_READ(socket, addr);
	u32 length;

	*size = 2;
	*(u16 *)to = AF_UNIX;
	if (!address)
		return;
	length = BPF_CORE_READ(address, len);
	*size = length < 28 ? length : 28;
	bpf_probe_read_kernel(to, 28, __builtin_preserve_access_index(&address->name[0]));
}

static __always_inline u64 anaros_spell_socket(struct file *file, struct anaros_text *text)
{
	struct anaros_socket_name *name = (void *)text->text;
	struct socket *holder = BPF_CORE_READ(file, private_data);
	struct sock *socket = BPF_CORE_READ(holder, sk), *peer;
	struct sock___addresses *inet = (void *)socket;
	u16 family = BPF_CORE_READ(inet, __sk_common.skc_family);

	__builtin_memset(name, 0, sizeof(*name));
	name->type = BPF_CORE_READ(holder, type);
	if (family == AF_INET || family == AF_INET6) {
		anaros_spell_inet(inet, family, name);
	} else if (family == AF_UNIX) {
		anaros_spell_unix((void *)socket, name->local, &name->local_size);
		peer = BPF_CORE_READ((struct unix_sock *)socket, peer);
		if (peer)
			anaros_spell_unix((void *)peer, name->peer, &name->peer_size);
	} else {
		*(u16 *)name->local = family;
		name->local_size = 2;
	}
	return sizeof(*name);
}

/*
 * Tells the path or the addresses once. Global, so that it is verified once and
 * not for each of its callers.
 */
__noinline int anaros_tell_name(u64 at, u64 object, u32 is_socket, u64 now, u32 pid)
{
	struct file *file = (struct file *)at;
	struct anaros_text *text = anaros_name(ANAROS_PROBE_CALLS);
	u64 length;
	u8 one = 1;

	if (!text)
		return 0;
	bpf_map_update_elem(&named_objects, &object, &one, BPF_ANY);
	length = is_socket ? anaros_spell_socket(file, text) : anaros_spell_path(file, text);
	if (length)
		anaros_ship_name(ANAROS_PROBE_CALLS, text, now, pid,
				 is_socket ? ANAROS_NAME_SOCKET : ANAROS_NAME_FILE, object, length);
	return 0;
}

static __always_inline void anaros_name_file(const struct anaros_file *found, u64 now, u32 pid)
{
	u32 type = found->flags & ANAROS_FLAG_FD_TYPE_MASK;
	u64 object = found->object;

	if (object && type != ANAROS_FD_PIPE && type != ANAROS_FD_ANONYMOUS &&
	    !bpf_map_lookup_elem(&named_objects, &object))
		anaros_tell_name((u64)found->file, object, type == ANAROS_FD_SOCKET, now, pid);
}

#endif
