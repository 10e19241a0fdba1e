// SPDX-License-Identifier: Apache-2.0
/*
 * The programs for NVMe with twins that a test can run: what the kernel hands to
 * a tracepoint's program the test hands to these.
 */
#include "nvme.bpf.c"

SEC("raw_tp")
int twin_setup(void *ctx)
{
	return on_setup(ctx);
}

SEC("raw_tp")
int twin_issue(u64 *ctx)
{
	return on_issue(ctx[0]);
}

SEC("raw_tp")
int twin_sq(void *ctx)
{
	return on_sq(ctx);
}

SEC("raw_tp")
int twin_complete(void *ctx)
{
	return on_complete(ctx);
}
