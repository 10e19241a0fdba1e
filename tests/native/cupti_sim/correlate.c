// SPDX-License-Identifier: Apache-2.0
/* External correlation: numbers of the caller's, pushed on each thread. */
#include "cupti.h"
#include "records.h"

enum { FIRST_KIND = 1, LAST_KIND = 5, DEPTH = 64 };

static __thread struct {
	uint64_t ids[DEPTH];
	int depth;
} stacks[LAST_KIND + 1];

/* Every call has a record for each kind of which a number is pushed. */
void cupti_correlate(uint32_t correlation)
{
	if (!cupti_enabled(KIND_EXTERNAL_CORRELATION))
		return;
	for (uint32_t kind = FIRST_KIND; kind <= LAST_KIND; kind++) {
		struct cupti_external record = {KIND_EXTERNAL_CORRELATION, kind, 0, correlation, 0};

		if (stacks[kind].depth == 0)
			continue;
		record.id = stacks[kind].ids[stacks[kind].depth - 1];
		cupti_put(&record, sizeof(record));
	}
}

CUPTI_EXPORT int cuptiActivityPushExternalCorrelationId(int kind, uint64_t id);
CUPTI_EXPORT int cuptiActivityPushExternalCorrelationId(int kind, uint64_t id)
{
	if (kind < FIRST_KIND || kind > LAST_KIND || stacks[kind].depth == DEPTH)
		return CUPTI_INVALID_PARAMETER;
	stacks[kind].ids[stacks[kind].depth++] = id;
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiActivityPopExternalCorrelationId(int kind, uint64_t *last);
CUPTI_EXPORT int cuptiActivityPopExternalCorrelationId(int kind, uint64_t *last)
{
	if (kind < FIRST_KIND || kind > LAST_KIND)
		return CUPTI_INVALID_PARAMETER;
	if (stacks[kind].depth == 0)
		return CUPTI_QUEUE_EMPTY;
	stacks[kind].depth--;
	if (last != NULL)
		*last = stacks[kind].ids[stacks[kind].depth];
	return CUPTI_OK;
}
