// SPDX-License-Identifier: Apache-2.0
/*
 * Description: dlsym and OpenCL's own resolvers find what they would without
 * the shim, and a function that this release does not know passes, counted.
 */
#include "opencl_test.h"

static void not_found(void *handle, const char *name)
{
	const char *message;

	dlerror();
	CHECK(dlsym(handle, name) == NULL);
	message = dlerror();
	CHECK(message != NULL && strstr(message, name) != NULL);
}

static bool lies_in(const void *function, const char *file)
{
	Dl_info info;

	return dladdr(function, &info) != 0 && strstr(info.dli_fname, file) != NULL;
}

int main(void)
{
	struct harness harness = harness_open();
	void *own = dlopen(NULL, RTLD_NOW), *library, *driver;
	struct cl cl;

	not_found(RTLD_DEFAULT, "clFinish");
	not_found(RTLD_NEXT, "clFinish");
	not_found(own, "clEnqueueNDRangeKernel");
	not_found(RTLD_DEFAULT, "clEnqueueMemcpyINTEL");
	library = cl_open(SIM_LOADER);
	not_found(own, "clFinish");
	not_found(library, "clFinishX");
	not_found(library, "clEnqueueMemcpyINTEL");
	CHECK(lies_in(cl_symbol(library, "clFinish"), "libanaros"));
	CHECK(lies_in(cl_symbol(library, "clSetKernelArg"), "libOpenCL"));
	cl = cl_begin(SIM_LOADER, 0);
	CHECK(lies_in(cl_extension(library, "clEnqueueMemcpyINTEL"), "libanaros"));
	CHECK(cl_extension(library, "clEnqueueMemcpyINTEL") ==
	      CLP(library, clGetExtensionFunctionAddressForPlatform, void *,
		  const char *)(cl.platform, "clEnqueueMemcpyINTEL"));
	CHECK(lies_in(cl_extension(library, "clSetKernelArgMemPointerINTEL"), "libsimcl"));
	CHECK(CLP(library, clGetExtensionFunctionAddress, const char *)("clNobodyKnows") == NULL);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(CLE(library, clFutureSIM, void)(), 7);
	CHECK_EQUAL(harness.shared->unhooked, 1);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_UNKNOWN).count, 1);
	/* A driver that is asked directly has entries of its own. */
	driver = cl_open(SIM_FULL);
	CHECK(lies_in(cl_extension(driver, "clFinish"), "libanaros"));
	CHECK(cl_extension(driver, "clFinish") == dlsym(driver, "clFinish"));
	CHECK(cl_extension(driver, "clFinish") != dlsym(library, "clFinish"));
	return 0;
}
