/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlsym and dlopen. The C library takes their caller from the return address:
 * RTLD_NEXT means "behind the object that called", and a library is searched
 * by the run path of that object. So the real ones must be reached by a jump,
 * with the program's own return address on top. A call from here would make
 * every RTLD_NEXT start behind the shim, and another interposer would find
 * itself and recurse for ever.
 *
 * anaros_dlsym_pick and anaros_dlopen_pick get the same two arguments and the
 * return address, and say where to jump.
 *
 * They have the versions of the C library's own. An interposer that wraps
 * dlsym asks for the next one by version, for it cannot use what it defines
 * itself; without a version ours would be passed over.
 */
#include "core/versions.h"

#if defined(__x86_64__)
#include <cet.h>
	.macro jump name, pick
	.globl anaros_\name
	.type anaros_\name, @function
	.p2align 4
anaros_\name:
	.cfi_startproc
	_CET_ENDBR
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	movq	24(%rsp), %rdx
	call	\pick
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
	.cfi_endproc
	.size anaros_\name, . - anaros_\name
	.endm
#elif defined(__aarch64__)
	.macro jump name, pick
	.globl anaros_\name
	.type anaros_\name, %function
	.p2align 4
anaros_\name:
	.cfi_startproc
	hint	#34 /* bti c */
	stp	x29, x30, [sp, #-32]!
	.cfi_def_cfa_offset 32
	.cfi_offset 29, -32
	.cfi_offset 30, -24
	mov	x29, sp
	stp	x0, x1, [sp, #16]
	mov	x2, x30
	bl	\pick
	mov	x16, x0
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_def_cfa_offset 0
	.cfi_restore 29
	.cfi_restore 30
	br	x16
	.cfi_endproc
	.size anaros_\name, . - anaros_\name
	.endm
#else
#error "anaros: this architecture has no jump to dlsym yet"
#endif
	.macro versioned name
	.globl anaros_first_\name
	.set anaros_first_\name, anaros_\name
	.symver anaros_first_\name, \name\()@FIRST_VERSION
	.symver anaros_\name, \name\()@@GLIBC_2.34
	.endm
	.text
	jump dlsym, anaros_dlsym_pick
	jump dlopen, anaros_dlopen_pick
	versioned dlsym
	versioned dlopen
	.section .note.GNU-stack, "", %progbits
