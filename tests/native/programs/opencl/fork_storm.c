// SPDX-License-Identifier: Apache-2.0
/*
 * Description: children that are forked while other threads call OpenCL from
 * places that the shim has not met, ask for functions by name, and load and
 * unload libraries, make the same calls, compute the same and end; what the
 * threads did is recorded as if nobody had forked.
 */
#include "opencl_test.h"

#include <pthread.h>

#define ITEMS    64u
#define THREADS  3
#define CHILDREN 200
/* More than the shim keeps, so that it looks up again where some of them are. */
#define SITES 8192

static struct harness harness;
static struct cl cl;
static int done;

/* Calls a function with one argument from SITES places: here one that leaves no record. */
void from_many(void *function, void *argument);
#if defined(__x86_64__)
__asm__(".text\n.type from_many, @function\nfrom_many:\n"
	"push %rbx\npush %r12\npush %rbp\nmov %rdi, %rbx\nmov %rsi, %r12\n"
	".rept 8192\nmov %r12, %rdi\ncall *%rbx\n.endr\n"
	"pop %rbp\npop %r12\npop %rbx\nret\n.size from_many, . - from_many\n");
#else
__asm__(".text\n.type from_many, %function\nfrom_many:\n"
	"stp x29, x30, [sp, #-32]!\nstp x19, x20, [sp, #16]\nmov x19, x0\nmov x20, x1\n"
	".rept 8192\nmov x0, x20\nblr x19\n.endr\n"
	"ldp x19, x20, [sp, #16]\nldp x29, x30, [sp], #32\nret\n.size from_many, . - from_many\n");
#endif

static void compute(const struct cl *own)
{
	float x[ITEMS], y[ITEMS];
	size_t items = ITEMS;
	void *kernel = cl_kernel(own), *in = cl_buffer(own, 0, sizeof(x)),
	     *out = cl_buffer(own, 0, sizeof(y));

	for (unsigned int i = 0; i < ITEMS; i++)
		x[i] = (float)i / 3;
	OK(CL(own->library, clSetKernelArg, void *, unsigned int, size_t, void *)(kernel, 0,
										  sizeof(in), &in));
	OK(CL(own->library, clSetKernelArg, void *, unsigned int, size_t,
	      void *)(kernel, 1, sizeof(out), &out));
	OK(CL(own->library, clEnqueueWriteBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(own->queue, in, 1, 0, sizeof(x), x, NONE));
	OK(CL(own->library, clEnqueueNDRangeKernel, void *, void *, unsigned int, void *, size_t *,
	      void *, WAITS)(own->queue, kernel, 1, NULL, &items, NULL, NONE));
	OK(CL(own->library, clEnqueueReadBuffer, void *, void *, int, size_t, size_t, void *,
	      WAITS)(own->queue, out, 1, 0, sizeof(y), y, NONE));
	for (unsigned int i = 0; i < ITEMS; i++)
		CHECK(y[i] == x[i] + 1);
	OK(CL(own->library, clReleaseMemObject, void *)(in));
	OK(CL(own->library, clReleaseMemObject, void *)(out));
}

static void *works(void *unused)
{
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		from_many(cl_symbol(cl.library, "clRetainCommandQueue"), cl.queue);
		CHECK(cl_extension(cl.library, "clEnqueueMemcpyINTEL") != NULL);
		compute(&cl);
	}
	return unused;
}

/* Something else that is loaded and unloaded all the time. */
static void *loads(void *unused)
{
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		void *library = dlopen(SIM "inside.so", RTLD_NOW | RTLD_LOCAL);

		CHECK(library != NULL);
		OK(dlclose(library));
	}
	return unused;
}

static int in_child(void)
{
	uint64_t before = sim_calls(cl.driver, "clRetainCommandQueue");

	alarm(120);
	from_many(cl_symbol(cl.library, "clRetainCommandQueue"), cl.queue);
	CHECK_EQUAL(sim_calls(cl.driver, "clRetainCommandQueue"), before + SITES);
	CHECK(cl_extension(cl.library, "clEnqueueMemFillINTEL") != NULL);
	compute(&cl);
	OK(CL(cl.library, clFinish, void *)(cl.queue));
	return 0;
}

static uint64_t of(pid_t pid, uint16_t kind)
{
	return harness_count(&harness, (struct wanted){.pid = (uint32_t)pid, .kind = kind});
}

static void matches(uint16_t kind, const char *function)
{
	CHECK_EQUAL(of(getpid(), kind), sim_calls(cl.driver, function));
}

int main(void)
{
	pthread_t threads[THREADS];
	pid_t children[CHILDREN];

	harness = harness_open();
	cl = cl_begin(SIM_LOADER, 0);
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, i == 0 ? loads : works, NULL));
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(in_child());
		CHECK_EQUAL(harness_wait(children[i]), 0);
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		OK(pthread_join(threads[i], NULL));
	matches(ANAROS_KIND_GPU_LAUNCH, "clEnqueueNDRangeKernel");
	matches(ANAROS_KIND_GPU_COPY_H2D, "clEnqueueWriteBuffer");
	matches(ANAROS_KIND_GPU_COPY_D2H, "clEnqueueReadBuffer");
	matches(ANAROS_KIND_GPU_ALLOC, "clCreateBuffer");
	for (int i = 0; i < CHILDREN; i++) {
		CHECK_EQUAL(of(children[i], ANAROS_KIND_GPU_LAUNCH), 1);
		CHECK_EQUAL(of(children[i], ANAROS_KIND_GPU_SYNC), 1);
	}
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
