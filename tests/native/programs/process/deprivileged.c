// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program started without the right to open the shim is told
 * nothing, also where its parent holds rights that end with exec.
 */
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "harness.h"

/* Another user, and yet with all the rights over files that root had. */
static void drop_root_but_its_rights(void)
{
	struct __user_cap_header_struct self = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3];

	CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	CHECK(setgid(65534) == 0 && setuid(65534) == 0);
	CHECK(syscall(SYS_capget, &self, held) == 0);
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		held[i].effective = held[i].permitted;
	CHECK(syscall(SYS_capset, &self, held) == 0);
}

static void check(const struct harness *harness, bool keeps_rights, uint64_t lost)
{
	char *argv[] = {"/bin/true", NULL};
	int fd = harness_file(0), code;
	struct stat status;
	pid_t pid = fork();

	if (pid == 0) {
		if (keeps_rights)
			drop_root_but_its_rights();
		else
			CHECK(setgid(65534) == 0 && setuid(65534) == 0);
		dup2(fd, 2);
		execv(argv[0], argv);
		_exit(99);
	}
	code = harness_wait(pid);
	CHECK_EQUAL(code, 0);
	CHECK(fstat(fd, &status) == 0);
	CHECK_EQUAL(status.st_size, 0);
	CHECK_EQUAL(harness->shared->environments_lost, lost);
	close(fd);
}

int main(void)
{
	struct harness harness = harness_open();

	if (geteuid() != 0)
		harness_skip("needs root: it drops its rights");
	check(&harness, false, 1);
	check(&harness, true, 2);
	return 0;
}
