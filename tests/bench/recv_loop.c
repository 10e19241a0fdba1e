// SPDX-License-Identifier: Apache-2.0
/*
 * Description: receives 64 bytes from a local socket, again and again. The
 * sending half goes to the kernel directly, so that recv alone is recorded.
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

int main(int argc, char **argv)
{
	static char buffer[64];
	struct bench bench;
	uint64_t done = 0;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		bench_fail("socketpair");
	bench_start(&bench, argc, argv, 10000);
	while (done < bench.calls) {
		uint64_t start = bench_now_ns();

		for (uint64_t i = 0; i < bench.batch; i++) {
			if (syscall(SYS_write, ends[0], buffer, sizeof(buffer)) != sizeof(buffer))
				bench_fail("write");
			if (recv(ends[1], buffer, sizeof(buffer), 0) != sizeof(buffer))
				bench_fail("recv");
		}
		bench_sample(&bench, bench_now_ns() - start, bench.batch);
		done += bench.batch;
		bench_pace(&bench, done);
	}
	bench_finish(&bench, done);
	return 0;
}
