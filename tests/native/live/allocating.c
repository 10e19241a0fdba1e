// SPDX-License-Identifier: Apache-2.0
/* Two threads that do nothing but allocate, and never sleep; runs until it is killed. */
#include <pthread.h>
#include <stdlib.h>

static void *allocating(void *unused)
{
	for (size_t i = 0;; i++) {
		void *volatile block = malloc(1 + i % 5000);

		free(block);
	}
	return unused;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, allocating, NULL) != 0)
		return 1;
	allocating(NULL);
}
