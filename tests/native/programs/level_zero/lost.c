// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that loses its device gets from each call what it
 * gets without the shim, each result is in the record of its call, and what
 * needs no device goes on.
 */
#include "level_zero_test.h"

#define ANSWERS 20

struct answers {
	unsigned int count;
	int of[ANSWERS];
	float sum;
};

static void answer(struct answers *answers, int result)
{
	CHECK(answers->count < ANSWERS);
	answers->of[answers->count++] = result;
}

static void commands(struct answers *answers, void *library, void *list, void *kernel, void *event,
		     void *memory)
{
	float host = 3;

	answer(answers, ze_launch(library, list, kernel, NULL));
	answer(answers, ze_launch(library, list, kernel, event));
	answer(answers, ((ze_copy)ze_symbol(library, "zeCommandListAppendMemoryCopy"))(
			    list, memory, &host, sizeof(host), NULL, 0, NULL));
	answer(answers, ze_wait(library, list));
	answer(answers, ZE(library, zeEventQueryStatus, void *)(event));
	answer(answers, ZE(library, zeEventHostSynchronize, void *, uint64_t)(event, UINT64_MAX));
}

static struct answers work(void)
{
	void *library = ze_open(), *list, *kernel, *event, *memory, *more = NULL;
	struct answers answers = {0};

	OK(ZE(library, zeInit, uint32_t)(0));
	list = ze_list(library);
	kernel = ze_kernel(library);
	OK(ZE(library, zeEventCreate, void *, const void *, void **)(NULL, NULL, &event));
	OK(ze_alloc(library, 64, &memory));
	commands(&answers, library, list, kernel, event, memory);
	answers.sum = *(float *)memory;
	/* One command more, and no other. */
	sim_lose(library, 1);
	answer(&answers, ze_launch(library, list, kernel, NULL));
	commands(&answers, library, list, kernel, event, memory);
	answer(&answers, ze_alloc(library, 64, &more));
	answer(&answers, ZE(library, zeMemFree, void *, void *)(NULL, memory));
	answer(&answers, ZE(library, zeCommandListDestroy, void *)(list));
	answer(&answers, more != NULL);
	return answers;
}

struct lost {
	uint16_t kind;
	uint64_t lost, fine;
};

static void look(const struct anaros_record *record, void *context)
{
	struct lost *lost = context;

	if (record->kind != lost->kind || record->pid != (uint32_t)getpid())
		return;
	lost->lost += record->status == ZE_DEVICE_LOST;
	lost->fine += record->status == 0;
}

static void seen(const struct harness *harness, uint16_t kind, uint64_t fine, uint64_t gone)
{
	struct lost lost = {.kind = kind};

	harness_each(harness, look, &lost);
	CHECK_EQUAL(lost.fine, fine);
	CHECK_EQUAL(lost.lost, gone);
}

int main(int argc, char **argv)
{
	struct answers with, without;
	struct harness harness;

	(void)argv;
	if (argc == 1)
		harness = harness_open();
	with = work();
	if (argc > 1)
		return harness_answer(&with, sizeof(with));
	harness_bare(&without, sizeof(without));
	CHECK(memcmp(&with, &without, sizeof(with)) == 0);
	CHECK_EQUAL(with.sum, 3);
	CHECK_EQUAL(with.of[6], 0);
	CHECK_EQUAL(with.of[7], ZE_DEVICE_LOST);
	seen(&harness, ANAROS_KIND_GPU_LAUNCH, 3, 2);
	seen(&harness, ANAROS_KIND_GPU_EVENT, 1, 1);
	seen(&harness, ANAROS_KIND_GPU_COPY_H2D, 1, 1);
	seen(&harness, ANAROS_KIND_GPU_SYNC, 2, 2);
	seen(&harness, ANAROS_KIND_GPU_QUERY, 1, 1);
	seen(&harness, ANAROS_KIND_GPU_ALLOC, 1, 1);
	seen(&harness, ANAROS_KIND_GPU_FREE, 1, 0);
	seen(&harness, ANAROS_KIND_GPU_STREAM, 2, 0);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
