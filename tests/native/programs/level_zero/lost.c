// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that loses its device gets from each call what it
 * gets without the shim, each result is in the record of its call, and what
 * needs no device goes on.
 */
#include "level_zero_test.h"
#include "lost.h"

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
	memcpy(answers.bytes, memory, sizeof(float));
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

static void seen(const struct harness *harness, uint16_t kind, uint64_t fine, uint64_t gone)
{
	lost_seen(harness, ZE_DEVICE_LOST, kind, fine, gone);
}

int main(int argc, char **argv)
{
	struct harness harness;
	struct answers with = lost_answers(argc, work, &harness);

	(void)argv;
	CHECK(memcmp(with.bytes, &(float){3}, sizeof(float)) == 0);
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
