// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of functions that the loader fills for whoever asks, and the
 * functions that a driver gives by name. The loader asks its drivers and
 * layers in the same way: what it gets stays as it is, because its own
 * functions, which are wrapped, lead there.
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
		anaros_ze_exchange(result, ANAROS_ZE_##name, #name, version, table,                \
				   __builtin_return_address(0));                                   \
		return result;                                                                     \
	}
#define GETTER(name)                                                                               \
	GETTER_ENTRY(name, name, anaros_ze_real_next(ANAROS_ZE_##name))                            \
	GETTER_ENTRY(anaros_found_##name, name, anaros_ze_real_found(ANAROS_ZE_##name))

ANAROS_LEVEL_ZERO_GETTERS(GETTER)

#define EXTENSION_ENTRY(linkage, entry, real_function)                                             \
	linkage int entry(void *driver, const char *name, void **function);                        \
	linkage int entry(void *driver, const char *name, void **function)                         \
	{                                                                                          \
		int (*real)(void *, const char *, void **) = (__typeof__(real))(real_function);    \
		int result;                                                                        \
                                                                                                   \
		if (unlikely(real == NULL))                                                        \
			return ZE_UNINITIALIZED;                                                   \
		result = real(driver, name, function);                                             \
		if (result == ZE_SUCCESS && name != NULL && function != NULL)                      \
			*function = anaros_ze_exchange_one(name, *function);                       \
		return result;                                                                     \
	}
#define EXTENSION(linkage, entry, slot)                                                            \
	EXTENSION_ENTRY(linkage, entry,                                                            \
			anaros_ze_real_##slot(ANAROS_ZE_zeDriverGetExtensionFunctionAddress))

EXTENSION(EXPORT, zeDriverGetExtensionFunctionAddress, next)
EXTENSION(, anaros_found_zeDriverGetExtensionFunctionAddress, found)
EXTENSION(, anaros_tabled_zeDriverGetExtensionFunctionAddress, tabled)
