/* SPDX-License-Identifier: Apache-2.0 */
/* What the echo driver tells a test, under these names in the driver. */
#ifndef ECHO_H
#define ECHO_H

#include <stdint.h>

#define ECHO_WORDS 12

struct echo_seen {
	const char *symbol; /* the function that was entered last */
	uint64_t calls;     /* of all functions but the resolvers */
	uint64_t words[ECHO_WORDS];
};

#endif
