/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Level Zero loader with one driver in it. Device memory is host memory, a
 * kernel is a C function. A list holds its commands; an immediate list is
 * done with them when somebody waits for it, a regular one each time that a
 * queue executes it. The exported functions go through the driver's tables,
 * as the real loader's do.
 *
 * A child of fork that has not begun anew is told that nothing is. A device
 * can be lost on demand: then all that needs it says so, to the end.
 */
#ifndef LEVEL_ZERO_SIM_H
#define LEVEL_ZERO_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT      __attribute__((visibility("default")))
#define API_VERSION 0x10000u /* 1.0 */

enum {
	SUCCESS = 0,
	NOT_READY = 1,
	DEVICE_LOST = 0x70000001,
	UNINITIALIZED = 0x78000001,
	INVALID_NULL_HANDLE = 0x78000005,
	INVALID_ARGUMENT = 0x78000004,
	UNSUPPORTED_VERSION = 0x78000002,
	INVALID_KERNEL_NAME = 0x7800000f,
};

struct group {
	uint32_t x, y, z;
};

/* The members of the tables that the driver has, at their real places. */
struct list_table {
	int (*create)(void *context, void *device, const void *desc, void **list);
	int (*create_immediate)(void *context, void *device, const void *desc, void **list);
	int (*destroy)(void *list);
	int (*close)(void *list);
	int (*reset)(void *list);
	void *none5;
	int (*barrier)(void *list, void *signal, uint32_t count, void **waits);
	void *none7;
	int (*copy)(void *list, void *dst, const void *src, size_t size, void *signal,
		    uint32_t count, void **waits);
	int (*fill)(void *list, void *dst, const void *pattern, size_t pattern_size, size_t size,
		    void *signal, uint32_t count, void **waits);
	void *none10[8];
	int (*signal)(void *list, void *event);
	int (*wait)(void *list, uint32_t count, void **events);
	void *none20[2];
	int (*launch)(void *list, void *kernel, const struct group *groups, void *signal,
		      uint32_t count, void **waits);
	void *none23[3]; /* the end of version 1.0 */
};

extern struct list_table sim_driver_lists;

#endif
