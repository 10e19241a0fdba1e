// SPDX-License-Identifier: Apache-2.0
/*
 * Description: receives 64 bytes from a local socket, again and again. The
 * messages were sent before the clock starts, and past libc, so that recv
 * alone is timed and recorded.
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define WAITING (BATCH / 16) /* the socket's usual buffer holds twice as many */

int main(int argc, char **argv)
{
	static char buffer[64];
	struct bench bench;
	uint64_t done = 0;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		bench_fail("socketpair");
	bench_start(&bench, argc, argv);
	while (done < bench.calls) {
		uint64_t taken_ns = 0;

		for (int turn = 0; turn < BATCH / WAITING; turn++) {
			uint64_t start;

			for (int i = 0; i < WAITING; i++)
				if (syscall(SYS_write, ends[0], buffer, sizeof(buffer)) < 0)
					bench_fail("write");
			start = bench_now_ns();
			for (int i = 0; i < WAITING; i++)
				if (recv(ends[1], buffer, sizeof(buffer), 0) != sizeof(buffer))
					bench_fail("recv");
			taken_ns += bench_now_ns() - start;
		}
		bench_sample(&bench, taken_ns, BATCH);
		done += BATCH;
		bench_pace(&bench, done);
	}
	bench_finish(&bench, done);
	return 0;
}
