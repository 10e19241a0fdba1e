// SPDX-License-Identifier: Apache-2.0
/* cuGetProcAddress in both ABIs. */
#include <string.h>

#include "sim.h"

#define PER_THREAD_STREAM 2u

enum status { STATUS_FOUND = 0, STATUS_NOT_FOUND = 1, STATUS_VERSION_TOO_LOW = 2 };

static int (*search(const char *name, int version, bool per_thread, enum status *status))(void)
{
	int best = -1;

	*status = STATUS_NOT_FOUND;
	for (int i = 0; i < SIM_EXPORTS; i++) {
		if (strcmp(sim_exports[i].base, name) != 0 ||
		    (sim_exports[i].per_thread && !per_thread) ||
		    sim_exports[i].version > sim_version)
			continue; /* an older driver does not have it at all */
		if (sim_exports[i].version > version) {
			if (best < 0)
				*status = STATUS_VERSION_TOO_LOW;
			continue;
		}
		/* The newest that the caller knows; its own sort of stream first. */
		if (best >= 0 && (sim_exports[i].per_thread < sim_exports[best].per_thread ||
				  (sim_exports[i].per_thread == sim_exports[best].per_thread &&
				   sim_exports[i].version < sim_exports[best].version)))
			continue;
		best = i;
		*status = STATUS_FOUND;
	}
	return best >= 0 ? sim_exports[best].function : NULL;
}

static int resolve(const char *name, void **function, int version, uint64_t flags, int *status)
{
	enum status found;
	int (*result)(void);

	if (name == NULL || name[0] == '\0' || function == NULL || flags > PER_THREAD_STREAM ||
	    version > sim_version)
		return SIM_INVALID_VALUE;
	result = search(name, version, flags == PER_THREAD_STREAM, &found);
	memcpy(function, &result, sizeof(*function));
	if (status != NULL)
		*status = (int)found;
	return SIM_OK;
}

SIM_FN(cuGetProcAddress, (const char *name, void **function, int version, uint64_t flags),
       resolve(name, function, version, flags, NULL))
SIM_FN(cuGetProcAddress_v2,
       (const char *name, void **function, int version, uint64_t flags, int *status),
       resolve(name, function, version, flags, status))
