/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANAROS_SEGMENT_H
#define ANAROS_SEGMENT_H

#include "native.h"

extern const uint8_t segment_widths[SEGMENT_COLUMNS];

/* Writes rows behind what is published; the caller raises the count. */
static inline void segment_put_rows(struct segment *segment, uint64_t at,
				    const struct anaros_record *record, uint32_t count)
{
	uint64_t *start_ns = (uint64_t *)segment->columns[0] + at;
	uint64_t *duration_ns = (uint64_t *)segment->columns[1] + at;
	uint32_t *pid = (uint32_t *)segment->columns[2] + at;
	uint32_t *tid = (uint32_t *)segment->columns[3] + at;
	uint16_t *kind = (uint16_t *)segment->columns[4] + at;
	uint16_t *flags = (uint16_t *)segment->columns[5] + at;
	int32_t *status = (int32_t *)segment->columns[6] + at;
	uint64_t *object = (uint64_t *)segment->columns[7] + at;
	uint64_t *size_bytes = (uint64_t *)segment->columns[8] + at;
	uint64_t *address = (uint64_t *)segment->columns[9] + at;
	uint64_t *context = (uint64_t *)segment->columns[10] + at;

	for (uint32_t i = 0; i < count; i++) {
		start_ns[i] = record[i].start_ns;
		duration_ns[i] = record[i].duration_ns;
		pid[i] = record[i].pid;
		tid[i] = record[i].tid;
		kind[i] = record[i].kind;
		flags[i] = record[i].flags;
		status[i] = record[i].status;
		object[i] = record[i].object;
		size_bytes[i] = record[i].size_bytes;
		address[i] = record[i].address;
		context[i] = record[i].context;
	}
}

/* Appends a name at *at and moves it; false: no room. */
bool segment_put_name(struct segment *segment, uint64_t *at, const struct anaros_record *record,
		      const char *text, uint32_t size);

#endif
