/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rare_write() on x86-64: one of two backends behind the same functions, and the
 * store that they share. The benchmark asks for the CR0 one in a kernel that has
 * the other.
 */
#ifndef _ASM_X86_RARE_WRITE_H
#define _ASM_X86_RARE_WRITE_H

#include <linux/types.h>

#if defined(CONFIG_RARE_WRITE_CR0) || defined(RARE_WRITE_BENCH_CR0)
#include <asm/rare_write_cr0.h>
#else
#include <asm/rare_write_alias.h>
#endif

/*
 * One store of @size bytes. In assembly, so that no sanitizer looks for shadow
 * memory of the alias and no compiler splits or merges the store. TSO makes it
 * a store-release too; the clobber stops the compiler from moving it.
 */
static __always_inline void __arch_rare_write_store(void *ptr, u64 val, size_t size)
{
	switch (size) {
	case 1:
		asm volatile("movb %b1, %0" : "=m" (*(u8 *)ptr) : "qi" ((u8)val) : "memory");
		break;
	case 2:
		asm volatile("movw %w1, %0" : "=m" (*(u16 *)ptr) : "ri" ((u16)val) : "memory");
		break;
	case 4:
		asm volatile("movl %k1, %0" : "=m" (*(u32 *)ptr) : "ri" ((u32)val) : "memory");
		break;
	case 8:
		asm volatile("movq %1, %0" : "=m" (*(u64 *)ptr) : "re" (val) : "memory");
		break;
	}
}

#define __arch_rare_write_store_release	__arch_rare_write_store

#endif /* _ASM_X86_RARE_WRITE_H */
