// SPDX-License-Identifier: Apache-2.0
/* Waits for a lock as long as its holder may only have lost its processor. */
#include <time.h>

#include "core/lock.h"
#include "core/shim.h"

#define NAPS   40
#define NAP_NS 100000

uint32_t *anaros_lock(enum anaros_lock lock)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	uint32_t *word = &anaros_process->locks[lock];

	for (int i = 0; i < NAPS; i++) {
		if (likely(anaros_lock_soon(word)))
			return word;
		SYS3(SYS_nanosleep, &nap, 0, 0);
	}
	return NULL;
}
