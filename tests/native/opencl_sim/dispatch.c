// SPDX-License-Identifier: Apache-2.0
/* What a program gets by address: the table of each handle, and functions by name. */
#include <stddef.h>
#include <string.h>

#include "opencl/dispatch.h"

/* No prototypes here: addresses only. What is not simulated is NULL. */
#define DECLARED(name, version) extern int name(void) __attribute__((weak));
ANAROS_OPENCL_DISPATCH(DECLARED)

extern void *const sim_dispatch[];
void *const sim_dispatch[] = {
#define ENTRY(name, version) (void *)name,
    ANAROS_OPENCL_DISPATCH(ENTRY)};

#define EXTENSIONS(EXTENSION)                                                                      \
	EXTENSION(clIcdGetPlatformIDsKHR)                                                          \
	EXTENSION(clCreateCommandQueueWithPropertiesKHR)                                           \
	EXTENSION(clHostMemAllocINTEL)                                                             \
	EXTENSION(clDeviceMemAllocINTEL)                                                           \
	EXTENSION(clSharedMemAllocINTEL)                                                           \
	EXTENSION(clMemFreeINTEL)                                                                  \
	EXTENSION(clMemBlockingFreeINTEL)                                                          \
	EXTENSION(clEnqueueMemcpyINTEL)                                                            \
	EXTENSION(clEnqueueMemFillINTEL)                                                           \
	EXTENSION(clEnqueueMigrateMemINTEL)                                                        \
	EXTENSION(clSetKernelArgMemPointerINTEL)                                                   \
	EXTENSION(clCreateSemaphoreWithPropertiesKHR)                                              \
	EXTENSION(clEnqueueWaitSemaphoresKHR)                                                      \
	EXTENSION(clEnqueueSignalSemaphoresKHR)                                                    \
	EXTENSION(clCreateCommandBufferKHR)                                                        \
	EXTENSION(clFinalizeCommandBufferKHR)                                                      \
	EXTENSION(clReleaseCommandBufferKHR)                                                       \
	EXTENSION(clCommandNDRangeKernelKHR)                                                       \
	EXTENSION(clCommandCopyBufferKHR)                                                          \
	EXTENSION(clEnqueueCommandBufferKHR)                                                       \
	EXTENSION(clFutureSIM)

#define EXTENSION_DECLARED(name) extern int name(void);
EXTENSIONS(EXTENSION_DECLARED)

static const struct {
	const char *name;
	void *function;
} extensions[] = {
#define NAMED(name)                {#name, (void *)name},
#define NAMED_ENTRY(name, version) {#name, (void *)name},
    EXTENSIONS(NAMED) ANAROS_OPENCL_DISPATCH(NAMED_ENTRY)};

void *sim_function(const char *name);
void *sim_function(const char *name)
{
	for (size_t i = 0; i < sizeof(extensions) / sizeof(*extensions); i++)
		if (strcmp(extensions[i].name, name) == 0)
			return extensions[i].function;
	return NULL;
}
