// SPDX-License-Identifier: Apache-2.0
/* A library that was linked with Level Zero: it calls by name. */
#include <stddef.h>
#include <stdint.h>

int zeInit(uint32_t flags);
int zeCommandListCreateImmediate(void *context, void *device, const void *desc, void **list);
int zeCommandListAppendMemoryCopy(void *list, void *dst, const void *src, size_t size, void *event,
				  uint32_t count, void **waits);
int zeCommandListHostSynchronize(void *list, uint64_t timeout);
int zeCommandListDestroy(void *list);
int direct_copy(void *dst, const void *src, size_t size);

int direct_copy(void *dst, const void *src, size_t size)
{
	static const uint64_t described[5]; /* by nothing but zeros */
	void *list;
	int result = zeInit(0);

	result = result != 0 ? result : zeCommandListCreateImmediate(NULL, NULL, described, &list);
	result = result != 0 ? result
			     : zeCommandListAppendMemoryCopy(list, dst, src, size, NULL, 0, NULL);
	result = result != 0 ? result : zeCommandListHostSynchronize(list, UINT64_MAX);
	return result != 0 ? result : zeCommandListDestroy(list);
}
