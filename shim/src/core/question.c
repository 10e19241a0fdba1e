// SPDX-License-Identifier: Apache-2.0
/* What a thread was told when it asked whether work is done: see question.h. */
#include "core/question.h"

__thread struct anaros_asked anaros_asked[ANAROS_ASKED];
__thread uint32_t anaros_asked_used;

/* The status of the noes about each of them. */
static __thread int32_t noes[ANAROS_ASKED] __attribute__((tls_model("initial-exec")));

/* Nobody looked how long that call took: a moment is a record without a duration. */
static COLD void tell(struct anaros_asked *asked)
{
	if (asked->last_ns != 0)
		anaros_record_at(asked->last_ns, asked->last_ns,
				 &(struct anaros_fields){
				     .kind = ANAROS_KIND_GPU_QUERY,
				     .status = noes[asked - anaros_asked],
				     .object = asked->object,
				 });
	asked->object = 0;
	anaros_asked_used--;
}

void anaros_question_ends(struct anaros_asked *asked)
{
	if (unlikely(asked->last_ns != 0)) {
		tell(asked);
		return;
	}
	asked->object = 0;
	anaros_asked_used--;
}

void anaros_question_begins(struct anaros_asked *asked, uint64_t object, int32_t status)
{
	if (unlikely(asked->object != 0))
		tell(asked);
	asked->object = object;
	asked->last_ns = 0;
	noes[asked - anaros_asked] = status;
	anaros_asked_used++;
}

void anaros_questions_end(void)
{
	for (unsigned int i = 0; i < ANAROS_ASKED; i++)
		if (anaros_asked[i].object != 0)
			tell(&anaros_asked[i]);
}

void anaros_questions_forget(void)
{
	for (unsigned int i = 0; i < ANAROS_ASKED; i++)
		anaros_asked[i].object = 0;
	anaros_asked_used = 0;
}
