// SPDX-License-Identifier: Apache-2.0
/*
 * Where libcupti is: the file that ANAROS_CUPTI names, the one that is loaded,
 * one beside the CUDA runtime that is loaded (a wheel or a toolkit), one that
 * the loader finds, that of the usual toolkit.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cupti/cupti.h"
#include "core/object.h"
#include "core/shim.h"
#include "core/sys.h"

#define PATH_BYTES 512

struct anaros_cupti anaros_cupti;

/* Why no library was loaded, where it is known. */
static const char *refused;

static void *load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		dlerror(); /* the message would not be the program's */
	return library;
}

/* The file that the user named, or nothing: another one would not be what was asked for. */
static void *load_named(const char *path)
{
	void *library = NULL;
	const char *why;

	if (path[0] != '/') {
		why = "is not an absolute path";
	} else if (!sys_accessible(path)) {
		why = "cannot be read";
	} else {
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		why = library == NULL ? dlerror() : NULL;
	}
	if (why != NULL && strncmp(why, path, strlen(path)) == 0)
		why += strlen(path) + strspn(why + strlen(path), ": ");
	if (library == NULL)
		refused = anaros_cupti_why("ANAROS_CUPTI names %s: %s", anaros_cupti_shown(path),
					   why != NULL ? why : "does not load");
	return library;
}

struct loaded {
	char cupti[PATH_BYTES];
	char runtime[PATH_BYTES];
};

static void keep(char *kept, const char *path, const char *base, const char *wanted)
{
	if (strncmp(base, wanted, strlen(wanted)) == 0 && strlen(path) < PATH_BYTES)
		memcpy(kept, path, strlen(path) + 1);
}

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	struct loaded *loaded = data;
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *base = slash != NULL ? slash + 1 : info->dlpi_name;

	keep(loaded->cupti, info->dlpi_name, base, "libcupti.so");
	keep(loaded->runtime, info->dlpi_name, base, "libcudart.so");
	return 0;
}

static const char *const names[] = {"libcupti.so.13", "libcupti.so.12"};

/* The major version of the runtime decides: the folders of two may be one. */
static void *load_beside(const char *runtime)
{
	static const char *const ways[] = {"", "../../cuda_cupti/lib/", "../extras/CUPTI/lib64/",
					   "../../../extras/CUPTI/lib64/"};
	const char *slash = strrchr(runtime, '/');
	const char *version = slash != NULL ? strstr(slash, ".so.") : NULL;
	char path[PATH_BYTES + 64];

	for (size_t i = 0; version != NULL && i < sizeof(ways) / sizeof(*ways); i++) {
		snprintf(path, sizeof(path), "%.*s%slibcupti.so.%.2s", (int)(slash + 1 - runtime),
			 runtime, ways[i], version + 4);
		if (sys_accessible(path))
			return load(path);
	}
	return NULL;
}

static void *find(void)
{
	const char *told = getenv("ANAROS_CUPTI");
	struct loaded loaded = {0};
	void *library = NULL;

	if (told != NULL && told[0] != '\0')
		return load_named(told);
	anaros_objects(look, &loaded);
	if (loaded.cupti[0] != '\0')
		return load(loaded.cupti);
	if (loaded.runtime[0] != '\0')
		library = load_beside(loaded.runtime);
	for (size_t i = 0; library == NULL && i < sizeof(names) / sizeof(*names); i++)
		library = load(names[i]);
	if (library == NULL)
		library = load_beside("/usr/local/cuda/lib64/libcudart.so.13");
	if (library == NULL)
		library = load_beside("/usr/local/cuda/lib64/libcudart.so.12");
	return library;
}

/* The file that a library is of; all of them have some path. */
static const char *file_of(void *library)
{
	struct link_map *map = NULL;

	if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == NULL || map->l_name[0] == '\0')
		return "/proc/self/exe";
	return map->l_name;
}

const char *anaros_cupti_open(void)
{
	void *library = find();
	const char *missing = NULL;

	if (library == NULL)
		return refused != NULL ? refused : "no libcupti.so.13 or libcupti.so.12 was found";
#define CUPTI_FIND(name, parameters)                                                               \
	anaros_cupti.name = (int(*) parameters)anaros_real_dlsym(library, "cupti" #name);
#define CUPTI_NEED(name, parameters)                                                               \
	CUPTI_FIND(name, parameters)                                                               \
	if (anaros_cupti.name == NULL && missing == NULL)                                          \
		missing = "cupti" #name;
	CUPTI_FUNCTIONS(CUPTI_NEED, CUPTI_FIND)
#undef CUPTI_NEED
#undef CUPTI_FIND
	if (missing == NULL)
		return NULL;
	return anaros_cupti_why("%s is not CUPTI: it has no %s",
				anaros_cupti_shown(file_of(library)), missing);
}
