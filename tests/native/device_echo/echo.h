/* SPDX-License-Identifier: Apache-2.0 */
/* What an echo library tells a test, under these names in the library. */
#ifndef DEVICE_ECHO_H
#define DEVICE_ECHO_H

#include <stdint.h>

#define ECHO_WORDS 16

struct echo_seen {
	const char *name; /* the function that was entered last */
	uint64_t calls;   /* of all functions but those that give functions */
	uint64_t words[ECHO_WORDS];
};

#endif
