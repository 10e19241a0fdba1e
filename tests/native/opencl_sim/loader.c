// SPDX-License-Identifier: Apache-2.0
/*
 * A loader: it exports every function, and calls it through the table that
 * the handle begins with (loader_jumps.c). Its one driver is libsimcl.so
 * beside it. Linked into a program it is what loaders in programs are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

static void *(*address_of)(const char *);
static cl_int (*platforms_of)(cl_uint, void **, cl_uint *);

static void open_driver(void)
{
	char path[512];
	Dl_info info;
	void *driver;

	if (platforms_of != NULL || dladdr((void *)open_driver, &info) == 0)
		return;
	snprintf(path, sizeof(path), "%.*s/libsimcl.so",
		 (int)(strrchr(info.dli_fname, '/') - info.dli_fname), info.dli_fname);
	driver = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (driver == NULL)
		return;
	*(void **)&address_of = dlsym(driver, "clGetExtensionFunctionAddress");
	*(void **)&platforms_of = address_of("clIcdGetPlatformIDsKHR");
}

CL(cl_int, clGetPlatformIDs, (cl_uint room, void **platforms, cl_uint *count))
{
	open_driver();
	return platforms_of != NULL ? platforms_of(room, platforms, count) : -1001;
}

CL(void *, clGetExtensionFunctionAddress, (const char *name))
{
	open_driver();
	return address_of != NULL ? address_of(name) : NULL;
}

/* What has its handle elsewhere than first. 4 and 41 are their places in the table. */
CL(void *, clCreateContext,
   (const intptr_t *properties, cl_uint count, struct object *const *devices, void *notify,
    void *data, cl_int *status))
{
	return ((__typeof__(&clCreateContext))devices[0]->dispatch[4])(properties, count, devices,
								       notify, data, status);
}

CL(cl_int, clWaitForEvents, (cl_uint count, struct object *const *events))
{
	if (count == 0)
		return INVALID_VALUE;
	return ((__typeof__(&clWaitForEvents))events[0]->dispatch[41])(count, events);
}
