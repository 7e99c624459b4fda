// SPDX-License-Identifier: GPL-2.0-only
/*
 * The private TTBR0 tables behind rare_write() on arm64. The window itself is
 * inline, in <asm/rare_write.h>, which also says why this is safe.
 */
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/rare_write.h>
#include <asm/pgalloc.h>

pteval_t arch_rare_write_prot __ro_after_init;
EXPORT_SYMBOL_GPL(arch_rare_write_prot);

__wr_rare_type struct arch_rare_write_tables arch_rare_write_tables[NR_CPUS] __wr_rare_core;
EXPORT_SYMBOL_GPL(arch_rare_write_tables);

/* arch_rare_write_init - work out how the alias is mapped */
void __init arch_rare_write_init(void)
{
	/* Untagged memory type: the alias carries no MTE tag to check. */
	arch_rare_write_prot = pgprot_val(PAGE_KERNEL) | PTE_NG;
}

/**
 * arch_rare_write_prepare - build the private tables of one CPU
 * @tables: filled in on success
 *
 * Context: May sleep.
 * Return: 0, or -ENOMEM with nothing left allocated.
 */
int arch_rare_write_prepare(struct arch_rare_write_tables *tables)
{
	unsigned long addr = ARCH_RARE_WRITE_ALIAS;
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	pgd = pgd_alloc(&init_mm);
	if (!pgd)
		return -ENOMEM;

	p4d = p4d_alloc(&init_mm, pgd_offset_pgd(pgd, addr), addr);
	if (!p4d)
		goto err_pgd;
	pud = pud_alloc(&init_mm, p4d, addr);
	if (!pud)
		goto err_p4d;
	pmd = pmd_alloc(&init_mm, pud, addr);
	if (!pmd)
		goto err_pud;
	tables->ptep = pte_alloc_kernel(pmd, addr);
	if (!tables->ptep)
		goto err_pmd;

	/* No CnP: these translations are nobody else's. */
	tables->ttbr0 = phys_to_ttbr(virt_to_phys(pgd));
	return 0;

	/* Freeing a level that is folded away does nothing. */
err_pmd:
	pmd_free(&init_mm, PTR_ALIGN_DOWN(pmd, PAGE_SIZE));
	mm_dec_nr_pmds(&init_mm);
err_pud:
	pud_free(&init_mm, PTR_ALIGN_DOWN(pud, PAGE_SIZE));
	mm_dec_nr_puds(&init_mm);
err_p4d:
	p4d_free(&init_mm, PTR_ALIGN_DOWN(p4d, PAGE_SIZE));
err_pgd:
	pgd_free(&init_mm, pgd);
	return -ENOMEM;
}

/**
 * arch_rare_write_restore - load what should be, from inside a window
 *
 * For an oops, which does not have what the window saved. Leaving the identity
 * map is the same problem, and solved.
 *
 * Context: Interrupts off.
 */
void arch_rare_write_restore(void)
{
	cpu_uninstall_idmap();
}
