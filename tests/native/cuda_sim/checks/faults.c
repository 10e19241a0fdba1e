// SPDX-License-Identifier: Apache-2.0
/* What goes wrong on demand, and how long it stays wrong; also after a fork. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void *module, *noop, *stream;

static void use(int device)
{
	void *context;

	OK(cuDevicePrimaryCtxRetain(&context, device));
	OK(cuCtxSetCurrent(context));
	OK(cuStreamCreate(&stream, 1));
}

static void calls_fail(void)
{
	uint64_t address;
	void *host, *event;

	EQUAL(anaros_sim_faults("no at sign"), -1);
	OK(anaros_sim_faults("alloc@2=2;cuEventCreate@1+=999"));
	OK(cuMemAlloc_v2(&address, 16));
	EQUAL(cuMemAllocHost_v2(&host, 16), 2);
	OK(cuMemAllocHost_v2(&host, 16));
	EQUAL(cuEventCreate(&event, 0), 999);
	EQUAL(cuEventCreate(&event, 0), 999);
	OK(anaros_sim_faults(NULL));
	OK(cuEventCreate(&event, 0));
	OK(cuEventDestroy_v2(event));
	OK(cuMemFree_v2(address));
	OK(cuMemFreeHost(host));
}

static void kernels_go_astray(void)
{
	uint64_t address, kernels = anaros_sim_total("memory", "device_faults");
	void *context, *other;

	OK(cuCtxCreate_v4(&context, NULL, 0, 0));
	OK(cuStreamCreate(&other, 1));
	OK(anaros_sim_faults("kernel@2=700"));
	check_launch(noop, other, NULL);
	check_launch(noop, other, NULL); /* nobody knows yet */
	EQUAL(cuStreamSynchronize(other), 700);
	EQUAL(cuMemAlloc_v2(&address, 16), 700);
	EQUAL(cuLaunchKernel(noop, 1, 1, 1, 1, 1, 1, 0, other, NULL, NULL), 700);
	EQUAL(cuCtxSynchronize(), 700);
	EQUAL(anaros_sim_total("memory", "device_faults"), kernels + 1);
	OK(cuCtxDestroy_v2(context));
	/* Other contexts go on. */
	use(0);
	OK(anaros_sim_faults(NULL));
	check_launch(noop, stream, NULL);
	OK(cuStreamSynchronize(stream));
	OK(cuDevicePrimaryCtxRelease_v2(0));
}

static void a_device_is_lost(void)
{
	void *context;

	use(1);
	OK(anaros_sim_faults("copy@1=46"));
	{
		uint64_t address;
		int value = 1;

		OK(cuMemAlloc_v2(&address, 16));
		EQUAL(cuMemcpyHtoD_v2(address, &value, sizeof(value)), 46);
	}
	EQUAL(cuDevicePrimaryCtxRetain(&context, 1), 46);
	EQUAL(cuCtxCreate_v4(&context, NULL, 0, 1), 46);
	OK(anaros_sim_faults(NULL));
	use(0);
	check_launch(noop, stream, NULL);
	OK(cuStreamSynchronize(stream));
}

/* The child cannot use what the parent began, nor begin again. */
static void after_a_fork(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		uint64_t address;
		bool bad = cuMemAlloc_v2(&address, 16) != 3 || cuInit(0) != 3 ||
			   cuStreamSynchronize(stream) != 3;

		_exit(bad);
	}
	EQUAL(waitpid(child, &status, 0), child);
	EQUAL(status, 0);
	check_launch(noop, stream, NULL);
	OK(cuStreamSynchronize(stream));
}

static void no_private_tables(void)
{
	const void *table = &table;

	EQUAL(cuGetExportTable(&table, "0123456789abcdef"), 500);
	CHECK(table == NULL);
}

int main(void)
{
	module = check_start();
	noop = check_kernel(module, "noop");
	OK(cuStreamCreate(&stream, 1));
	calls_fail();
	kernels_go_astray();
	a_device_is_lost();
	after_a_fork();
	no_private_tables();
	return 0;
}
