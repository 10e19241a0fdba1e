// SPDX-License-Identifier: Apache-2.0
/* Description: setuid and static programs run as they would alone, silently. */
#include <fcntl.h>
#include <spawn.h>
#include <sys/sendfile.h>

#include "harness.h"

static char folder[] = "/tmp/anaros-foreign-XXXXXX";

/* Runs a program and returns the bytes that it (or its loader) said on stderr. */
static long said(char *program, int *code)
{
	char *argv[] = {program, NULL};
	posix_spawn_file_actions_t actions;
	int fd = harness_file(0);
	struct stat status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 2);
	CHECK_EQUAL(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
	*code = harness_wait(pid);
	CHECK(fstat(fd, &status) == 0);
	close(fd);
	return status.st_size;
}

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0755);

	CHECK(in >= 0 && out >= 0);
	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
	close(in);
	close(out);
}

int main(void)
{
	char path[64], command[256];
	int code;

	harness_open();
	CHECK(mkdtemp(folder) != NULL);
	CHECK(chmod(folder, 0755) == 0);
	snprintf(path, sizeof(path), "%s/setuid", folder);
	copy("/bin/true", path);
	if (chown(path, 65534, 65534) == 0) {
		CHECK(chmod(path, 04755) == 0);
		CHECK_EQUAL(said(path, &code), 0);
		CHECK_EQUAL(code, 0);
	}
	unlink(path);
	snprintf(path, sizeof(path), "%s/static", folder);
	snprintf(command, sizeof(command),
		 "echo 'int main(void){return 7;}' | cc -static -x c -o %s -", path);
	if (system(command) == 0) {
		CHECK_EQUAL(said(path, &code), 0);
		CHECK_EQUAL(code, 7);
	}
	unlink(path);
	rmdir(folder);
	return 0;
}
