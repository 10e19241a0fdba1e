// SPDX-License-Identifier: Apache-2.0
/* The driver that is looked at: found where the program loaded it. */
#include <dlfcn.h>
#include <stdlib.h>

#include "cupti.h"

static void (*observe)(const struct sim_observer *);
static uint64_t (*identify)(int, const void *);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool find(void)
{
	void *driver;

	pthread_mutex_lock(&lock);
	if (observe == NULL) {
		driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
		if (driver == NULL)
			driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
		if (driver != NULL) {
			*(void **)&identify = dlsym(driver, "anaros_sim_id");
			*(void **)&observe = dlsym(driver, "anaros_sim_observe");
		}
	}
	pthread_mutex_unlock(&lock);
	return observe != NULL && identify != NULL;
}

int cupti_attach(void)
{
	if (!find())
		return CUPTI_NOT_INITIALIZED;
	observe(&cupti_observer);
	return CUPTI_OK;
}

void cupti_detach(void)
{
	if (find())
		observe(NULL);
}

uint64_t cupti_id_of(int what, const void *handle)
{
	return find() ? identify(what, handle) : 0;
}

static uint32_t version_told = 130500;

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("ANAROS_SIM_CUPTI_VERSION");

	if (text != NULL)
		version_told = (uint32_t)strtoul(text, NULL, 10);
}

uint32_t cupti_version(void)
{
	return version_told;
}

CUPTI_EXPORT int cuptiGetVersion(uint32_t *version);
CUPTI_EXPORT int cuptiGetVersion(uint32_t *version)
{
	if (version == NULL)
		return CUPTI_INVALID_PARAMETER;
	*version = cupti_version();
	return CUPTI_OK;
}

enum { ID_CONTEXT, ID_STREAM, ID_GRAPH, ID_EXEC, ID_NODE, ID_DEVICE_OF_CONTEXT };

static int small_id(int what, const void *handle, uint32_t *id)
{
	uint64_t value;

	if (id == NULL)
		return CUPTI_INVALID_PARAMETER;
	value = cupti_id_of(what, handle);
	if (value == UINT64_MAX)
		return CUPTI_INVALID_PARAMETER;
	*id = (uint32_t)value;
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiGetContextId(const void *context, uint32_t *id);
CUPTI_EXPORT int cuptiGetContextId(const void *context, uint32_t *id)
{
	return small_id(ID_CONTEXT, context, id);
}

CUPTI_EXPORT int cuptiGetDeviceId(const void *context, uint32_t *id);
CUPTI_EXPORT int cuptiGetDeviceId(const void *context, uint32_t *id)
{
	return small_id(ID_DEVICE_OF_CONTEXT, context, id);
}

CUPTI_EXPORT int cuptiGetStreamId(const void *context, const void *stream, uint32_t *id);
CUPTI_EXPORT int cuptiGetStreamId(const void *context, const void *stream, uint32_t *id)
{
	(void)context;
	return small_id(ID_STREAM, stream, id);
}

CUPTI_EXPORT int cuptiGetStreamIdEx(const void *context, const void *stream, uint8_t per_thread,
				    uint32_t *id);
CUPTI_EXPORT int cuptiGetStreamIdEx(const void *context, const void *stream, uint8_t per_thread,
				    uint32_t *id)
{
	(void)context;
	return small_id(ID_STREAM, stream == NULL && per_thread ? (void *)2 : stream, id);
}

CUPTI_EXPORT int cuptiGetGraphId(const void *graph, uint32_t *id);
CUPTI_EXPORT int cuptiGetGraphId(const void *graph, uint32_t *id)
{
	return small_id(ID_GRAPH, graph, id);
}

CUPTI_EXPORT int cuptiGetGraphExecId(const void *exec, uint32_t *id);
CUPTI_EXPORT int cuptiGetGraphExecId(const void *exec, uint32_t *id)
{
	return small_id(ID_EXEC, exec, id);
}

CUPTI_EXPORT int cuptiGetGraphNodeId(const void *node, uint64_t *id);
CUPTI_EXPORT int cuptiGetGraphNodeId(const void *node, uint64_t *id)
{
	if (id == NULL)
		return CUPTI_INVALID_PARAMETER;
	*id = cupti_id_of(ID_NODE, node);
	return *id != UINT64_MAX ? CUPTI_OK : CUPTI_INVALID_PARAMETER;
}
