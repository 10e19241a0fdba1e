/* SPDX-License-Identifier: Apache-2.0 */
/* Images and the functions in them. */
#ifndef ANAROS_SIM_MODULE_H
#define ANAROS_SIM_MODULE_H

#include "queue.h"

enum { SIM_FUNCTION_ATTRIBUTES = 20 };

struct sim_function {
	uint32_t magic;
	bool is_kernel; /* of a library: not bound to a context */
	_Atomic bool loaded;
	const struct sim_kernel *kernel;
	struct sim_module *module;
	struct sim_function *next;
	struct sim_function *twin; /* the function of a kernel */
	int attributes[SIM_FUNCTION_ATTRIBUTES];
	/* What the oldest way to launch sets bit by bit. */
	unsigned int block[3], shared_bytes;
	uint32_t param_bytes;
	_Alignas(8) uint8_t params[SIM_KERNEL_PARAMS * 8];
};

struct sim_module {
	uint32_t magic;
	bool is_library;
	void *object; /* NULL: the built-in kernels */
	char **names;
	size_t name_count;
	struct sim_function *functions;
	struct sim_module *next;
	struct sim_module *twin; /* the module of a library */
	pthread_mutex_t lock;
};

int sim_function_of(void *handle, struct sim_function **function);
int sim_function_get(void **handle, struct sim_module *module, const char *name, bool is_kernel);

#endif
