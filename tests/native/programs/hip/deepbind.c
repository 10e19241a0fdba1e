// SPDX-License-Identifier: Apache-2.0
/*
 * Description: libraries that were linked with HIP or Level Zero and are
 * opened with RTLD_DEEPBIND are recorded like any other.
 */
#include "hip_test.h"

#define N         1024u
#define ZE_DIRECT "level_zero_sim/build/direct.so"

static struct harness harness;

static void *deep(const char *path, int how)
{
	void *library = dlopen(path, how | RTLD_LOCAL | RTLD_DEEPBIND);

	if (library == NULL)
		harness_skip("the libraries are not built");
	return library;
}

static void hip(void)
{
	void *direct = deep(SIM_DIRECT, RTLD_LAZY);
	static float a[N], b[N], sum[N];

	for (uint32_t i = 0; i < N; i++)
		b[i] = a[i] = (float)i;
	OK(((int (*)(const float *, const float *, float *, unsigned int))hip_symbol(
	    direct, "direct"))(a, b, sum, N));
	for (uint32_t i = 0; i < N; i++)
		CHECK(sum[i] == a[i] + b[i]);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_ALLOC).count, 3);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_H2D).bytes, 2 * sizeof(a));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY_D2H).bytes, sizeof(sum));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_LAUNCH).count, 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_FREE).count, 3);
}

static void level_zero(void)
{
	void *direct = deep(ZE_DIRECT, RTLD_NOW);
	char from[64] = "bytes", to[64];

	OK(((int (*)(void *, const void *, size_t))hip_symbol(direct, "direct_copy"))(to, from,
										      sizeof(to)));
	CHECK(memcmp(from, to, sizeof(to)) == 0);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).count, 1);
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_COPY).bytes, sizeof(to));
	CHECK_EQUAL(records(&harness, ANAROS_KIND_GPU_STREAM).count, 2);
}

int main(void)
{
	harness = harness_open();
	hip();
	level_zero();
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
