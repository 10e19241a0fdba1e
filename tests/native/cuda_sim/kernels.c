/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in kernels: small, deterministic, easy to check from a test. */
#include <string.h>

#include "queue.h"

#define ARG(type, index) (*(type const *)args[index])

static void noop(const struct sim_grid *grid, void *const *args)
{
	(void)grid;
	(void)args;
}

static void vector_add(const struct sim_grid *grid, void *const *args)
{
	const float *a = (const float *)ARG(uint64_t, 0);
	const float *b = (const float *)ARG(uint64_t, 1);
	float *sum = (float *)ARG(uint64_t, 2);
	uint64_t threads = sim_grid_threads(grid), n = ARG(uint32_t, 3);

	for (uint64_t i = 0; i < n && i < threads; i++)
		sum[i] = a[i] + b[i];
}

static void saxpy(const struct sim_grid *grid, void *const *args)
{
	float factor = ARG(float, 0);
	const float *x = (const float *)ARG(uint64_t, 1);
	float *y = (float *)ARG(uint64_t, 2);
	uint64_t threads = sim_grid_threads(grid), n = ARG(uint32_t, 3);

	for (uint64_t i = 0; i < n && i < threads; i++)
		y[i] += factor * x[i];
}

/* c = a b, square, row-major, one thread for each element of c. */
static void matmul(const struct sim_grid *grid, void *const *args)
{
	const float *a = (const float *)ARG(uint64_t, 0);
	const float *b = (const float *)ARG(uint64_t, 1);
	float *c = (float *)ARG(uint64_t, 2);
	uint64_t n = ARG(uint32_t, 3);

	(void)grid;
	memset(c, 0, n * n * sizeof(*c));
	for (uint64_t row = 0; row < n; row++)
		for (uint64_t k = 0; k < n; k++)
			for (uint64_t column = 0; column < n; column++)
				c[row * n + column] += a[row * n + k] * b[k * n + column];
}

static uint64_t matmul_operations(const struct sim_grid *grid, void *const *args)
{
	uint64_t n = ARG(uint32_t, 3);

	(void)grid;
	return 2 * n * n * n;
}

/* Keeps the device busy for as many operations as it is told. */
static uint64_t busy_operations(const struct sim_grid *grid, void *const *args)
{
	(void)grid;
	return ARG(uint64_t, 0);
}

static const struct sim_kernel builtins[] = {
    {"noop", noop, NULL, 0, {0}},
    {"vector_add", vector_add, NULL, 4, {8, 8, 8, 4}},
    {"saxpy", saxpy, NULL, 4, {4, 8, 8, 4}},
    {"matmul", matmul, matmul_operations, 4, {8, 8, 8, 4}},
    {"busy", noop, busy_operations, 1, {8}},
};

const struct sim_kernel *sim_builtin(const char *name)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
		if (strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

const struct sim_kernel *sim_builtin_at(size_t index)
{
	return index < sizeof(builtins) / sizeof(builtins[0]) ? &builtins[index] : NULL;
}
