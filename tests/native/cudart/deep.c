// SPDX-License-Identifier: Apache-2.0
/* A library that is linked with the driver and opened with RTLD_DEEPBIND. */
#include <dlfcn.h>
#include <stdint.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

int cuMemAlloc_v2(uint64_t *pointer, size_t bytes);
int cuDriverGetVersion(int *version);

EXPORT int deep_alloc(size_t bytes);
EXPORT long deep_read(int fd, void *buffer, size_t bytes);
EXPORT void *deep_symbol(void *handle, const char *name);

int deep_alloc(size_t bytes)
{
	uint64_t pointer;
	int version;

	cuDriverGetVersion(&version);
	return cuMemAlloc_v2(&pointer, bytes);
}

long deep_read(int fd, void *buffer, size_t bytes)
{
	return read(fd, buffer, bytes);
}

void *deep_symbol(void *handle, const char *name)
{
	return dlsym(handle, name);
}

/* What it brings itself is what the flag is for. */
EXPORT long write(int fd, const void *buffer, size_t bytes);
long write(int fd, const void *buffer, size_t bytes)
{
	return 4711;
}

EXPORT long deep_write(int fd);
long deep_write(int fd)
{
	return write(fd, "", 1);
}
