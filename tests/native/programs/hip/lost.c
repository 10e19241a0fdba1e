// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that loses its device gets from each HIP call what it
 * gets without the shim, each result is in the record of its call, and what
 * needs no device goes on.
 */
#include "hip_test.h"
#include "lost.h"

#define DEVICE_LOST 719

static void work_on(struct answers *answers, void *library, void *kernel, void *event, void *memory)
{
	char host[64] = "bytes that are copied";

	answer(answers, hip_launch(library, kernel, 1, 1, NULL, NULL));
	answer(answers, HIP(library, hipMemcpyAsync, void *, const void *, size_t, int,
			    void *)(memory, host, sizeof(host), H2D, NULL));
	answer(answers, HIP(library, hipEventRecord, void *, void *)(event, NULL));
	answer(answers, HIP(library, hipEventQuery, void *)(event));
	answer(answers, HIP(library, hipStreamSynchronize, void *)(NULL));
	answer(answers, HIP(library, hipMemcpy, void *, const void *, size_t,
			    int)(answers->bytes, memory, sizeof(host), D2H));
	answer(answers, HIP(library, hipEventSynchronize, void *)(event));
	answer(answers, HIP(library, hipDeviceSynchronize, void)());
}

static struct answers work(void)
{
	void *library = hip_open(), *kernel = hip_kernel(library, "noop"), *event, *memory;
	void *more = NULL;
	struct answers answers = {0};

	OK(HIP(library, hipEventCreate, void **)(&event));
	OK(HIP(library, hipMalloc, void **, size_t)(&memory, 64));
	work_on(&answers, library, kernel, event, memory);
	/* One operation more, and no other. */
	sim_lose(library, 1);
	answer(&answers, hip_launch(library, kernel, 1, 1, NULL, NULL));
	work_on(&answers, library, kernel, event, memory);
	answer(&answers, HIP(library, hipMalloc, void **, size_t)(&more, 64));
	answer(&answers, HIP(library, hipFree, void *)(memory));
	answer(&answers, more != NULL);
	return answers;
}

static void seen(const struct harness *harness, uint16_t kind, uint64_t fine, uint64_t gone)
{
	lost_seen(harness, DEVICE_LOST, kind, fine, gone);
}

int main(int argc, char **argv)
{
	struct harness harness;
	struct answers with = lost_answers(argc, work, &harness);

	(void)argv;
	CHECK(strcmp(with.bytes, "bytes that are copied") == 0);
	seen(&harness, ANAROS_KIND_GPU_LAUNCH, 2, 1);
	seen(&harness, ANAROS_KIND_GPU_COPY_H2D, 1, 1);
	seen(&harness, ANAROS_KIND_GPU_COPY_D2H, 1, 1);
	seen(&harness, ANAROS_KIND_GPU_EVENT, 1, 1);
	seen(&harness, ANAROS_KIND_GPU_QUERY, 0, 1);
	seen(&harness, ANAROS_KIND_GPU_SYNC, 3, 3);
	seen(&harness, ANAROS_KIND_GPU_ALLOC, 1, 1);
	seen(&harness, ANAROS_KIND_GPU_FREE, 1, 0);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
