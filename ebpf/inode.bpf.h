/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a page, a mapping or an open file to the number that the shim gives to
 * the same file (shim/src/libc/fds.c).
 */
#ifndef ANAROS_EBPF_INODE_H
#define ANAROS_EBPF_INODE_H

#include "common.bpf.h"

#define ANAROS_INODE_MINOR_BITS 20
#define ANAROS_MODE_SHIFT       12
#define ANAROS_MODE_REGULAR     010
#define ANAROS_MODE_BLOCK       006
#define ANAROS_MODE_SOCKET      014

struct super_block___seen {
	u32 s_dev;
} ANAROS_KERNEL_TYPE;

struct inode___seen {
	unsigned short i_mode;
	struct super_block___seen *i_sb;
	unsigned long i_ino;
} ANAROS_KERNEL_TYPE;

struct address_space___seen {
	struct inode___seen *host;
} ANAROS_KERNEL_TYPE;

/* Of the file system and the number in it; 0 for what is no file, as a disk's own blocks. */
static __always_inline u64 anaros_inode_number(const struct inode___seen *inode)
{
	u64 device, minor;
	u32 raw;

	if (inode->i_mode >> ANAROS_MODE_SHIFT != ANAROS_MODE_REGULAR)
		return 0;
	raw = inode->i_sb->s_dev;
	minor = raw & ((1u << ANAROS_INODE_MINOR_BITS) - 1);
	device =
	    (minor & 0xff) | (u64)(raw >> ANAROS_INODE_MINOR_BITS) << 8 | (minor & ~0xffull) << 12;
	return ((device ^ device >> 16 ^ device >> 32) & 0xffff) << 48 |
	       (inode->i_ino & 0xffffffffffffull);
}

#endif
