// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that takes Level Zero's functions from a table, or
 * was linked with it, is recorded once for each call; the loader's own table
 * stays the driver's, and no member behind the asked version is touched.
 */
#include "level_zero_test.h"

#define MEMBERS   52 /* of the newest table of command lists */
#define OF_1_0    26
#define IMMEDIATE 1
#define DESTROY   2
#define COPY      8

static void not_found(void *handle, const char *name)
{
	dlerror();
	CHECK(dlsym(handle, name) == NULL);
	CHECK(dlerror() != NULL);
}

int main(void)
{
	static const struct described_queue described;
	struct harness harness = harness_open();
	void *table[MEMBERS], *library, *direct, *list;
	int (*get)(uint32_t, void **);
	char from[64] = "bytes that are copied", to[64] = {0};

	not_found(RTLD_DEFAULT, "zeInit");
	not_found(RTLD_DEFAULT, "zeCommandListAppendMemoryCopy");
	library = ze_open();
	CHECK(lies_in(ze_symbol(library, "zeInit"), "libze_loader"));
	OK(ZE(library, zeInit, uint32_t)(0));
	*(void **)&get = ze_symbol(library, "zeGetCommandListProcAddrTable");
	for (int i = 0; i < MEMBERS; i++)
		table[i] = &table[i];
	OK(get(0x10000, table));
	CHECK(lies_in(table[COPY], "libanaros"));
	for (int i = OF_1_0; i < MEMBERS; i++)
		CHECK(table[i] == &table[i]);
	CHECK_EQUAL(get(1, table), 0x78000002);

	OK(((int (*)(void *, void *, const void *, void **))table[IMMEDIATE])(NULL, NULL,
									      &described, &list));
	OK(((ze_copy)table[COPY])(list, to, from, sizeof(from), NULL, 0, NULL));
	OK(ZE(library, zeCommandListHostSynchronize, void *, uint64_t)(list, UINT64_MAX));
	OK(((int (*)(void *))table[DESTROY])(list));
	CHECK(memcmp(from, to, sizeof(from)) == 0);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).count, 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).bytes, sim_bytes(library));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_STREAM).count, 2);

	/* A program may have both, and they are two functions. */
	OK(ZE(library, zeCommandListCreateImmediate, void *, void *, const void *,
	      void **)(NULL, NULL, &described, &list));
	OK(((ze_copy)ze_symbol(library, "zeCommandListAppendMemoryCopy"))(list, to, from, 8, NULL,
									  0, NULL));
	OK(ZE(library, zeCommandListDestroy, void *)(list));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).count, 2);

	/* By name, from a local scope; the loader goes through its own table. */
	direct = dlopen(SIM_DIRECT, RTLD_NOW | RTLD_LOCAL);
	CHECK(direct != NULL);
	memset(to, 0, sizeof(to));
	OK(((int (*)(void *, const void *, size_t))ze_symbol(direct, "direct_copy"))(to, from, 32));
	CHECK(memcmp(from, to, 32) == 0);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).count, 3);
	CHECK_EQUAL(sim_calls(library, SIM_COPY), 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).bytes, sim_bytes(library));
	CHECK_EQUAL(harness.shared->unhooked, 0);
	OK(ZE(library, zeAnarosLater, void)());
	CHECK_EQUAL(harness.shared->unhooked, 1);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
