// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what a host function of a list does is recorded, although Level
 * Zero calls it while a wait is recorded; of more functions than the shim can
 * stand for, each is called all the same.
 */
#include "level_zero_test.h"

#define MANY 100

static struct harness harness;
static void *library;
static int called;

static uint64_t count(uint16_t kind)
{
	return records(&harness, kind).count;
}

static void asks(void *data)
{
	void *memory = NULL;

	CHECK(data == &called);
	called++;
	OK(ze_alloc(library, 64, &memory));
	OK(ZE(library, zeMemFree, void *, void *)(NULL, memory));
}

static int append(void *list, void *function, void *data)
{
	return ZE(library, zeCommandListAppendHostFunction, void *, void *, void *, const void *,
		  void *, uint32_t, void **)(list, function, data, NULL, NULL, 0, NULL);
}

/* Functions that differ in nothing but where they are, as closures do. */
static void many(void *list)
{
	static const unsigned char increments[] = {
#if defined(__x86_64__)
		0xff,
		0x07,
		0xc3, /* incl (%rdi); ret */
#else
		0x01,
		0x00,
		0x40,
		0xb9,
		0x21,
		0x04,
		0x00,
		0x11, /* ldr w1, [x0]; add w1, w1, #1 */
		0x01,
		0x00,
		0x00,
		0xb9,
		0xc0,
		0x03,
		0x5f,
		0xd6, /* str w1, [x0]; ret */
#endif
	};
	char *code =
	    mmap(NULL, 32 * MANY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int counter = 0;

	CHECK(code != MAP_FAILED);
	for (int i = 0; i < MANY; i++)
		memcpy(code + 32 * i, increments, sizeof(increments));
	CHECK_EQUAL(mprotect(code, 32 * MANY, PROT_READ | PROT_EXEC), 0);
	__builtin___clear_cache(code, code + 32 * MANY);
	for (int i = 0; i < MANY; i++)
		OK(append(list, code + 32 * i, &counter));
	OK(ze_wait(library, list));
	CHECK_EQUAL(counter, MANY);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_HOST_CALL).last.address,
		    (uintptr_t)(code + 32 * (MANY - 1)));
}

int main(void)
{
	void *list;

	harness = harness_open();
	library = ze_open();
	OK(ZE(library, zeInit, uint32_t)(0));
	list = ze_list(library);
	for (int i = 0; i < 3; i++)
		OK(append(list, (void *)asks, &called));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_HOST_CALL).last.address, (uintptr_t)asks);
	CHECK_EQUAL(called, 0);
	OK(ze_wait(library, list));
	CHECK_EQUAL(called, 3);
	CHECK_EQUAL(count(ANAROS_KIND_GPU_ALLOC), 3);
	CHECK_EQUAL(count(ANAROS_KIND_GPU_FREE), 3);
	CHECK_EQUAL(count(ANAROS_KIND_GPU_SYNC), 1);
	many(list);
	CHECK_EQUAL(count(ANAROS_KIND_GPU_HOST_CALL), 3 + MANY);
	CHECK_EQUAL(harness.shared->device_calls_beneath, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
