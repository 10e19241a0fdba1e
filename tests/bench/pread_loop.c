// SPDX-License-Identifier: Apache-2.0
/* Description: reads 4 KiB of a cached file, again and again. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "bench.h"

int main(int argc, char **argv)
{
	static char buffer[4096];
	char path[64];
	struct bench bench;
	uint64_t done = 0;
	int fd;

	/* Not mkstemp: who traces calls into libc must see the file opened. */
	snprintf(path, sizeof(path), "/tmp/anaros-bench-%d", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		bench_fail(path);
	unlink(path);
	if (write(fd, buffer, sizeof(buffer)) != sizeof(buffer))
		bench_fail("write");
	bench_start(&bench, argc, argv);
	while (done < bench.calls) {
		uint64_t start = bench_now_ns();

		for (uint64_t i = 0; i < bench.batch; i++)
			if (pread(fd, buffer, sizeof(buffer), 0) != sizeof(buffer))
				bench_fail("pread");
		bench_sample(&bench, bench_now_ns() - start, bench.batch);
		done += bench.batch;
		bench_pace(&bench, done);
	}
	bench_finish(&bench, done);
	return 0;
}
