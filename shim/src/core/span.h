/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses are memory of a device, for families where a copy does not
 * tell its direction: every other address is the host's.
 */
#ifndef ANAROS_SPAN_H
#define ANAROS_SPAN_H

#include "core/shim.h"

enum anaros_place {
	ANAROS_PLACE_HOST,
	ANAROS_PLACE_DEVICE,
	ANAROS_PLACE_MANAGED, /* on either side, or on both */
	ANAROS_PLACE_UNKNOWN, /* there were more spans than the map holds */
};

/* Memory lies there from now on; 0 bytes: it is not known how much. */
void anaros_span_made(uint64_t start, uint64_t bytes, enum anaros_place place) COLD;
/*
 * The spans that begin there are gone. `start_ns` is when the call that freed
 * them began: what was made since is another's.
 */
void anaros_span_gone(uint64_t start, uint64_t bytes, uint64_t start_ns) COLD;
enum anaros_place anaros_span_of(uint64_t address);

struct anaros_span_way {
	uint16_t kind;
	uint64_t address; /* the host side, else the destination */
};
/* The kind of a copy, by where its sides lie. */
struct anaros_span_way anaros_span_way_of(uint64_t dst, uint64_t src);

#endif
