// SPDX-License-Identifier: Apache-2.0
/* Which wrapper stands for which Level Zero function, by its name and in a table. */
#include "level_zero/level_zero.h"
#include "level_zero/tables.h"

void *anaros_ze_next[ANAROS_ZE_COUNT];
void *anaros_ze_found[ANAROS_ZE_COUNT];
void *anaros_ze_tabled[ANAROS_ZE_COUNT];

#define NO_GETTER(name)
#define NOTHING(reason, name)

/* Addresses only: the prototypes are where the wrappers are. */
#define DECLARED(name) extern int anaros_found_##name(void) __attribute__((visibility("hidden")));
ANAROS_LEVEL_ZERO(DECLARED, DECLARED, NOTHING)

static int (*const wrappers[ANAROS_ZE_COUNT])(void) = {
#define WRAPPER_OF(name) anaros_found_##name,
    ANAROS_LEVEL_ZERO(WRAPPER_OF, WRAPPER_OF, NOTHING)};

#define TABLED(name) extern int anaros_tabled_##name(void) __attribute__((visibility("hidden")));
ANAROS_LEVEL_ZERO(TABLED, NO_GETTER, NOTHING)

static int (*const tabled_wrappers[ANAROS_ZE_COUNT])(void) = {
#define TABLED_WRAPPER(name) [ANAROS_ZE_##name] = anaros_tabled_##name,
    ANAROS_LEVEL_ZERO(TABLED_WRAPPER, NO_GETTER, NOTHING)};

static const struct {
#define TEXT(name)                char name_##name[sizeof(#name)];
#define PASSED_TEXT(reason, name) TEXT(name)
	ANAROS_LEVEL_ZERO(TEXT, TEXT, PASSED_TEXT)
} names = {
#define WORD(name)                #name,
#define PASSED_WORD(reason, name) WORD(name)
    ANAROS_LEVEL_ZERO(WORD, WORD, PASSED_WORD)};

static const uint16_t offsets[] = {
#define OFFSET(name)                offsetof(__typeof__(names), name_##name),
#define PASSED_OFFSET(reason, name) OFFSET(name)
    ANAROS_LEVEL_ZERO(OFFSET, OFFSET, PASSED_OFFSET)};

static const uint16_t hooks[] = {
#define HOOKED(name)         ANAROS_ZE_##name,
#define PASSED(reason, name) ANAROS_ZE_COUNT,
    ANAROS_LEVEL_ZERO(HOOKED, HOOKED, PASSED)};

_Static_assert(sizeof(names) <= UINT16_MAX, "offsets of 16 bits");

const struct anaros_family anaros_level_zero = {
    .names = (const char *)&names,
    .offsets = offsets,
    .hooks = hooks,
    .count = sizeof(hooks) / sizeof(*hooks),
    .hook_count = ANAROS_ZE_COUNT,
    .next = anaros_ze_next,
    .found = anaros_ze_found,
    .wrappers = wrappers,
    .mark = {"zeInit", "zelLoaderGetVersions"},
};

static const struct anaros_family tabled = {
    .names = (const char *)&names,
    .offsets = offsets,
    .hooks = hooks,
    .count = sizeof(hooks) / sizeof(*hooks),
    .hook_count = ANAROS_ZE_COUNT,
    .next = anaros_ze_next,
    .found = anaros_ze_tabled,
    .wrappers = tabled_wrappers,
    .mark = {"zeInit", "zelLoaderGetVersions"},
};

/* The fields of tables, and since which version they are there. */
static const struct field {
	uint32_t version;
	uint16_t getter;
	uint16_t index;
	uint16_t name;
} fields[] = {
#define FIELD(getter, index, name, major, minor)                                                   \
	{(major) << 16 | (minor), ANAROS_ZE_##getter, index,                                       \
	 offsetof(__typeof__(names), name_##name)},
    ANAROS_LEVEL_ZERO_FIELDS(FIELD)};

void anaros_ze_exchange(int result, unsigned int getter, const char *name, uint32_t version,
			void **table, const void *caller)
{
	if (result != ZE_SUCCESS || table == NULL ||
	    anaros_device_exports(caller, "zeGetGlobalProcAddrTable"))
		return;
	/* What a later one holds behind, or another major version anywhere, is not known. */
	if (version > ANAROS_LEVEL_ZERO_KNOWN)
		anaros_cuda_pass(name, ANAROS_WAY_RESOLVER, (int)version, NULL);
	if (version >> 16 != ANAROS_LEVEL_ZERO_KNOWN >> 16)
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const struct field *field = &fields[i];

		/* The program's table may end before a field that came later. */
		if (field->getter == getter && field->version <= version)
			table[field->index] = anaros_device_exchange(
			    &tabled, (const char *)&names + field->name, NULL, table[field->index]);
	}
}

void *anaros_ze_exchange_one(const char *name, void *function)
{
	return anaros_device_exchange(&tabled, name, NULL, function);
}
