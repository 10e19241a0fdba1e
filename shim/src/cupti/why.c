// SPDX-License-Identifier: Apache-2.0
/*
 * Why there is no device time, in words for the report: which file was taken
 * for CUPTI, and which library of the process holds its seat. One text at a
 * time, made once in a process and before its gpu.timing record.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/object.h"
#include "cupti/cupti.h"

static char text[1024];

const char *anaros_cupti_why(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

const char *anaros_cupti_shown(const char *path)
{
	return anaros_control->hide_names ? base_of(path) : path;
}

const char *anaros_cupti_file(void)
{
	Dl_info object;

	if (dladdr((const void *)(uintptr_t)anaros_cupti.GetVersion, &object) == 0 ||
	    object.dli_fname == NULL)
		return "libcupti";
	return anaros_cupti_shown(object.dli_fname);
}

/* Libraries that use CUPTI and load it themselves: profilers, as they come into a program. */
static const char *const tools[] = {"libToolsInjection", "libcuda-injection", "libkineto",
				    "libparcagpu",       "libhpcrun",         "libscorep"};

enum likelihood { NOT, LINKED, TOOL, INJECTED };

struct suspect {
	enum likelihood likelihood;
	char name[64];
};

static bool needs_cupti(const struct dl_phdr_info *info)
{
	const ElfW(Dyn) *dynamic = NULL;
	struct anaros_object object;
	bool needs = false;

	if (!anaros_object_read(info, &object))
		return false;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++)
		if (dynamic->d_tag == DT_NEEDED)
			needs = needs || strncmp(object.strings + dynamic->d_un.d_val,
						 "libcupti.so", 11) == 0;
	return needs;
}

static enum likelihood judge(const struct dl_phdr_info *info, const char *base)
{
	const char *injected = getenv("CUDA_INJECTION64_PATH");

	if (injected != NULL && base[0] != '\0' && strcmp(base_of(injected), base) == 0)
		return INJECTED;
	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		if (strncmp(base, tools[i], strlen(tools[i])) == 0)
			return TOOL;
	return needs_cupti(info) ? LINKED : NOT;
}

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	const char *base = base_of(info->dlpi_name);
	enum likelihood likelihood = judge(info, base);
	struct suspect *found = data;

	(void)size;
	if (likelihood > found->likelihood) {
		found->likelihood = likelihood;
		snprintf(found->name, sizeof(found->name), "%s",
			 base[0] != '\0' ? base : "the program itself");
	}
	return 0;
}

const char *anaros_cupti_holder(const char *told)
{
	struct suspect found = {.likelihood = NOT};

	anaros_objects(look, &found);
	if (found.likelihood == NOT)
		return told[0] != '\0' ? told : "another tool";
	return anaros_cupti_why("%s (%s)", told[0] != '\0' ? told : "another tool", found.name);
}
