// SPDX-License-Identifier: Apache-2.0
/*
 * Description: NCCL finds the shim as it searches for a plugin, by path, by
 * name and by the name's long form, takes the newest version that both know,
 * and gets events of two communicators at once, in and out of a group.
 *
 * Plays NCCL's search: what NCCL_PROFILER_PLUGIN says is opened, then
 * libnccl-profiler-NAME.so, and versions are asked for from the newest on.
 */
#include <dlfcn.h>

#include "harness.h"

enum { NEWEST = 7, COLLECTIVE = 2 };

struct plugin {
	const char *name;
	int (*init)(void **context, uint64_t id, int *mask, const char *name, int nodes, int ranks,
		    int rank, void *log);
	int (*start)(void *context, void **handle, void *event);
	int (*stop)(void *handle);
	int (*state)(void *handle, int state, void *arguments);
	int (*finalize)(void *context);
};

/* NCCL's descriptor of a collective, from the fifth version on. */
struct collective {
	uint64_t type;
	void *parent;
	int rank;
	uint64_t sequence;
	const char *function;
	const void *from;
	void *to;
	size_t count;
	int root;
	const char *datatype;
	uint8_t channels, warps;
	const char *algorithm, *protocol;
	char rest[64];
};

static void *open_library(const char *word)
{
	char path[600];
	void *library = dlopen(word, RTLD_NOW | RTLD_LOCAL);

	if (library != NULL)
		return library;
	snprintf(path, sizeof(path), "libnccl-profiler-%s.so", word);
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static const struct plugin *newest(void *library, int *version)
{
	const struct plugin *found = NULL;

	for (*version = NEWEST; *version > 0; --*version) {
		char symbol[32];

		snprintf(symbol, sizeof(symbol), "ncclProfiler_v%d", *version);
		found = dlsym(library, symbol);
		if (found != NULL)
			break;
	}
	return found;
}

static void *start(const struct plugin *plugin, void *context, size_t count)
{
	struct collective event = {.type = COLLECTIVE,
				   .function = "AllGather",
				   .count = count,
				   .datatype = "ncclInt8",
				   .algorithm = "RING",
				   .protocol = "SIMPLE"};
	void *handle = &event;

	CHECK_EQUAL(plugin->start(context, &handle, &event), 0);
	CHECK(handle != NULL && handle != &event);
	return handle;
}

static uint64_t bytes_of(const struct harness *harness, uint64_t communicator)
{
	return harness_find(harness, (struct wanted){.kind = ANAROS_KIND_GPU_COLLECTIVE,
						     .object = communicator})
	    .bytes;
}

/* Two communicators at work, the events of one within those of the other. */
static void check(const struct harness *harness, const char *word, uint64_t id)
{
	void *library = open_library(word), *contexts[2], *handles[2];
	const struct plugin *plugin;
	int version, mask = -1;

	CHECK(library != NULL);
	plugin = newest(library, &version);
	CHECK(plugin != NULL && strcmp(plugin->name, "anaros") == 0);
	CHECK_EQUAL(version, NEWEST);
	for (unsigned int i = 0; i < 2; i++)
		CHECK_EQUAL(plugin->init(&contexts[i], id + i, &mask, "dp", 1, 2, (int)i, NULL), 0);
	CHECK(contexts[0] != contexts[1]);
	for (size_t i = 0; i < 2; i++)
		handles[i] = start(plugin, contexts[i], 10 * (i + 1));
	for (unsigned int i = 0; i < 2; i++)
		CHECK_EQUAL(plugin->stop(handles[i]), 0);
	CHECK_EQUAL(bytes_of(harness, id), 10);
	CHECK_EQUAL(bytes_of(harness, id + 1), 20);
	for (unsigned int i = 0; i < 2; i++)
		CHECK_EQUAL(plugin->finalize(contexts[i]), 0);
	CHECK_EQUAL(dlclose(library), 0);
}

/* LD_LIBRARY_PATH is read when a program starts: so it starts anew. */
static void again(char **words, const char *folder, const char *library)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/libnccl-profiler-ours.so", folder);
	CHECK(symlink(library, path) == 0);
	setenv("LD_LIBRARY_PATH", folder, 1);
	setenv("SEARCH_FOLDER", folder, 1);
	execv("/proc/self/exe", words);
	harness_fail(__FILE__, __LINE__, "execv");
}

int main(int count, char **words)
{
	struct harness harness = harness_open();
	const char *library = getenv("LD_PRELOAD"), *folder = getenv("SEARCH_FOLDER");
	char made[] = "/tmp/anaros-test-XXXXXX", path[600];

	(void)count;
	if (folder == NULL) {
		check(&harness, library, 0x1000);
		CHECK(open_library("nobody") == NULL);
		CHECK(mkdtemp(made) != NULL);
		again(words, made, library);
	}
	snprintf(path, sizeof(path), "%s/libnccl-profiler-ours.so", folder);
	check(&harness, "libnccl-profiler-ours.so", 0x2000);
	check(&harness, "ours", 0x3000);
	CHECK(unlink(path) == 0 && rmdir(folder) == 0);
	return 0;
}
