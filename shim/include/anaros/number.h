/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel plane notes of each thread in a pid namespace, for the drain. */
#ifndef ANAROS_NUMBER_H
#define ANAROS_NUMBER_H

#include "anaros/record.h"

/* As the thread's own namespace has it. */
struct anaros_number {
	anaros_u32 pid_namespace; /* inode */
	anaros_u32 tid;
};

/* As the root namespace has it. */
struct anaros_numbered {
	anaros_u32 pid;
	anaros_u32 tid;
	anaros_u64 since_ns; /* what was recorded earlier is of another thread */
};

#endif
