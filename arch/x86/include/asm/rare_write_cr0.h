/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rare_write() on x86-64 with CR0.WP off: what the RFC of 2017 did, to compare.
 *
 * A window lets this CPU write to *all* memory that is mapped read-only, by any
 * address, NMI handlers included, and that is why it was refused. Everything
 * else holds: other CPUs are not concerned, and destinations are checked.
 *
 * In assembly of its own, since native_write_cr0() pins WP: the two instructions
 * are a gadget that the alias does without. With CET on, CR0.WP cannot be
 * cleared at all: Kconfig excludes that for kernels that write this way, and the
 * benchmark looks whether CET is on.
 */
#ifndef _ASM_X86_RARE_WRITE_CR0_H
#define _ASM_X86_RARE_WRITE_CR0_H

#include <linux/bug.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

/* What a window remembers between begin and end. */
struct arch_rare_write {
	unsigned long cr0;
};

#define ARCH_RARE_WRITE_NAME	"CR0.WP toggle"

/* No CPU needs anything of its own; the array does not exist. */
struct arch_rare_write_tables {
};

extern const volatile struct arch_rare_write_tables arch_rare_write_tables[];

static inline void arch_rare_write_init(void)
{
}

static inline int arch_rare_write_prepare(struct arch_rare_write_tables *tables)
{
	return 0;
}

static inline bool arch_rare_write_modules_sealed(void)
{
	return true;
}

static __always_inline void __arch_rare_write_cr0(unsigned long cr0)
{
	asm volatile("mov %0, %%cr0" : : "r" (cr0) : "memory");
}

static inline void arch_rare_write_restore(void)
{
	__arch_rare_write_cr0(native_read_cr0() | X86_CR0_WP);
}

static __always_inline struct arch_rare_write_tables
__arch_rare_write_tables_of(unsigned int cpu)
{
	return (struct arch_rare_write_tables){};
}

static __always_inline struct arch_rare_write_tables __arch_rare_write_tables(void)
{
	return (struct arch_rare_write_tables){};
}

static __always_inline bool
__arch_rare_write_ready(struct arch_rare_write_tables tables)
{
	return true;
}

static __always_inline u64 __arch_rare_write_entry(phys_addr_t phys)
{
	return phys;
}

static __always_inline void *__arch_rare_write_ptr(unsigned long dst)
{
	return (void *)dst;
}

static __always_inline bool
__arch_rare_write_loaded(struct arch_rare_write_tables tables)
{
	return !(native_read_cr0() & X86_CR0_WP);
}

static __always_inline u64
__arch_rare_write_mapped(struct arch_rare_write_tables tables)
{
	return 0;
}

static __always_inline struct arch_rare_write
__arch_rare_write_begin(struct arch_rare_write_tables tables, u64 entry)
{
	unsigned long cr0 = native_read_cr0();

	BUG_ON(!(cr0 & X86_CR0_WP));
	__arch_rare_write_cr0(cr0 & ~X86_CR0_WP);
	return (struct arch_rare_write){ cr0 };
}

static __always_inline void
__arch_rare_write_map(struct arch_rare_write_tables tables, u64 entry)
{
}

static __always_inline void
__arch_rare_write_unmap(struct arch_rare_write_tables tables, void *alias)
{
}

/* Of a CR0 from memory only WP counts: all else stays as it is. */
static __always_inline struct arch_rare_write
__arch_rare_write_remembered(struct arch_rare_write saved)
{
	return (struct arch_rare_write){ native_read_cr0() | X86_CR0_WP };
}

static __always_inline void
__arch_rare_write_end(struct arch_rare_write_tables tables,
		      struct arch_rare_write saved, void *alias)
{
	__arch_rare_write_cr0(saved.cr0);
}

#endif /* _ASM_X86_RARE_WRITE_CR0_H */
