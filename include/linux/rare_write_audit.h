/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Look for writable mappings of write-rare data, in all page tables.
 */
#ifndef _LINUX_RARE_WRITE_AUDIT_H
#define _LINUX_RARE_WRITE_AUDIT_H

#include <linux/types.h>

/* A writable mapping of a write-rare page. */
struct rare_write_found {
	unsigned long addr;	/* where the page is writable */
	unsigned long page;	/* where it should be read-only, and only there */
	unsigned long size;	/* of the entry that maps it */
	int cpu;		/* whose private tables have it, or -1 */
};

/**
 * struct rare_write_audit - what an audit found
 * @pages: number of write-rare pages, those that describe regions included
 * @in_modules: how many of these are in modules
 * @mappings: how often they are mapped
 * @writable: how many of these mappings are writable
 * @missing: how many that must be there were not seen: the audit was blind
 * @foreign: entries in private tables that differ from the kernel's own
 * @found: the first of the writable ones
 */
struct rare_write_audit {
	unsigned long pages;
	unsigned long in_modules;
	unsigned long mappings;
	unsigned long writable;
	unsigned long missing;
	unsigned long foreign;
	struct rare_write_found found[32];
};

#ifdef CONFIG_RARE_WRITE_AUDIT
int rare_write_audit(struct rare_write_audit *audit);
void rare_write_audit_boot(void);
#else
static inline void rare_write_audit_boot(void)
{
}
#endif

#endif /* _LINUX_RARE_WRITE_AUDIT_H */
