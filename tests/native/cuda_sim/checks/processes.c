// SPDX-License-Identifier: Apache-2.0
/* Memory and events that another process opens by their handles. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

struct message {
	struct check_handle memory, event;
};

/* The child: a program of its own, that never saw the parent's driver. */
static int child(void)
{
	struct message message;
	uint64_t address;
	void *event;
	char done = 1;

	EQUAL(read(0, &message, sizeof(message)), sizeof(message));
	check_start();
	OK(cuIpcOpenMemHandle_v2(&address, message.memory, 1));
	EQUAL(check_byte(address), 42);
	OK(cuIpcOpenEventHandle(&event, message.event));
	EQUAL(cuEventQuery(event), 600);
	EQUAL(write(1, &done, 1), 1);
	OK(cuEventSynchronize(event));
	OK(cuMemsetD32_v2(address, 43, 1));
	OK(cuIpcCloseMemHandle(address));
	OK(cuEventDestroy_v2(event));
	return 0;
}

int main(int argc, char **argv)
{
	int down[2], up[2], status;
	struct message message;
	uint64_t address, other;
	uint32_t *word;
	void *event, *stream;
	pid_t pid;
	char done;

	if (argc > 1)
		return child();
	check_start();
	OK(cuMemAlloc_v2(&address, 100000));
	OK(cuMemAllocHost_v2((void **)&word, 4096));
	*word = 0;
	OK(cuMemsetD32_v2(address, 42, 100));
	OK(cuIpcGetMemHandle(&message.memory, address));
	EQUAL(cuIpcOpenMemHandle_v2(&other, message.memory, 1), 201); /* not one's own */
	OK(cuEventCreate(&event, 6));
	OK(cuStreamCreate(&stream, 1));
	OK(cuIpcGetEventHandle(&message.event, event));
	OK(cuStreamWaitValue32_v2(stream, (uintptr_t)word, 1, 1));
	OK(cuEventRecord(event, stream));
	CHECK(pipe(down) == 0 && pipe(up) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(down[0], 0);
		dup2(up[1], 1);
		execl(argv[0], argv[0], "child", NULL);
		_exit(127);
	}
	EQUAL(write(down[1], &message, sizeof(message)), sizeof(message));
	EQUAL(read(up[0], &done, 1), 1);
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	EQUAL(waitpid(pid, &status, 0), pid);
	EQUAL(status, 0);
	EQUAL(check_byte(address), 43);
	OK(cuStreamSynchronize(stream));
	OK(cuEventDestroy_v2(event));
	OK(cuMemFree_v2(address));
	return 0;
}
