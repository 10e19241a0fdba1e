/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions whether work is done. A loop that asks until it is done is told
 * no again and again. Of one thread's noes about one object two are records:
 * the first, and the last, which is written with the time when it was asked
 * as soon as it is known to be the last. So it is proven of all the time
 * between them that the work was not done.
 */
#ifndef ANAROS_QUESTION_H
#define ANAROS_QUESTION_H

#include "core/shim.h"

#define ANAROS_ASKED      32u
#define ANAROS_ASKED_BITS 5

/* What a thread was told no about. */
struct anaros_asked {
	uint64_t object;  /* 0: none */
	uint64_t last_ns; /* when it was asked last, which no record tells yet; 0: never */
};

/* Of each thread its own: one that asks has nothing to do with another that does. */
extern __thread struct anaros_asked anaros_asked[ANAROS_ASKED]
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
/* How many of them stand for something. */
extern __thread uint32_t anaros_asked_used
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* question.c */
void anaros_question_begins(struct anaros_asked *asked, uint64_t object, int32_t status);
void anaros_question_ends(struct anaros_asked *asked);
void anaros_questions_end(void) COLD;
/* In a child of fork: they were the parent's. */
void anaros_questions_forget(void) COLD;

static inline struct anaros_asked *anaros_asked_of(uint64_t object)
{
	return &anaros_asked[(object * 0x9e3779b97f4a7c15ull) >> (64 - ANAROS_ASKED_BITS)];
}

/* Whether an answer is to be a record now. */
static inline bool anaros_answer_is_news(const struct anaros_call *call, uint64_t object,
					 int32_t status, bool not_yet)
{
	struct anaros_asked *asked = anaros_asked_of(object);

	if (not_yet && likely(asked->object == object)) {
		asked->last_ns = call->start_ns;
		return false;
	}
	if (not_yet)
		anaros_question_begins(asked, object, status);
	else if (asked->object == object)
		anaros_question_ends(asked);
	return true;
}

/* From here on the object stands for other work: an event is recorded anew. */
static inline void anaros_question_over(uint64_t object)
{
	struct anaros_asked *asked = anaros_asked_of(object);

	if (unlikely(asked->object == object))
		anaros_question_ends(asked);
}

/* The thread has waited: mostly for what it had asked about. */
static inline void anaros_questions_over(void)
{
	if (unlikely(anaros_asked_used != 0))
		anaros_questions_end();
}

#endif
