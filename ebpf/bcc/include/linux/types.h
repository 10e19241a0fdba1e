/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BCC takes from the kernel's headers, as far as this front needs it: it
 * reads no structure of the kernel, so it needs no headers of the running one.
 */
#ifndef ANAROS_BCC_TYPES_H
#define ANAROS_BCC_TYPES_H

typedef unsigned char u8, __u8;
typedef unsigned short u16, __u16, __le16, __be16, __sum16;
typedef unsigned int u32, __u32, __le32, __be32, __wsum;
typedef unsigned long long u64, __u64, __le64, __be64;
typedef signed char s8, __s8;
typedef short s16, __s16;
typedef int s32, __s32;
typedef long long s64, __s64;
typedef unsigned long size_t, uintptr_t;
typedef _Bool bool;

/* In the fields of tracepoints. */
typedef int pid_t;
typedef u32 dev_t;
typedef u64 sector_t;

#define __aligned_u64   u64 __attribute__((aligned(8)))
#define __always_inline inline __attribute__((always_inline))
#define true 1
#define false 0
#define NULL ((void *)0)

#endif
