// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of functions that the loader fills for whoever asks. The loader
 * asks its drivers and layers in the same way: what it gets stays as it is,
 * because its own functions, which are wrapped, lead there.
 */
#include "level_zero/level_zero.h"
#include "level_zero/tables.h"

#define TABLE_DECLARED(name)                                                                       \
	EXPORT int name(uint32_t version, void **table);                                           \
	int anaros_found_##name(uint32_t version, void **table);
ANAROS_LEVEL_ZERO_GETTERS(TABLE_DECLARED)

#define GETTER_ENTRY(entry, name, real_function)                                                   \
	int entry(uint32_t version, void **table)                                                  \
	{                                                                                          \
		int (*real)(uint32_t, void **) = (__typeof__(real))(real_function);                \
		int result;                                                                        \
                                                                                                   \
		if (unlikely(real == NULL))                                                        \
			return ZE_UNINITIALIZED;                                                   \
		result = real(version, table);                                                     \
		anaros_ze_exchange(result, ANAROS_ZE_##name, version, table,                       \
				   __builtin_return_address(0));                                   \
		return result;                                                                     \
	}
#define GETTER(name)                                                                               \
	GETTER_ENTRY(name, name, anaros_ze_real_next(ANAROS_ZE_##name))                            \
	GETTER_ENTRY(anaros_found_##name, name, anaros_ze_real_found(ANAROS_ZE_##name))

ANAROS_LEVEL_ZERO_GETTERS(GETTER)
