// SPDX-License-Identifier: Apache-2.0
/* Images, modules and libraries. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module.h"

/* All that were ever loaded: a worker may run the code of those unloaded. */
static struct sim_module *modules;
static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;

/* The kernels that a shared object exports, in the order of its table. */
static void read_names(const Elf64_Ehdr *image, struct sim_module *module)
{
	const uint8_t *bytes = (const uint8_t *)image;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(bytes + image->e_shoff);
	size_t prefix = strlen(SIM_KERNEL_SYMBOL);

	for (unsigned int i = 0; i < image->e_shnum; i++) {
		const Elf64_Sym *symbols = (const Elf64_Sym *)(bytes + sections[i].sh_offset);
		const char *strings;

		if (sections[i].sh_type != SHT_DYNSYM)
			continue;
		strings = (const char *)bytes + sections[sections[i].sh_link].sh_offset;
		for (size_t k = 0; k < sections[i].sh_size / sizeof(*symbols); k++) {
			const char *name = strings + symbols[k].st_name;

			if (symbols[k].st_shndx == SHN_UNDEF ||
			    strncmp(name, SIM_KERNEL_SYMBOL, prefix) != 0)
				continue;
			module->names = realloc(module->names,
						(module->name_count + 1) * sizeof(*module->names));
			module->names[module->name_count++] = strdup(name + prefix);
		}
	}
}

static void builtin_names(struct sim_module *module)
{
	const struct sim_kernel *kernel;

	for (size_t i = 0; (kernel = sim_builtin_at(i)) != NULL; i++) {
		module->names = realloc(module->names, (i + 1) * sizeof(*module->names));
		module->names[module->name_count++] = strdup(kernel->name);
	}
}

static size_t elf_bytes(const Elf64_Ehdr *image)
{
	return image->e_shoff + (size_t)image->e_shnum * image->e_shentsize;
}

static int load_elf(const Elf64_Ehdr *image, struct sim_module *module)
{
	int fd, result = SIM_INVALID_IMAGE;
	char path[32];

	if (image->e_type != ET_DYN)
		return SIM_NO_BINARY_FOR_GPU; /* a real cubin has no host code */
	fd = memfd_create("anaros-sim-image", MFD_CLOEXEC);
	if (fd < 0)
		return SIM_OUT_OF_MEMORY;
	if (write(fd, image, elf_bytes(image)) == (ssize_t)elf_bytes(image)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		module->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (module->object != NULL) {
			read_names(image, module);
			result = SIM_OK;
		}
	}
	close(fd);
	return result;
}

static int load_image(const void *image, struct sim_module *module)
{
	if (image == NULL)
		return SIM_INVALID_VALUE;
	if (memcmp(image, ELFMAG, SELFMAG) == 0)
		return load_elf(image, module);
	if (strncmp(image, SIM_IMAGE_TEXT, strlen(SIM_IMAGE_TEXT)) != 0)
		return SIM_INVALID_IMAGE;
	builtin_names(module);
	return SIM_OK;
}

static int load_file(const char *path, struct sim_module *module)
{
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int result = SIM_INVALID_IMAGE;
	struct stat facts;
	void *image;

	if (fd < 0)
		return SIM_FILE_NOT_FOUND;
	if (fstat(fd, &facts) == 0 && (size_t)facts.st_size > sizeof(Elf64_Ehdr)) {
		image = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (image != MAP_FAILED) {
			result = load_image(image, module);
			munmap(image, (size_t)facts.st_size);
		}
	}
	close(fd);
	return result;
}

static int load(void **handle, const void *image, const char *path, bool is_library)
{
	struct sim_context *context;
	struct sim_module *module;
	int result = !is_library               ? sim_current(&context)
		     : atomic_load(&sim_ready) ? SIM_OK
					       : SIM_NOT_INITIALIZED;

	if (result != SIM_OK)
		return result;
	if (handle == NULL)
		return SIM_INVALID_VALUE;
	module = calloc(1, sizeof(*module));
	module->magic = SIM_MAGIC_MODULE;
	module->is_library = is_library;
	pthread_mutex_init(&module->lock, NULL);
	result = path == NULL ? load_image(image, module) : load_file(path, module);
	if (result != SIM_OK) {
		free(module);
		return result;
	}
	pthread_mutex_lock(&modules_lock);
	module->next = modules;
	modules = module;
	pthread_mutex_unlock(&modules_lock);
	*handle = module;
	return SIM_OK;
}

static int module_of(void *handle, struct sim_module **module)
{
	*module = handle;
	return handle != NULL && (*module)->magic == SIM_MAGIC_MODULE ? SIM_OK : SIM_INVALID_HANDLE;
}

static int unload(void *handle)
{
	struct sim_module *module;
	int result = module_of(handle, &module);

	if (result == SIM_OK)
		module->magic = 0;
	return result;
}

static const struct sim_kernel *find_kernel(const struct sim_module *module, const char *name)
{
	char symbol[256];

	if (module->object == NULL)
		return sim_builtin(name);
	snprintf(symbol, sizeof(symbol), SIM_KERNEL_SYMBOL "%s", name);
	return dlsym(module->object, symbol);
}

/* The same name gives the same handle, as with the real driver. */
int sim_function_get(void **handle, struct sim_module *module, const char *name, bool is_kernel)
{
	const struct sim_kernel *kernel;
	struct sim_function *function;

	if (handle == NULL || name == NULL)
		return SIM_INVALID_VALUE;
	kernel = find_kernel(module, name);
	if (kernel == NULL)
		return SIM_NOT_FOUND;
	pthread_mutex_lock(&module->lock);
	for (function = module->functions; function != NULL; function = function->next)
		if (function->kernel == kernel && function->is_kernel == is_kernel)
			break;
	if (function == NULL) {
		function = calloc(1, sizeof(*function));
		function->magic = SIM_MAGIC_FUNCTION;
		function->kernel = kernel;
		function->module = module;
		function->is_kernel = is_kernel;
		function->next = module->functions;
		module->functions = function;
	}
	pthread_mutex_unlock(&module->lock);
	*handle = function;
	return SIM_OK;
}

static int get_function(void **handle, void *module_handle, const char *name, bool is_kernel)
{
	struct sim_module *module;
	int result = module_of(module_handle, &module);

	return result == SIM_OK ? sim_function_get(handle, module, name, is_kernel) : result;
}

static int get_count(unsigned int *count, void *handle)
{
	struct sim_module *module;
	int result = module_of(handle, &module);

	if (result == SIM_OK)
		*count = (unsigned int)module->name_count;
	return result;
}

static int enumerate(void **functions, unsigned int room, void *handle, bool is_kernel)
{
	struct sim_module *module;
	int result = module_of(handle, &module);

	for (size_t i = 0; result == SIM_OK && i < room && i < module->name_count; i++)
		result = sim_function_get(&functions[i], module, module->names[i], is_kernel);
	return result;
}

static int get_global(uint64_t *address, size_t *bytes, void *handle, const char *name)
{
	const Elf64_Sym *symbol = NULL;
	struct sim_module *module;
	void *found;
	Dl_info info;
	int result = module_of(handle, &module);

	if (result != SIM_OK)
		return result;
	found = module->object != NULL && name != NULL ? dlsym(module->object, name) : NULL;
	if (found == NULL || !dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT))
		return SIM_NOT_FOUND;
	if (address != NULL)
		*address = (uintptr_t)found;
	if (bytes != NULL)
		*bytes = symbol != NULL ? symbol->st_size : 0;
	return SIM_OK;
}

/* A library's module is one more handle on the same kernels. */
static int get_module(void **out, void *handle)
{
	struct sim_module *module;
	int result = module_of(handle, &module);

	if (result != SIM_OK)
		return result;
	pthread_mutex_lock(&module->lock);
	if (module->twin == NULL) {
		module->twin = calloc(1, sizeof(*module->twin));
		module->twin->magic = SIM_MAGIC_MODULE;
		module->twin->object = module->object;
		module->twin->names = module->names;
		module->twin->name_count = module->name_count;
		pthread_mutex_init(&module->twin->lock, NULL);
	}
	pthread_mutex_unlock(&module->lock);
	*out = module->twin;
	return SIM_OK;
}

static int loading_mode(int *mode)
{
	if (mode == NULL)
		return SIM_INVALID_VALUE;
	*mode = 2; /* lazy */
	return SIM_OK;
}

#define JIT                                                                                        \
	int *jit, void **jit_values, unsigned int jit_count, int *options, void **values,          \
	    unsigned int count
#define UNUSED_JIT                                                                                 \
	(void)jit, (void)jit_values, (void)jit_count, (void)options, (void)values, (void)count

SIM_FN(cuModuleLoad, (void **module, const char *path),
       path == NULL ? SIM_INVALID_VALUE : load(module, NULL, path, false))
SIM_FN(cuModuleLoadData, (void **module, const void *image), load(module, image, NULL, false))
SIM_FN(cuModuleLoadDataEx,
       (void **module, const void *image, unsigned int count, int *options, void **values),
       ((void)count, (void)options, (void)values, load(module, image, NULL, false)))
SIM_FN(cuModuleLoadFatBinary, (void **module, const void *image), load(module, image, NULL, false))
SIM_FN(cuModuleUnload, (void *module), unload(module))
SIM_FN(cuModuleGetFunction, (void **function, void *module, const char *name),
       get_function(function, module, name, false))
SIM_FN(cuModuleGetFunctionCount, (unsigned int *count, void *module), get_count(count, module))
SIM_FN(cuModuleEnumerateFunctions, (void **functions, unsigned int room, void *module),
       enumerate(functions, room, module, false))
SIM_FN(cuModuleGetGlobal_v2, (uint64_t * address, size_t *bytes, void *module, const char *name),
       get_global(address, bytes, module, name))
SIM_FN(cuModuleGetLoadingMode, (int *mode), loading_mode(mode))
SIM_FN(cuLibraryLoadData, (void **library, const void *image, JIT),
       (UNUSED_JIT, load(library, image, NULL, true)))
SIM_FN(cuLibraryLoadFromFile, (void **library, const char *path, JIT),
       (UNUSED_JIT, path == NULL ? SIM_INVALID_VALUE : load(library, NULL, path, true)))
SIM_FN(cuLibraryUnload, (void *library), unload(library))
SIM_FN(cuLibraryGetKernel, (void **kernel, void *library, const char *name),
       get_function(kernel, library, name, true))
SIM_FN(cuLibraryGetKernelCount, (unsigned int *count, void *library), get_count(count, library))
SIM_FN(cuLibraryEnumerateKernels, (void **kernels, unsigned int room, void *library),
       enumerate(kernels, room, library, true))
SIM_FN(cuLibraryGetModule, (void **module, void *library), get_module(module, library))
SIM_FN(cuLibraryGetGlobal, (uint64_t * address, size_t *bytes, void *library, const char *name),
       get_global(address, bytes, library, name))
SIM_FN(cuLibraryGetManaged, (uint64_t * address, size_t *bytes, void *library, const char *name),
       get_global(address, bytes, library, name))
SIM_FN(cuLibraryGetUnifiedFunction, (void **function, void *library, const char *name),
       get_function(function, library, name, false))
