/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files that make rare_write() share, and nobody else. */
#ifndef _MM_RARE_WRITE_H
#define _MM_RARE_WRITE_H

#include <linux/rare_write.h>

/*
 * A module's region, which this page follows. It is sealed with the region but
 * is no part of it: no write that a user of rare_write() was tricked into can
 * change what is accepted.
 */
struct rare_write_region {
	const volatile struct rare_write_region *next;
	u64 self;		/* the alias entry for this page */
	struct module *mod;
	unsigned long start;
	unsigned long size;
	u64 entry[];		/* the alias entries for the region's pages */
};

/* Changed under module_mutex, read with interrupts off or under RCU. */
extern __wr_rare_type struct rare_write_region * __wr_rare_type rare_write_regions;

/* Plain stores are logged and let through: see rare_write_fault(). */
extern bool rare_write_report_only;

#endif /* _MM_RARE_WRITE_H */
