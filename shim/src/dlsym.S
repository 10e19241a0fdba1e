/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlsym. The C library takes the caller of dlsym from its return address:
 * RTLD_NEXT means "behind the object that called". So the real dlsym must be
 * reached by a jump, with the program's own return address on top. A call
 * from here would make every RTLD_NEXT start behind the shim, and another
 * interposer would find itself and recurse for ever.
 *
 * anaros_dlsym_pick(handle, name) says where to jump.
 */
#if defined(__x86_64__)
#include <cet.h>
	.text
	.globl dlsym
	.type dlsym, @function
	.p2align 4
dlsym:
	.cfi_startproc
	_CET_ENDBR
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	anaros_dlsym_pick
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
	.cfi_endproc
	.size dlsym, . - dlsym
#elif defined(__aarch64__)
	.text
	.globl dlsym
	.type dlsym, %function
	.p2align 4
dlsym:
	.cfi_startproc
	hint	#34 /* bti c */
	stp	x29, x30, [sp, #-32]!
	.cfi_def_cfa_offset 32
	.cfi_offset 29, -32
	.cfi_offset 30, -24
	mov	x29, sp
	stp	x0, x1, [sp, #16]
	bl	anaros_dlsym_pick
	mov	x16, x0
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_def_cfa_offset 0
	.cfi_restore 29
	.cfi_restore 30
	br	x16
	.cfi_endproc
	.size dlsym, . - dlsym
#else
#error "anaros: this architecture has no dlsym jump yet"
#endif
	.section .note.GNU-stack, "", %progbits
