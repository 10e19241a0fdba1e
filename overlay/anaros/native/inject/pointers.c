// SPDX-License-Identifier: Apache-2.0
/* Which words of a process's memory are addresses of the shim's functions. */
#define _GNU_SOURCE
#include "inject.h"

#include <errno.h>

#if defined(__x86_64__)
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

static bool is_one(const uint64_t *addresses, uint32_t count, uint64_t word)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (addresses[middle] < word)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && addresses[low] == word;
}

struct search {
	int32_t pid;
	const uint64_t *addresses;
	uint32_t count;
	const struct inject_range *skip;
	uint32_t skip_count;
	uint64_t *words;
	size_t room;
};

static int64_t count_in(const struct search *search, uint64_t start, uint64_t end)
{
	const uint64_t *addresses = search->addresses, *words = search->words;
	uint64_t lowest = addresses[0], span = addresses[search->count - 1] - lowest;
	size_t room = search->room;
	int64_t found = 0;

	for (uint64_t at = start; at < end; at += room) {
		size_t bytes = end - at < room ? end - at : room;
		struct iovec here = {search->words, bytes};
		struct iovec there = {(void *)(uintptr_t)at, bytes};
		ssize_t got = process_vm_readv(search->pid, &here, 1, &there, 1, 0);

		for (ssize_t i = 0; i < got / 8; i++)
			found +=
			    words[i] - lowest <= span &&
			    is_one(addresses, search->count, words[i]) &&
			    !inject_lies_in(search->skip, search->skip_count, at + (uint64_t)i * 8);
	}
	return found;
}

int64_t anaros_inject_pointers(int32_t pid, const uint64_t *addresses, uint32_t count,
			       const struct inject_range *skip, uint32_t skip_count,
			       uint64_t most_bytes)
{
	const size_t room = 1u << 20;
	struct search search = {pid, addresses, count, skip, skip_count, malloc(room), room};
	char path[64], line[512];
	uint64_t total = 0;
	int64_t found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	if (search.words == NULL || file == NULL)
		found = file == NULL ? -ESRCH : -ENOMEM;
	while (found == 0 && file != NULL && count > 0 && fgets(line, sizeof(line), file) != NULL) {
		unsigned long start, end;
		char access[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, access) != 3 || access[1] != 'w' ||
		    access[0] != 'r' || inject_lies_in(skip, skip_count, start))
			continue;
		total += end - start;
		found = total > most_bytes ? -EFBIG : count_in(&search, start, end);
	}
	if (file != NULL)
		fclose(file);
	free(search.words);
	return found;
}
#else
int64_t anaros_inject_pointers(int32_t pid, const uint64_t *addresses, uint32_t count,
			       const struct inject_range *skip, uint32_t skip_count,
			       uint64_t most_bytes)
{
	return -ENOTSUP;
}
#endif
