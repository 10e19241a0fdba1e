// SPDX-License-Identifier: Apache-2.0
/*
 * A driver that does nothing, but has every function of the real one: it
 * notes which was called and with what, and answers as it was told. Each
 * takes more words than any needs; what was not passed is not looked at.
 * Only the resolver works.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cuda/abi.h"
#include "echo.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT struct echo_seen echo_seen;
EXPORT int echo_answer;

/* Functions of a driver that is newer than this table, and of one ABI that is. */
EXPORT int cuFromTheFuture(void);
int cuFromTheFuture(void)
{
	return 42;
}

static int newer_abi(void)
{
	return 43;
}

#define ANAROS_CUDA_ROW(base, symbol, version, per_thread) ECHO_##symbol,
enum { ANAROS_CUDA_ABI(ANAROS_CUDA_ROW) ROWS };
#undef ANAROS_CUDA_ROW

#define WORDS(word)                                                                                \
	word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7), word(8), word(9),  \
	    word(10), word(11)
#define PARAMETER(i) uint64_t a##i
#define ARGUMENT(i)  a##i

static int see(int row, const uint64_t *words);

#define ANAROS_CUDA_ROW(base, symbol, version, per_thread)                                         \
	EXPORT int echo_##symbol(WORDS(PARAMETER)) __asm__(#symbol);                               \
	int echo_##symbol(WORDS(PARAMETER))                                                        \
	{                                                                                          \
		return see(ECHO_##symbol, (uint64_t[]){WORDS(ARGUMENT)});                          \
	}
ANAROS_CUDA_ABI(ANAROS_CUDA_ROW)
#undef ANAROS_CUDA_ROW

static const struct {
	const char *base, *symbol;
	void *function;
	int version;
	int per_thread;
} rows[ROWS] = {
#define ANAROS_CUDA_ROW(base, symbol, version, per_thread)                                         \
	{#base, #symbol, (void *)(uintptr_t)echo_##symbol, version, per_thread},
    ANAROS_CUDA_ABI(ANAROS_CUDA_ROW)
#undef ANAROS_CUDA_ROW
};

enum { NOT_FOUND = 1, TOO_OLD = 2, PER_THREAD = 2, INVALID = 1, NEWEST = 13050 };

/* The newest ABI that the caller knows; its own sort of stream first. */
static int resolve(const char *name, void **function, int version, uint64_t flags, int *status)
{
	int best = -1, known = 0, low = 0, high = ROWS;

	if (name == NULL || name[0] == '\0' || function == NULL)
		return INVALID;
	while (low < high) {
		int middle = (low + high) / 2;

		if (strcmp(rows[middle].base, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (int i = low; i < ROWS && strcmp(rows[i].base, name) == 0; i++) {
		known = 1;
		if (rows[i].version <= version && rows[i].per_thread <= (flags == PER_THREAD) &&
		    (best < 0 || rows[i].per_thread >= rows[best].per_thread))
			best = i;
	}
	*function = best >= 0 ? rows[best].function : NULL;
	if (strcmp(name, "cuFromTheFuture") == 0)
		*function = (void *)(uintptr_t)cuFromTheFuture;
	else if (known && version > NEWEST)
		*function = (void *)(uintptr_t)newer_abi;
	if (status != NULL)
		*status = *function != NULL ? 0 : known ? TOO_OLD : NOT_FOUND;
	return 0;
}

static int see(int row, const uint64_t *words)
{
	const char *name = (const char *)(uintptr_t)words[0];
	void **function = (void **)(uintptr_t)words[1];

	if (row == ECHO_cuGetProcAddress_v2 || row == ECHO_cuGetProcAddress_v2_ptsz)
		return resolve(name, function, (int)words[2], words[3], (int *)(uintptr_t)words[4]);
	if (row == ECHO_cuGetProcAddress || row == ECHO_cuGetProcAddress_ptsz)
		return resolve(name, function, (int)words[2], words[3], NULL);
	echo_seen.symbol = rows[row].symbol;
	memcpy(echo_seen.words, words, sizeof(echo_seen.words));
	echo_seen.calls++;
	return echo_answer;
}
