// SPDX-License-Identifier: Apache-2.0
/* How long an enqueued call takes: run it with and without the shim, in turn. */
#include <stdio.h>
#include <time.h>

int hipEventCreate(void **event);
int hipEventRecord(void *event, void *stream);

int main(void)
{
	const unsigned int calls = 2000000;
	struct timespec start, end;
	void *event;

	hipEventCreate(&event);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned int i = 0; i < calls; i++)
		hipEventRecord(event, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.1f\n",
	       ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) /
		   calls);
	return 0;
}
