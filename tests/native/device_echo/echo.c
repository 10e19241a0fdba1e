// SPDX-License-Identifier: Apache-2.0
/*
 * A HIP runtime, or a Level Zero loader, that does nothing, but has every
 * function of the real one: it notes which was called and with what, and
 * answers as it was told. Each takes more words than any needs; what was not
 * passed is not looked at. Only what gives functions works.
 */
#include <stddef.h>
#include <string.h>

#ifdef ECHO_HIP
#include "hip/abi.h"
#define ECHO_ABI ANAROS_HIP_ABI
#else
#include "level_zero/abi.h"
#include "level_zero/tables.h"
#define ECHO_ABI ANAROS_ZE_ABI
#endif
#include "echo.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT struct echo_seen echo_seen;
EXPORT int echo_answer;

#define ECHO_ROW(name) ECHO_##name,
enum { ECHO_ABI(ECHO_ROW) ROWS };
#undef ECHO_ROW

#define WORDS(word)                                                                                \
	word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7), word(8), word(9),  \
	    word(10), word(11), word(12), word(13), word(14), word(15)
#define PARAMETER(i) uint64_t a##i
#define ARGUMENT(i)  a##i

static int see(int row, const uint64_t *words);

#define ECHO_ROW(name)                                                                             \
	EXPORT int echo_##name(WORDS(PARAMETER)) __asm__(#name);                                   \
	int echo_##name(WORDS(PARAMETER))                                                          \
	{                                                                                          \
		return see(ECHO_##name, (uint64_t[]){WORDS(ARGUMENT)});                            \
	}
ECHO_ABI(ECHO_ROW)
#undef ECHO_ROW

static const struct {
	const char *name;
	void *function;
} rows[ROWS] = {
#define ECHO_ROW(name) {#name, (void *)(uintptr_t)echo_##name},
    ECHO_ABI(ECHO_ROW)
#undef ECHO_ROW
};

#ifdef ECHO_HIP

enum { NOT_FOUND = 500 };

static int gives(int row, const uint64_t *words)
{
	const char *name = (const char *)(uintptr_t)words[0];
	void **function = (void **)(uintptr_t)words[1];

	if (row != ECHO_hipGetProcAddress && row != ECHO_hipGetDriverEntryPoint &&
	    row != ECHO_hipGetDriverEntryPoint_spt)
		return -1;
	for (int i = 0; i < ROWS; i++)
		if (strcmp(rows[i].name, name) == 0) {
			*function = rows[i].function;
			return 0;
		}
	*function = NULL;
	return NOT_FOUND;
}

#else

/* The mark of a loader. */
EXPORT int zelLoaderGetVersions(void);
int zelLoaderGetVersions(void)
{
	return 0;
}

enum { UNSUPPORTED_VERSION = 0x78000002 };

/* A later version has one member more than this one has names for. */
static int newer(void)
{
	return 43;
}

static int gives(int row, const uint64_t *words)
{
	static const struct {
		int getter, index, name;
		uint32_t version;
	} fields[] = {
#define FIELD(getter, index, name, major, minor)                                                   \
	{ECHO_##getter, index, ECHO_##name, (major) << 16 | (minor)},
	    ANAROS_LEVEL_ZERO_FIELDS(FIELD)};
	uint32_t version = (uint32_t)words[0];
	void **table = (void **)(uintptr_t)words[1];
	int found = -1, last = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (fields[i].getter != row)
			continue;
		if (version < 0x10000)
			return UNSUPPORTED_VERSION;
		found = 0;
		last = fields[i].index > last ? fields[i].index : last;
		if (fields[i].version <= version)
			table[fields[i].index] = rows[fields[i].name].function;
	}
	if (found == 0 && version > ANAROS_LEVEL_ZERO_KNOWN)
		table[last + 1] = (void *)(uintptr_t)newer;
	return found;
}

#endif

static int see(int row, const uint64_t *words)
{
	int given = gives(row, words);

	if (given >= 0)
		return given;
	echo_seen.name = rows[row].name;
	memcpy(echo_seen.words, words, sizeof(echo_seen.words));
	echo_seen.calls++;
	return echo_answer;
}
