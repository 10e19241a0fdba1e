// SPDX-License-Identifier: Apache-2.0
/* Description: says when its first instruction ran, on CLOCK_MONOTONIC. */
#include <stdio.h>

#include "bench.h"

int main(void)
{
	printf("%llu\n", (unsigned long long)bench_now_ns());
	return 0;
}
