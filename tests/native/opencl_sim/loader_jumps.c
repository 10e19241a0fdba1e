// SPDX-License-Identifier: Apache-2.0
/* Every function as a jump through the table of its first argument; loader.c replaces a few. */
#include "opencl/dispatch.h"

#define TEXT(number)  #number
#define PLACE(number) TEXT(number)
#if defined(__x86_64__)
#define JUMP(name, version)                                                                        \
	__asm__(".text\n.weak " #name "\n.type " #name ", @function\n" #name ":\n"                 \
		"endbr64\nmov (%rdi), %r11\njmp *8*" PLACE(__COUNTER__) "(%r11)\n"                 \
									".size " #name             \
									", . - " #name "\n");
#else
#define JUMP(name, version)                                                                        \
	__asm__(".text\n.weak " #name "\n.type " #name ", %function\n" #name ":\n"                 \
		"hint #34\nldr x16, [x0]\nldr x16, [x16, #8*" PLACE(__COUNTER__) "]\nbr x16\n"     \
										 ".size " #name    \
										 ", . - " #name    \
										 "\n");
#endif
ANAROS_OPENCL_DISPATCH(JUMP)
