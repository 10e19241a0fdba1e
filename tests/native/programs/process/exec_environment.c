// SPDX-License-Identifier: Apache-2.0
/* Description: every exec and spawn carries the shim through an empty environment. */
#include <spawn.h>

#include "harness.h"

/* The program again, as a child: is it recorded, and is its environment right? */
static int as_child(const char *marker)
{
	struct harness harness = harness_open();
	char *value = getenv("KEPT");

	/* A forked child has announced itself before its exec. */
	CHECK(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_PROC_SHIM,
						      .pid = (uint32_t)getpid()}) >= 1);
	if (strcmp(marker, "kept") == 0)
		CHECK(value != NULL && strcmp(value, "yes") == 0);
	return 0;
}

static char program[512];
static char *empty[] = {NULL};
static char *kept[] = {"KEPT=yes", NULL};
static char *empty_argv[] = {program, "empty", NULL};
static char *kept_argv[] = {program, "kept", NULL};

static void by_execve(void)
{
	execve(program, empty_argv, empty);
}
static void by_execve_kept(void)
{
	execve(program, kept_argv, kept);
}
static void by_execve_null(void)
{
	execve(program, empty_argv, NULL);
}
static void by_execv(void)
{
	clearenv();
	execv(program, empty_argv);
}
static void by_execvp(void)
{
	clearenv();
	execvp(program, empty_argv);
}
static void by_execvpe(void)
{
	execvpe(program, empty_argv, empty);
}
static void by_execl(void)
{
	clearenv();
	execl(program, program, "empty", NULL);
}
static void by_execlp(void)
{
	clearenv();
	execlp(program, program, "empty", NULL);
}
static void by_execle(void)
{
	execle(program, program, "kept", NULL, kept);
}

static void expect(pid_t pid, const char *what)
{
	int code = harness_wait(pid);

	if (code != 0) {
		fprintf(stderr, "%s: exit code %d\n", what, code);
		exit(1);
	}
}

#define BY(function)                                                                               \
	do {                                                                                       \
		pid_t child = fork();                                                              \
		if (child == 0) {                                                                  \
			function();                                                                \
			_exit(99);                                                                 \
		}                                                                                  \
		expect(child, #function);                                                          \
		child = vfork();                                                                   \
		if (child == 0) {                                                                  \
			execve(program, empty_argv, empty);                                        \
			_exit(99);                                                                 \
		}                                                                                  \
		expect(child, "vfork");                                                            \
	} while (0)

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc > 1)
		return as_child(argv[1]);
	CHECK(realpath(argv[0], program) != NULL);
	BY(by_execve);
	BY(by_execve_kept);
	BY(by_execve_null);
	BY(by_execv);
	BY(by_execvp);
	BY(by_execvpe);
	BY(by_execl);
	BY(by_execlp);
	BY(by_execle);
	CHECK(posix_spawn(&pid, program, NULL, NULL, empty_argv, empty) == 0);
	expect(pid, "posix_spawn");
	CHECK(posix_spawnp(&pid, program, NULL, NULL, kept_argv, kept) == 0);
	expect(pid, "posix_spawnp");
	return 0;
}
