/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rest of the kernel has to do with rare_write(): the boot, fault, NMI
 * and oops paths, and the module loader. Not for users of write-rare data, who
 * include <linux/rare_write.h>; apart from it so that low-level code can.
 */
#ifndef _LINUX_RARE_WRITE_ACTIVE_H
#define _LINUX_RARE_WRITE_ACTIVE_H

#include <linux/types.h>

struct module;
struct pt_regs;

#ifdef CONFIG_RARE_WRITE

bool rare_write_active(void);
void rare_write_abort(void);
bool rare_write_fault(unsigned long addr, struct pt_regs *regs);
void rare_write_report(void);

unsigned int rare_write_module_size(unsigned int size);
int rare_write_module_prepare(struct module *mod);
int rare_write_module_add(struct module *mod);
void rare_write_module_del(struct module *mod);

#else

static inline bool rare_write_active(void)
{
	return false;
}

static inline void rare_write_abort(void)
{
}

static inline bool rare_write_fault(unsigned long addr, struct pt_regs *regs)
{
	return false;
}

static inline void rare_write_report(void)
{
}

static inline unsigned int rare_write_module_size(unsigned int size)
{
	return size;
}

static inline int rare_write_module_prepare(struct module *mod)
{
	return 0;
}

static inline int rare_write_module_add(struct module *mod)
{
	return 0;
}

static inline void rare_write_module_del(struct module *mod)
{
}

#endif /* CONFIG_RARE_WRITE */

#endif /* _LINUX_RARE_WRITE_ACTIVE_H */
