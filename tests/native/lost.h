// SPDX-License-Identifier: Apache-2.0
/*
 * For programs that lose their device: what each call answers, with the shim
 * and without it, and in how many records of a kind the loss is.
 */
#ifndef ANAROS_TEST_LOST_H
#define ANAROS_TEST_LOST_H

#include "harness.h"

#define ANSWERS 24

struct answers {
	unsigned int count;
	int of[ANSWERS];
	char bytes[64]; /* that came back from the device */
};

static inline void answer(struct answers *answers, int result)
{
	CHECK(answers->count < ANSWERS);
	answers->of[answers->count++] = result;
}

/* Works with the shim and without it, and compares; in the run without it this is the end. */
static inline struct answers lost_answers(int argc, struct answers (*work)(void),
					  struct harness *harness)
{
	struct answers with, without;

	if (argc == 1)
		*harness = harness_open();
	with = work();
	if (argc > 1)
		exit(harness_answer(&with, sizeof(with)));
	harness_bare(&without, sizeof(without));
	CHECK(memcmp(&with, &without, sizeof(with)) == 0);
	return with;
}

struct lost {
	uint16_t kind;
	int status;
	uint64_t lost, fine;
};

static inline void lost_look(const struct anaros_record *record, void *context)
{
	struct lost *lost = context;

	if (record->kind != lost->kind || record->pid != (uint32_t)getpid())
		return;
	lost->lost += record->status == lost->status;
	lost->fine += record->status == 0;
}

/* So many records of a kind are of calls that were fine, and so many of some that were not. */
static inline void lost_seen(const struct harness *harness, int status, uint16_t kind,
			     uint64_t fine, uint64_t gone)
{
	struct lost lost = {.kind = kind, .status = status};

	harness_each(harness, lost_look, &lost);
	CHECK_EQUAL(lost.fine, fine);
	CHECK_EQUAL(lost.lost, gone);
}

#endif
