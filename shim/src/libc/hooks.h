/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of wrapped libc functions. Expanded into the enum below, the
 * table of real functions (core/resolve.c) and the export list (shim.map, made by
 * the Makefile). Device runtimes have lists of their own: their functions
 * are not libc's and are found in other ways.
 *
 * BASE(name): every glibc has it. LATER(name): newer or older ones lack it;
 * asking for what is missing makes dlsym allocate, so those are looked up
 * outside the workload's calls.
 */
#ifndef ANAROS_HOOKS_H
#define ANAROS_HOOKS_H

/* clang-format off */
#define ANAROS_HOOKS(BASE, LATER) \
	/* file.c */                                                                               \
	BASE(open) BASE(open64) BASE(openat) BASE(openat64) BASE(creat) BASE(creat64)              \
	BASE(__open_2) BASE(__open64_2) BASE(__openat_2) BASE(__openat64_2) BASE(fsync)            \
	BASE(fdatasync) BASE(sync_file_range) BASE(syncfs) BASE(msync) BASE(mmap)                  \
	BASE(mmap64) BASE(munmap) BASE(sendfile) BASE(sendfile64) BASE(splice)                     \
	LATER(copy_file_range)                                                                     \
	/* readwrite.c */                                                                          \
	BASE(read) BASE(__read_chk) BASE(pread) BASE(pread64) BASE(__pread_chk)                    \
	BASE(__pread64_chk) BASE(readv) BASE(preadv) BASE(preadv64) LATER(preadv2)                 \
	LATER(preadv64v2) BASE(write) BASE(pwrite) BASE(pwrite64) BASE(writev) BASE(pwritev)       \
	BASE(pwritev64) LATER(pwritev2) LATER(pwritev64v2)                                         \
	/* stat.c */                                                                               \
	LATER(stat) LATER(stat64) LATER(lstat) LATER(lstat64) LATER(fstat) LATER(fstat64)          \
	LATER(fstatat) LATER(fstatat64) LATER(statx) LATER(__xstat) LATER(__xstat64)               \
	LATER(__lxstat) LATER(__lxstat64) LATER(__fxstat) LATER(__fxstat64)                        \
	LATER(__fxstatat) LATER(__fxstatat64)                                                      \
	/* descriptors.c */                                                                        \
	BASE(close) LATER(close_range) LATER(closefrom) BASE(dup) BASE(dup2) BASE(dup3)            \
	BASE(fcntl) LATER(fcntl64) BASE(pipe) BASE(pipe2) BASE(eventfd) BASE(epoll_create)         \
	BASE(epoll_create1) BASE(timerfd_create) BASE(signalfd) BASE(inotify_init)                 \
	BASE(inotify_init1) LATER(memfd_create)                                                    \
	/* stdio.c */                                                                              \
	BASE(fopen) BASE(fopen64) BASE(freopen) BASE(freopen64) BASE(fclose) BASE(fread)           \
	BASE(fread_unlocked) BASE(__fread_chk) BASE(__fread_unlocked_chk) BASE(fwrite)             \
	BASE(fwrite_unlocked) BASE(fgets) BASE(fgets_unlocked) BASE(__fgets_chk)                   \
	BASE(__fgets_unlocked_chk) BASE(fputs) BASE(fputs_unlocked) BASE(getline)                  \
	BASE(getdelim) BASE(__getdelim)                                                            \
	/* net.c */                                                                                \
	BASE(socket) BASE(socketpair) BASE(bind) BASE(listen) BASE(connect) BASE(accept)           \
	BASE(accept4) BASE(recv) BASE(__recv_chk) BASE(recvfrom) BASE(__recvfrom_chk)              \
	BASE(recvmsg) BASE(recvmmsg) BASE(send) BASE(sendto) BASE(sendmsg) BASE(sendmmsg)          \
	BASE(shutdown)                                                                             \
	/* poll.c */                                                                               \
	BASE(epoll_wait) BASE(epoll_pwait) LATER(epoll_pwait2) BASE(poll) BASE(__poll_chk)         \
	BASE(ppoll) BASE(__ppoll_chk) BASE(select) BASE(pselect)                                   \
	/* sync.c */                                                                               \
	BASE(sem_wait) BASE(sem_timedwait) LATER(sem_clockwait) BASE(sem_post)                     \
	/* process.c */                                                                            \
	BASE(execve) BASE(execv) BASE(execvp) BASE(execvpe) BASE(fexecve) LATER(execveat)          \
	BASE(posix_spawn) BASE(posix_spawnp) BASE(vfork)
/* clang-format on */

/* Wrapped without a real function of the same name: they end in execve. */
#define ANAROS_HOOKS_WITHOUT_REAL(NAME) NAME(execl) NAME(execlp) NAME(execle)

enum anaros_hook {
#define ANAROS_HOOK(name) ANAROS_HOOK_##name,
	ANAROS_HOOKS(ANAROS_HOOK, ANAROS_HOOK)
#undef ANAROS_HOOK
	    ANAROS_HOOK_COUNT
};

#endif
