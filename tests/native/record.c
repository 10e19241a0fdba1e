// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a program with the shim over a fresh arena, as a supervisor would:
 *
 *	record [-c CHUNKS] LIBRARY PROGRAM [ARGUMENT...]
 *
 * and ends with its exit code, 128 + signal if one killed it. The arena lies
 * beside the link that LD_PRELOAD names, and is removed at the end. Nothing
 * drains it: the program may look at its own records.
 *
 * The program is ended, with what it started in its process group, if it takes
 * too long or this is asked to end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native.h"

#define LIMIT_S 300

static char folder[] = "/dev/shm/anaros-test-XXXXXX";
static char arena_path[64];
static char library_path[64];
static volatile sig_atomic_t program;

static int fail(const char *what, int error)
{
	fprintf(stderr, "record: %s: %s\n", what, strerror(error));
	return 1;
}

static void clean_up(void)
{
	unlink(arena_path);
	unlink(library_path);
	rmdir(folder);
}

/* A sanitised library needs its runtime loaded before it. */
static int set_preload(void)
{
	const char *first = getenv("ANAROS_TEST_PRELOAD_FIRST");
	char value[512];

	snprintf(value, sizeof(value), "%s%s%s", first ? first : "", first ? " " : "",
		 library_path);
	unsetenv("ANAROS_TEST_PRELOAD_FIRST");
	return setenv("LD_PRELOAD", value, 1);
}

static void end_program(int number)
{
	static const char late[] = "record: the program took too long, and was ended\n";

	if (number == SIGALRM && write(STDERR_FILENO, late, sizeof(late) - 1) < 0)
		return;
	if (program > 0)
		kill(-program, SIGKILL);
}

static void watch(void)
{
	static const int numbers[] = {SIGALRM, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = end_program};
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &action, NULL);
	alarm(LIMIT_S);
}

static int run(char **command)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		set_preload();
		execv(command[0], command);
		_exit(fail(command[0], errno) + 126);
	}
	if (pid < 0)
		return fail("fork", errno);
	setpgid(pid, pid);
	program = pid;
	watch();
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail("waitpid", errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	uint32_t chunk_count = ANAROS_CHUNKS_DEFAULT;
	struct arena *arena;
	char *library;
	int option, error = 0, status;

	while ((option = getopt(argc, argv, "+c:")) == 'c')
		chunk_count = (uint32_t)strtoul(optarg, NULL, 10);
	if (option != -1 || argc - optind < 2 || chunk_count == 0) {
		fprintf(stderr, "usage: record [-c CHUNKS] LIBRARY PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	library = realpath(argv[optind], NULL);
	if (library == NULL)
		return fail(argv[optind], errno);
	if (mkdtemp(folder) == NULL)
		return fail(folder, errno);
	snprintf(arena_path, sizeof(arena_path), "%s/arena", folder);
	snprintf(library_path, sizeof(library_path), "%s/libanaros.so", folder);
	atexit(clean_up);
	if (symlink(library, library_path) != 0)
		return fail(library_path, errno);
	free(library);
	arena = anaros_arena_create(arena_path, chunk_count, &error);
	if (arena == NULL)
		return fail(arena_path, error);
	error = anaros_clock_start(arena);
	if (error != 0)
		return fail("clock", -error);
	__atomic_store_n(&arena->control->recording, 1, __ATOMIC_RELEASE);
	status = run(argv + optind + 1);
	anaros_arena_close(arena);
	return status;
}
