/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked for: functions of each family, and one that is always there. */
#ifndef SCOPE_H
#define SCOPE_H

#include <stddef.h>

#define SCOPE_NAMES(name)                                                                          \
	name(cuInit) name(cuLaunchKernel) name(cudaMemcpy) name(clGetPlatformIDs) name(clFinish)   \
	    name(hipInit) name(hipMalloc) name(zeInit) name(zeCommandListAppendLaunchKernel)       \
		name(sendfile)
#define SCOPE_COUNT 10u

/* One bit for each that is there, and again for those in a table of addresses. */
unsigned int scope_weak(void);
int scope_malloc(void **pointer, size_t bytes);
void *scope_symbol(void *handle, const char *name);

#endif
