// SPDX-License-Identifier: Apache-2.0
/*
 * Description: every function of Level Zero, taken by name, by handle and
 * from a table of each version, gets its arguments and gives its result
 * unchanged, is entered once for each call, and is recorded exactly if the
 * table says so. A table of an unknown version is passed on and counted.
 */
#include "device_echo/every.h"

#include "level_zero/abi.h"
#include "level_zero/hooks.h"
#include "level_zero/tables.h"

#define ECHO    "device_echo/build/libze_loader.so.1"
#define MEMBERS 64

static const char *const rows[] = {
#define ROW(name) #name,
    ANAROS_ZE_ABI(ROW)};

#define ROWS (sizeof(rows) / sizeof(*rows))

#define TEXT(...)    #__VA_ARGS__
#define TEXT_OF(...) TEXT(__VA_ARGS__)
#define HOOK(name)   {#name, TEXT_OF(ZE_ABI_##name)},
#define PASS(reason, name)
static const struct wrapped hooks[] = {ANAROS_LEVEL_ZERO(HOOK, HOOK, PASS)};

#define HOOKS (sizeof(hooks) / sizeof(*hooks))

static const struct {
	const char *getter, *name;
	unsigned int index;
	uint32_t version;
} fields[] = {
#define FIELD(getter, index, name, major, minor) {#getter, #name, index, (major) << 16 | (minor)},
    ANAROS_LEVEL_ZERO_FIELDS(FIELD)};

#define FIELDS (sizeof(fields) / sizeof(*fields))

static bool is_getter(const char *name)
{
	return strncmp(name, "zeGet", 5) == 0 && strstr(name, "ProcAddrTable") != NULL;
}

/* They tell names, sizes or functions; and no event is in the list of them. */
static bool only_later(const char *name)
{
	static const char *const names[] = {
	    "zeKernelCreate",
	    "zeKernelDestroy",
	    "zeKernelSetGroupSize",
	    "zeCommandListAppendWaitOnEvents",
	    "zeDriverGetExtensionFunctionAddress",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

typedef int (*getter)(uint32_t, void **);

/* A table of this version: what is in it, and nothing behind. */
static void table_of(const struct every *every, const char *name, uint32_t version, bool deep)
{
	getter get = (getter)dlsym(every->library, name);
	bool known[MEMBERS] = {false};
	void *table[MEMBERS];

	CHECK(every_lies_in((void *)get, "libanaros"));
	for (size_t i = 0; i < MEMBERS; i++)
		table[i] = &table[i];
	CHECK_EQUAL(get(version, table), 0);
	for (size_t i = 0; i < FIELDS; i++) {
		if (strcmp(fields[i].getter, name) != 0 || fields[i].version > version)
			continue;
		known[fields[i].index] = true;
		CHECK_EQUAL(every_lies_in(table[fields[i].index], "libanaros"),
			    every_parameters(every, fields[i].name) != NULL);
		if (deep)
			every_check(every, fields[i].name, table[fields[i].index]);
	}
	for (size_t i = 0; i < MEMBERS; i++)
		if (!known[i])
			CHECK(table[i] == &table[i] || !every_lies_in(table[i], "libanaros"));
}

static void later_version(const struct every *every, const char *name)
{
	uint64_t before = every->harness.shared->unhooked;
	getter get = (getter)dlsym(every->library, name);
	void *table[MEMBERS] = {NULL};
	struct harness_search found;

	CHECK_EQUAL(get(ANAROS_LEVEL_ZERO_KNOWN + 1, table), 0);
	CHECK_EQUAL(every->harness.shared->unhooked, before + 1);
	found = harness_find(&every->harness, (struct wanted){.pid = (uint32_t)getpid(),
							      .kind = ANAROS_KIND_GPU_UNKNOWN});
	CHECK_EQUAL(found.last.size_bytes, ANAROS_LEVEL_ZERO_KNOWN + 1);
	/* Another major version may have another order: nothing is touched. */
	CHECK_EQUAL(get(0x20000, table), 0);
	CHECK_EQUAL(every->harness.shared->unhooked, before + 2);
	for (size_t i = 0; i < MEMBERS; i++)
		CHECK(table[i] == NULL || !every_lies_in(table[i], "libanaros"));
}

int main(void)
{
	struct every every = every_open(ECHO, hooks, HOOKS, only_later);
	unsigned int wrapped = 0;

	for (size_t i = 0; i < ROWS; i++) {
		if (is_getter(rows[i])) {
			for (uint32_t minor = 0; minor <= (ANAROS_LEVEL_ZERO_KNOWN & 0xffff);
			     minor++)
				table_of(&every, rows[i], 0x10000 | minor, false);
			table_of(&every, rows[i], ANAROS_LEVEL_ZERO_KNOWN, true);
			continue;
		}
		wrapped += every_parameters(&every, rows[i]) != NULL;
		every_check(&every, rows[i], dlsym(RTLD_DEFAULT, rows[i]));
		every_check(&every, rows[i], dlsym(every.library, rows[i]));
	}
	CHECK(wrapped > 75);
	CHECK_EQUAL(every.harness.shared->unhooked, 0);
	later_version(&every, "zeGetCommandListProcAddrTable");
	CHECK_EQUAL(((getter)dlsym(every.library, "zeGetMemProcAddrTable"))(1, NULL), 0x78000002);
	CHECK_EQUAL(harness_drops(&every.harness), 0);
	return 0;
}
