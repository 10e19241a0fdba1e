// SPDX-License-Identifier: Apache-2.0
/*
 * Description: launches an empty kernel on the simulated CUDA driver and tells
 * what memory the program has resident after the first hundredth of the
 * launches and after all of them: its own, and what it shares, which is the
 * ring that the launches are recorded in.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "cuda.h"

struct memory {
	uint64_t own_bytes;
	uint64_t shared_bytes;
};

/* Mapping by mapping: the sums in other files of /proc lag behind by some pages. */
static struct memory resident(void)
{
	static char text[1 << 18];
	struct memory memory = {0, 0};
	size_t length = 0;
	ssize_t got;
	int shared = 0, file = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);

	while ((got = read(file, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	if (got < 0 || length == sizeof(text) - 1)
		bench_fail("/proc/self/smaps");
	close(file);
	text[length] = 0;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		unsigned long long first, last, kib;
		char mode[8];

		if (sscanf(line, "%llx-%llx %7s", &first, &last, mode) == 3)
			shared = mode[3] == 's';
		else if (sscanf(line, "Rss: %llu kB", &kib) == 1)
			*(shared ? &memory.shared_bytes : &memory.own_bytes) += kib * 1024;
	}
	return memory;
}

int main(int argc, char **argv)
{
	struct driver cuda;
	struct bench bench;
	struct memory early = {0, 0}, late;
	uint64_t done = 0;

	cuda_begin(&cuda);
	bench_start(&bench, argc, argv);
	resident();
	while (done < bench.calls) {
		cuda_launch_batch(&cuda, bench.batch, NULL);
		cuda_expect("cuCtxSynchronize", cuda.synchronize());
		done += bench.batch;
		bench_pace(&bench, done);
		if (early.own_bytes == 0 && done >= bench.calls / 100)
			early = resident();
	}
	late = resident();
	printf("{\"own_growth_bytes\": %lld, \"shared_growth_bytes\": %lld, \"calls\": %llu}\n",
	       (long long)(late.own_bytes - early.own_bytes),
	       (long long)(late.shared_bytes - early.shared_bytes), (unsigned long long)done);
	return 0;
}
