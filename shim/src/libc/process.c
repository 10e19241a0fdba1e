// SPDX-License-Identifier: Apache-2.0
/*
 * exec in all its forms: the new program must carry the shim even where the
 * caller gives it an empty environment, and must not be told to load a shim
 * that it cannot open, for the loader would complain on its stderr.
 *
 * These run in vfork children too, on the parent's memory: stack only.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/shim.h"
#include "core/sys.h"

#define PRELOAD        "LD_PRELOAD="
#define PRELOAD_LENGTH (sizeof(PRELOAD) - 1)

struct environment {
	char **list;    /* what to hand on */
	char *variable; /* our LD_PRELOAD, when one had to be made */
};

static size_t count_of(char *const list[])
{
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

/* Whether a LD_PRELOAD value names the library already. */
static bool names_library(const char *value, const char *library)
{
	size_t length = strlen(library);

	for (const char *at = value; (at = strstr(at, library)) != NULL; at += length) {
		bool starts = at == value || at[-1] == ':' || at[-1] == ' ';
		char end = at[length];

		if (starts && (end == '\0' || end == ':' || end == ' '))
			return true;
	}
	return false;
}

/* `out` = the value without the library; true if anything is left. */
static bool without_library(const char *value, const char *library, char *out)
{
	size_t length = strlen(library);
	char *end = out;

	while (*value != '\0') {
		size_t part = strcspn(value, ": ");

		if (part > 0 && !(part == length && memcmp(value, library, part) == 0)) {
			if (end != out)
				*end++ = ':';
			memcpy(end, value, part);
			end += part;
		}
		value += part;
		value += *value != '\0';
	}
	*end = '\0';
	return end != out;
}

static const char *preload_of(char *const list[], size_t count, size_t *index)
{
	for (*index = 0; *index < count; ++*index)
		if (strncmp(list[*index], PRELOAD, PRELOAD_LENGTH) == 0)
			return list[*index] + PRELOAD_LENGTH;
	return NULL;
}

/*
 * Who dropped root may hold rights over all files still, until exec takes them
 * away: setpriv does. Then only what is the caller's own is sure to open.
 */
static bool needs_dropped_rights(const char *library)
{
	struct __user_cap_header_struct self = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3] = {0};
	const uint32_t over_files = 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH;
	long user = sys_call6(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	struct statx link;

	if (user == 0 || sys_call6(SYS_capget, (long)&self, (long)held, 0, 0, 0, 0) != 0 ||
	    (held[0].effective & over_files) == 0)
		return false;
	return sys_call6(SYS_statx, AT_FDCWD, (long)library, AT_SYMLINK_NOFOLLOW, STATX_UID,
			 (long)&link, 0) != 0 ||
	       link.stx_uid != user;
}

static void count_environment(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/*
 * Fills `out` (room for count + 2 pointers) and `variable` (room for the old
 * value, the library and the name). False: the environment is right as it is.
 */
static bool arrange(char *const list[], size_t count, char **out, char *variable)
{
	const char *library = anaros_library_path();
	size_t index;
	const char *value = preload_of(list, count, &index);
	bool usable = anaros_control->recording != 0 && sys_accessible(library) &&
		      !needs_dropped_rights(library);

	if (usable == (value != NULL && names_library(value, library)))
		return false;
	if (count > 0) /* list may be NULL, which memcpy may not be given */
		memcpy(out, list, count * sizeof(*out));
	out[count] = out[count + 1] = NULL;
	memcpy(variable, PRELOAD, PRELOAD_LENGTH);
	if (usable) {
		char *end = variable + PRELOAD_LENGTH;
		size_t length = strlen(library);

		memcpy(end, library, length + 1);
		if (value != NULL && *value != '\0') {
			end[length] = ':';
			strcpy(end + length + 1, value);
		}
		out[index] = variable;
		count_environment(&anaros_shared->environments_restored);
		return true;
	}
	count_environment(&anaros_shared->environments_lost);
	if (without_library(value, library, variable + PRELOAD_LENGTH))
		out[index] = variable;
	else
		memmove(&out[index], &out[index + 1], (count - index) * sizeof(*out));
	return true;
}

/* A statement expression, for alloca must live in the caller's frame. */
#define ARRANGED(list)                                                                             \
	({                                                                                         \
		char *const *arranged_ = (list);                                                   \
		if (anaros_shared != NULL && anaros_library_path()[0] != '\0') {                   \
			size_t count_ = count_of(arranged_), index_;                               \
			const char *value_ = preload_of(arranged_, count_, &index_);               \
			size_t room_ = PRELOAD_LENGTH + strlen(anaros_library_path()) + 2 +        \
				       (value_ != NULL ? strlen(value_) : 0);                      \
			char **out_ = alloca((count_ + 2) * sizeof(char *));                       \
			if (arrange(arranged_, count_, out_, alloca(room_)))                       \
				arranged_ = out_;                                                  \
		}                                                                                  \
		arranged_;                                                                         \
	})

/*
 * The image goes, and with it this thread's chunk. After a failed exec the
 * next recorded call attaches anew. A vfork child owns nothing.
 */
static void before_exec(void)
{
	if (anaros_may_record())
		anaros_leave_thread();
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	before_exec();
	return REAL(execve)(path, argv, ARRANGED(envp));
}

EXPORT int execv(const char *path, char *const argv[])
{
	before_exec();
	return REAL(execve)(path, argv, ARRANGED(environ));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	before_exec();
	return REAL(execvpe)(file, argv, ARRANGED(envp));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	before_exec();
	return REAL(execvpe)(file, argv, ARRANGED(environ));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	before_exec();
	return REAL(fexecve)(fd, argv, ARRANGED(envp));
}

EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	REQUIRE(execveat);
	before_exec();
	return REAL(execveat)(fd, path, argv, ARRANGED(envp), flags);
}

/* The list forms: the arguments become an array on the stack. */
#define LISTED(first, list, argv)                                                                  \
	do {                                                                                       \
		va_list again;                                                                     \
		size_t count = 1;                                                                  \
                                                                                                   \
		va_start(list, first);                                                             \
		va_copy(again, list);                                                              \
		while (va_arg(list, char *) != NULL)                                               \
			count++;                                                                   \
		argv = alloca((count + 1) * sizeof(char *));                                       \
		argv[0] = (char *)(uintptr_t)first;                                                \
		for (size_t i = 1; i <= count; i++)                                                \
			argv[i] = va_arg(again, char *);                                           \
		va_end(again);                                                                     \
	} while (0)

EXPORT int execl(const char *path, const char *first, ...)
{
	va_list list;
	char **argv;

	LISTED(first, list, argv);
	va_end(list);
	before_exec();
	return REAL(execve)(path, argv, ARRANGED(environ));
}

EXPORT int execlp(const char *file, const char *first, ...)
{
	va_list list;
	char **argv;

	LISTED(first, list, argv);
	va_end(list);
	before_exec();
	return REAL(execvpe)(file, argv, ARRANGED(environ));
}

EXPORT int execle(const char *path, const char *first, ...)
{
	va_list list;
	char **argv;
	char *const *envp;

	LISTED(first, list, argv);
	envp = va_arg(list, char *const *);
	va_end(list);
	before_exec();
	return REAL(execve)(path, argv, ARRANGED(envp));
}

#define SPAWN(name)                                                                                \
	EXPORT int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,   \
			const posix_spawnattr_t *attributes, char *const argv[],                   \
			char *const envp[])                                                        \
	{                                                                                          \
		return REAL(name)(pid, path, actions, attributes, argv, ARRANGED(envp));           \
	}
SPAWN(posix_spawn)
SPAWN(posix_spawnp)

/*
 * vfork returns twice on one stack, so a wrapper that calls it would find
 * its frame overwritten by the child: set the guard, then jump. From then on
 * each call of this thread asks the kernel who runs, until the parent does.
 */
__attribute__((used, visibility("hidden"))) void *anaros_vfork_real(void)
{
	/* The guard asks for the tid that a recording thread has learnt. */
	if (anaros_may_record())
		anaros_thread.guard |= ANAROS_GUARD_VFORK;
	return anaros_real(ANAROS_HOOK_vfork);
}

#if defined(__x86_64__)
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call anaros_vfork_real\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	jmp *%rax\n"
	"	.cfi_endproc\n"
	".size vfork, .-vfork\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, %function\n"
	"vfork:\n"
	"	stp x29, x30, [sp, #-16]!\n"
	"	bl anaros_vfork_real\n"
	"	ldp x29, x30, [sp], #16\n"
	"	br x0\n"
	".size vfork, .-vfork\n");
#endif
