// SPDX-License-Identifier: Apache-2.0
/*
 * usage: test_signals_program log FILE
 *        test_signals_program lines default|ignore|tidy|hard
 *
 * "log" appends a line for each signal to FILE, its process id first, and ends on SIGUSR2.
 * "lines" reads lines, as an interactive program does, and meets SIGTSTP by default, not at
 * all, by tidying up before it stops, or by SIGSTOP. Handlers write at once: what they say
 * stands before anything that the program does next.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int output = 1;
static volatile sig_atomic_t over;

static void say(const char *text)
{
	if (write(output, text, strlen(text)) < 0)
		_exit(99);
}

static void log_it(int number)
{
	say("SIG");
	say(sigabbrev_np(number));
	say("\n");
	over |= number == SIGUSR2;
}

static void go_on(int number)
{
	(void)number;
	say("going on\n");
}

static void hard(int number)
{
	(void)number;
	raise(SIGSTOP);
}

static void tidy(int number)
{
	sigset_t stop;

	say("tidied\n");
	signal(number, SIG_DFL);
	sigemptyset(&stop);
	sigaddset(&stop, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &stop, NULL); /* it stops here */
	signal(number, tidy);
}

static int keep_log(const char *name)
{
	static const int numbers[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGCONT, SIGUSR2};
	struct sigaction action = {.sa_handler = log_it};
	char text[32];
	sigset_t none;

	output = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
	/* No handler interrupts another: a line stays in one piece. */
	sigfillset(&action.sa_mask);
	sigprocmask(SIG_BLOCK, &action.sa_mask, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
	snprintf(text, sizeof(text), "%d\n", getpid());
	say(text);
	sigemptyset(&none);
	while (!over)
		sigsuspend(&none);
	return 0;
}

static int read_lines(const char *stopping)
{
	char line[128];
	ssize_t size;

	signal(SIGCONT, go_on);
	if (!strcmp(stopping, "ignore"))
		signal(SIGTSTP, SIG_IGN);
	if (!strcmp(stopping, "tidy"))
		signal(SIGTSTP, tidy);
	if (!strcmp(stopping, "hard"))
		signal(SIGTSTP, hard);
	say("begun\n");
	while ((size = read(0, line, sizeof(line) - 1)) > 0) {
		line[size] = 0;
		say("read ");
		say(line);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "log"))
		return keep_log(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "lines"))
		return read_lines(argv[2]);
	return 2;
}
