/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs COUNT ROUNDS WORK: COUNT pairs of processes hand a byte to and fro
 * through pipes, ROUNDS times each way, and do WORK steps over 64 KiB of memory
 * before each. Prints the CPU time of all of them and how often they switched.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 8192

static uint64_t memory[WORDS];

static void work(long steps)
{
	static uint64_t at;

	for (long i = 0; i < steps; i++) {
		at = at * 6364136223846793005ull + 1442695040888963407ull;
		memory[at >> 51] += at;
	}
}

static void play(int in, int out, long rounds, long steps, int first)
{
	char byte = 1;

	for (long i = 0; i < rounds; i++) {
		if ((!first || i > 0) && read(in, &byte, 1) != 1)
			_exit(1);
		work(steps);
		if (write(out, &byte, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	long count, rounds, steps;
	struct rusage used;
	int status, bad = 0;

	if (argc != 4)
		return 2;
	count = atol(argv[1]);
	rounds = atol(argv[2]);
	steps = atol(argv[3]);
	for (long i = 0; i < count; i++) {
		int there[2], back[2];

		if (pipe(there) || pipe(back))
			return 1;
		if (fork() == 0)
			play(back[0], there[1], rounds, steps, 1);
		if (fork() == 0)
			play(there[0], back[1], rounds, steps, 0);
		close(there[0]);
		close(there[1]);
		close(back[0]);
		close(back[1]);
	}
	while (wait(&status) > 0)
		bad |= status;
	getrusage(RUSAGE_CHILDREN, &used);
	printf("%lld %ld\n",
	       (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000LL +
		   (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000LL,
	       used.ru_nvcsw + used.ru_nivcsw);
	return bad != 0;
}
