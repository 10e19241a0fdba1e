// SPDX-License-Identifier: Apache-2.0
/*
 * All probes as one object: the loader reads the kernel's BTF once instead of
 * once for each probe, and the maps are shared without pins. Each file compiles
 * on its own as well (make check).
 */
#include "sched.bpf.c"
#include "process.bpf.c"
#include "block.bpf.c"
#include "net.bpf.c"
