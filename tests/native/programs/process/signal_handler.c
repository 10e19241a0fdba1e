// SPDX-License-Identifier: Apache-2.0
/* Description: calls in a signal handler: records + drops = calls, none twice. */
#include <signal.h>
#include <sys/time.h>

#include "harness.h"

static int file, other;
static volatile uint64_t handled;

static void handler(int number)
{
	char byte = (char)number;

	pwrite(other, &byte, 1, 0);
	handled++;
}

int main(void)
{
	struct harness harness = harness_open();
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	uint64_t calls = 0, reads, writes;
	char byte;

	file = harness_file(16);
	other = harness_file(16);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (handled < 2000) {
		CHECK_EQUAL(pread(file, &byte, 1, 0), 1);
		calls++;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	reads = harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ});
	writes = harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_WRITE});
	CHECK_EQUAL(reads + writes + harness_drops(&harness), calls + handled);
	return 0;
}
