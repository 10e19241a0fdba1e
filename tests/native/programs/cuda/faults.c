// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a device that runs out of memory, a kernel that goes astray and
 * a device that is lost: the program gets the driver's results, sticky ones
 * stay, and each record has the result of its call.
 */
#include "cuda_test.h"

#define OUT_OF_MEMORY   2
#define ILLEGAL_ADDRESS 700
#define UNAVAILABLE     46
#define ASK             64

static struct harness harness;
static void *driver;

struct results {
	uint16_t kind;
	int32_t status; /* of those that are counted */
	uint64_t count, other;
	uint64_t object; /* of the last */
};

static void see(const struct anaros_record *record, void *context)
{
	struct results *results = context;

	if (record->kind != results->kind || record->pid != (uint32_t)getpid())
		return;
	if (record->status == results->status) {
		results->count++;
		results->object = record->object;
	} else {
		results->other++;
	}
}

static struct results with_status(uint16_t kind, int32_t status)
{
	struct results results = {.kind = kind, .status = status};

	harness_each(&harness, see, &results);
	return results;
}

static void faults(const char *text)
{
	OK(CUDA(driver, anaros_sim_faults, const char *)(text));
}

static void *kernel;

static void start(void)
{
	driver = cuda_open();
	cuda_start(driver);
	kernel = cuda_kernel(driver, "noop");
}

static int launch(void)
{
	return ((cu_launch)cuda_symbol(driver, "cuLaunchKernel"))(kernel, 1, 1, 1, 1, 1, 1, 0, NULL,
								  NULL, NULL);
}

/* Every sort of allocation fails once and goes well after that. */
static int no_memory(void)
{
	uint64_t pointer = 4711, handle, properties[8] = {1};
	int (*const alloc)(uint64_t *, size_t) = CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t);
	int (*const host)(void **, size_t, unsigned int) =
	    CUDA(driver, cuMemHostAlloc, void **, size_t, unsigned int);
	int (*const ordered)(uint64_t *, size_t, void *) =
	    CUDA(driver, cuMemAllocAsync, uint64_t *, size_t, void *);
	int (*const managed)(uint64_t *, size_t, unsigned int) =
	    CUDA(driver, cuMemAllocManaged, uint64_t *, size_t, unsigned int);
	int (*const physical)(uint64_t *, size_t, void *, uint64_t) =
	    CUDA(driver, cuMemCreate, uint64_t *, size_t, void *, uint64_t);
	struct results failed;
	void *memory;

	faults("alloc@1+=2");
	CHECK_EQUAL(alloc(&pointer, ASK), OUT_OF_MEMORY);
	CHECK_EQUAL(pointer, 4711);
	CHECK_EQUAL(host(&memory, ASK, 0), OUT_OF_MEMORY);
	CHECK_EQUAL(ordered(&pointer, ASK, NULL), OUT_OF_MEMORY);
	CHECK_EQUAL(managed(&pointer, ASK, 1), OUT_OF_MEMORY);
	CHECK_EQUAL(physical(&handle, ASK, properties, 0), OUT_OF_MEMORY);
	failed = with_status(ANAROS_KIND_GPU_ALLOC, OUT_OF_MEMORY);
	CHECK_EQUAL(failed.count, 5);
	CHECK_EQUAL(failed.other, 0);
	/* What the program left there is no address of memory. */
	CHECK_EQUAL(failed.object, 0);
	faults("");
	OK(alloc(&pointer, ASK));
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_ALLOC, 0).object, pointer);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_ALLOC, 0).count, 1);
	OK(CUDA(driver, cuMemFree_v2, uint64_t)(pointer));
	return 0;
}

/* The launch goes well, and what comes after it has the kernel's error for ever. */
static int astray(void)
{
	uint64_t pointer;
	char byte = 0;

	OK(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer, ASK));
	faults("kernel@2=700");
	OK(launch());
	OK(launch());
	CHECK_EQUAL(CUDA(driver, cuCtxSynchronize, void)(), ILLEGAL_ADDRESS);
	for (int i = 0; i < 3; i++) {
		CHECK_EQUAL(launch(), ILLEGAL_ADDRESS);
		CHECK_EQUAL(CUDA(driver, cuMemcpyHtoD_v2, uint64_t, const void *, size_t)(pointer,
											  &byte, 1),
			    ILLEGAL_ADDRESS);
		CHECK_EQUAL(CUDA(driver, cuStreamSynchronize, void *)(NULL), ILLEGAL_ADDRESS);
	}
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_LAUNCH, ILLEGAL_ADDRESS).count, 3);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_LAUNCH, ILLEGAL_ADDRESS).other, 2);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_COPY_H2D, ILLEGAL_ADDRESS).count, 3);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_COPY_H2D, 0).count, 0);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_SYNC, ILLEGAL_ADDRESS).count, 4);
	return 0;
}

/* Whatever is asked of the device fails, and a new context is refused. */
static int lost(void)
{
	uint64_t pointer;
	void *context;

	faults("kernel@1=46");
	OK(launch());
	CHECK_EQUAL(CUDA(driver, cuCtxSynchronize, void)(), UNAVAILABLE);
	CHECK_EQUAL(launch(), UNAVAILABLE);
	CHECK_EQUAL(CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&pointer, ASK), UNAVAILABLE);
	CHECK_EQUAL(CUDA(driver, cuCtxCreate_v2, void **, unsigned int, int)(&context, 0, 0),
		    UNAVAILABLE);
	CHECK_EQUAL(CUDA(driver, cuDevicePrimaryCtxRetain, void **, int)(&context, 0), UNAVAILABLE);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_ALLOC, UNAVAILABLE).count, 1);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_ALLOC, 0).count, 0);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_CONTEXT, UNAVAILABLE).count, 2);
	CHECK_EQUAL(with_status(ANAROS_KIND_GPU_CONTEXT, UNAVAILABLE).object, 0);
	return 0;
}

int main(void)
{
	static int (*const cases[])(void) = {no_memory, astray, lost};

	harness = harness_open();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		pid_t pid = fork();

		if (pid == 0) {
			start();
			_exit(cases[i]());
		}
		CHECK_EQUAL(harness_wait(pid), 0);
	}
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
