// SPDX-License-Identifier: Apache-2.0
/*
 * A second interposer that puts itself at every way to the driver, as limiters
 * of device memory do: it defines dlsym, both ABIs of cuGetProcAddress and a
 * launch, gives those out wherever the driver's were asked for, and takes the
 * real dlsym by its version. More than one entry at a time is a recursion.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int (*launch_function)(void *, unsigned int, unsigned int, unsigned int, unsigned int,
			       unsigned int, unsigned int, unsigned int, void *, void **, void **);
typedef int (*first_resolver)(const char *, void **, int, uint64_t);
typedef int (*second_resolver)(const char *, void **, int, uint64_t, int *);

int foreign_launches, foreign_lookups, foreign_requests;

static __thread int depth;
static launch_function next_launch, next_launch_ptsz;
static first_resolver next_first;
static second_resolver next_second;

int cuLaunchKernel(void *function, unsigned int gx, unsigned int gy, unsigned int gz,
		   unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
		   void *stream, void **values, void **extra);
int cuLaunchKernel_ptsz(void *function, unsigned int gx, unsigned int gy, unsigned int gz,
			unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			void *stream, void **values, void **extra);
int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags);
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
			int *status);

static void *(*real_dlsym(void))(void *, const char *)
{
	static void *(*real)(void *, const char *);
	static const char *const versions[] = {"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.34"};

	for (int i = 0; real == NULL && i < 3; i++)
		*(void **)&real = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
	if (real == NULL)
		abort();
	return real;
}

static void enter(void)
{
	if (++depth > 1)
		abort();
}

/* The next one behind this library, where none was given out in our place. */
static void *next(void **kept, const char *name)
{
	if (*kept == NULL)
		*kept = real_dlsym()(RTLD_NEXT, name);
	if (*kept == NULL)
		abort();
	return *kept;
}

#define LAUNCH(symbol, kept)                                                                       \
	int symbol(void *function, unsigned int gx, unsigned int gy, unsigned int gz,              \
		   unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,         \
		   void *stream, void **values, void **extra)                                      \
	{                                                                                          \
		int result;                                                                        \
                                                                                                   \
		enter();                                                                           \
		foreign_launches++;                                                                \
		result = ((launch_function)next((void **)&(kept), #symbol))(                       \
		    function, gx, gy, gz, bx, by, bz, shared, stream, values, extra);              \
		depth--;                                                                           \
		return result;                                                                     \
	}

LAUNCH(cuLaunchKernel, next_launch)
LAUNCH(cuLaunchKernel_ptsz, next_launch_ptsz)

/* What was found is what we call from now on, and we are what is given out. */
static void *exchange(void *found, void **kept, void *ours)
{
	if (found != NULL && found != ours)
		*kept = found;
	return found != NULL ? ours : NULL;
}

static void exchange_answer(const char *name, void **function, int version, uint64_t flags)
{
	if (function == NULL || *function == NULL || name == NULL)
		return;
	if (strcmp(name, "cuLaunchKernel") == 0 && flags == 2)
		*function = exchange(*function, (void **)&next_launch_ptsz,
				     (void *)(uintptr_t)cuLaunchKernel_ptsz);
	else if (strcmp(name, "cuLaunchKernel") == 0)
		*function =
		    exchange(*function, (void **)&next_launch, (void *)(uintptr_t)cuLaunchKernel);
	else if (strcmp(name, "cuGetProcAddress") == 0 && version >= 12000)
		*function = exchange(*function, (void **)&next_second,
				     (void *)(uintptr_t)cuGetProcAddress_v2);
}

int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags)
{
	int result;

	enter();
	foreign_requests++;
	result = ((first_resolver)next((void **)&next_first, "cuGetProcAddress"))(name, function,
										  version, flags);
	depth--;
	if (result == 0)
		exchange_answer(name, function, version, flags);
	return result;
}

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status)
{
	int result;

	enter();
	foreign_requests++;
	result = ((second_resolver)next((void **)&next_second, "cuGetProcAddress_v2"))(
	    name, function, version, flags, status);
	depth--;
	if (result == 0)
		exchange_answer(name, function, version, flags);
	return result;
}

void *dlsym(void *handle, const char *name)
{
	void *found;

	enter();
	foreign_lookups++;
	found = real_dlsym()(handle, name);
	depth--;
	if (handle == RTLD_NEXT || handle == RTLD_DEFAULT)
		return found;
	if (strcmp(name, "cuLaunchKernel") == 0)
		return exchange(found, (void **)&next_launch, (void *)(uintptr_t)cuLaunchKernel);
	if (strcmp(name, "cuGetProcAddress") == 0)
		return exchange(found, (void **)&next_first, (void *)(uintptr_t)cuGetProcAddress);
	if (strcmp(name, "cuGetProcAddress_v2") == 0)
		return exchange(found, (void **)&next_second,
				(void *)(uintptr_t)cuGetProcAddress_v2);
	return found;
}
