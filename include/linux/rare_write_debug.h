/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A look behind rare_write(), for its tests and its sample.
 */
#ifndef _LINUX_RARE_WRITE_DEBUG_H
#define _LINUX_RARE_WRITE_DEBUG_H

#include <linux/types.h>

/* Write-rare data of the kernel itself that tests may change; in any kernel. */
extern const volatile unsigned long rare_write_probe;

struct rare_write_entry {
	u64 val;
	unsigned long size;
	bool writable;
};

unsigned long rare_write_debug_mismatches(void);
struct rare_write_entry rare_write_debug_entry(unsigned long addr);
unsigned long rare_write_debug_alias(void);
u64 rare_write_debug_private(int cpu);
bool rare_write_debug_modules_sealed(void);

#endif /* _LINUX_RARE_WRITE_DEBUG_H */
