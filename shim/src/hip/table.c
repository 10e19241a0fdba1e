// SPDX-License-Identifier: Apache-2.0
/* Which wrapper stands for which HIP function. */
#include "hip/hip.h"

void *anaros_hip_next[ANAROS_HIP_COUNT];
void *anaros_hip_found[ANAROS_HIP_COUNT];

#define NOTHING(reason, name)

/* Addresses only: the prototypes are where the wrappers are. */
#define DECLARED(name) extern int anaros_found_##name(void) __attribute__((visibility("hidden")));
ANAROS_HIP(DECLARED, NOTHING)

static int (*const wrappers[ANAROS_HIP_COUNT])(void) = {
#define WRAPPER_OF(name) anaros_found_##name,
    ANAROS_HIP(WRAPPER_OF, NOTHING)};

static const struct {
#define TEXT(name)                char name_##name[sizeof(#name)];
#define PASSED_TEXT(reason, name) TEXT(name)
	ANAROS_HIP(TEXT, PASSED_TEXT)
} names = {
#define WORD(name)                #name,
#define PASSED_WORD(reason, name) WORD(name)
    ANAROS_HIP(WORD, PASSED_WORD)};

static const uint16_t offsets[] = {
#define OFFSET(name)                offsetof(__typeof__(names), name_##name),
#define PASSED_OFFSET(reason, name) OFFSET(name)
    ANAROS_HIP(OFFSET, PASSED_OFFSET)};

static const uint16_t hooks[] = {
#define HOOKED(name)         ANAROS_HIP_##name,
#define PASSED(reason, name) ANAROS_HIP_COUNT,
    ANAROS_HIP(HOOKED, PASSED)};

_Static_assert(sizeof(names) <= UINT16_MAX, "offsets of 16 bits");

const struct anaros_family anaros_hip = {
    .names = (const char *)&names,
    .offsets = offsets,
    .hooks = hooks,
    .count = sizeof(hooks) / sizeof(*hooks),
    .hook_count = ANAROS_HIP_COUNT,
    .next = anaros_hip_next,
    .found = anaros_hip_found,
    .wrappers = wrappers,
    .mark = {"hipInit", "hipRuntimeGetVersion"},
};
