/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the kernel. The shim never calls a function that it interposes,
 * and never touches errno: everything here returns a result or -errno.
 */
#ifndef ANAROS_SYS_H
#define ANAROS_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "anaros: this architecture has no system call stub yet"
#endif

#define SYS3(n, a, b, c) sys_call6((n), (long)(a), (long)(b), (long)(c), 0, 0, 0)

static inline int sys_open(const char *path, int flags)
{
	return (int)sys_call6(SYS_openat, -100 /* AT_FDCWD */, (long)path, flags, 0, 0, 0);
}

static inline int sys_close(int fd)
{
	return (int)SYS3(SYS_close, fd, 0, 0);
}

static inline long sys_read(int fd, void *buffer, size_t size)
{
	return SYS3(SYS_read, fd, buffer, size);
}

static inline long sys_write(int fd, const void *buffer, size_t size)
{
	return SYS3(SYS_write, fd, buffer, size);
}

static inline void *sys_mmap(void *at, size_t size, int protection, int flags, int fd, long offset)
{
	return (void *)sys_call6(SYS_mmap, (long)at, (long)size, protection, flags, fd, offset);
}

static inline int sys_mmap_failed(const void *at)
{
	return (uintptr_t)at > (uintptr_t)-4096;
}

static inline int sys_munmap(void *at, size_t size)
{
	return (int)SYS3(SYS_munmap, at, size, 0);
}

static inline int sys_madvise(void *at, size_t size, int advice)
{
	return (int)SYS3(SYS_madvise, at, size, advice);
}

static inline int sys_getpid(void)
{
	return (int)SYS3(SYS_getpid, 0, 0, 0);
}

static inline int sys_getppid(void)
{
	return (int)SYS3(SYS_getppid, 0, 0, 0);
}

static inline int sys_gettid(void)
{
	return (int)SYS3(SYS_gettid, 0, 0, 0);
}

static inline int sys_futex_wake(uint32_t *word, int count)
{
	return (int)SYS3(SYS_futex, word, 1 /* FUTEX_WAKE, shared */, count);
}

static inline long sys_readlink(const char *path, char *buffer, size_t size)
{
	return sys_call6(SYS_readlinkat, -100, (long)path, (long)buffer, (long)size, 0, 0);
}

static inline int sys_accessible(const char *path)
{
	/* F_OK, judged by the effective ids: an exec happens under those. */
	long result = sys_call6(SYS_faccessat2, -100, (long)path, 4, 0x200, 0, 0);

	if (result == -38) /* ENOSYS: before Linux 5.8 */
		result = sys_call6(SYS_faccessat, -100, (long)path, 4, 0, 0, 0);
	return result == 0;
}

#endif
