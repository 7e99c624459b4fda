/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sysctl handlers for write-rare variables: the words to change in a table.
 *
 *   static __wr_rare_type char path[64] __wr_rare = "/sbin/helper";
 *
 *   static struct ctl_table table[] __ro_after_init = {
 *           {
 *                   .procname     = "helper",
 *                   .data         = (void *)path,
 *                   .maxlen       = sizeof(path),
 *                   .mode         = 0644,
 *                   .proc_handler = proc_rare_dostring,
 *           },
 *   };
 *
 * Each does exactly what the handler does that it is named after, in values,
 * offsets, limits and errors; only the store goes through rare_write(). A write may
 * also fail with -ENOMEM.
 *
 * The table must be read-only: const or __ro_after_init in the kernel, write-rare in
 * a module, and then for variables of that module. It is as good a target as the
 * variable: who can change its mode may write as anybody, and who can make up an
 * entry with one of these handlers may write to whatever is write-rare. So a write by
 * way of any other entry is a BUG(), and so is one by another handler than that of the
 * entry: a handler of one's own that has one of these do the work calls what
 * rare_sysctl_handler.h has, and one that writes by itself calls rare_sysctl_check() before.
 * What extra1 and extra2 point to should be read-only, too.
 */
#ifndef _LINUX_RARE_SYSCTL_H
#define _LINUX_RARE_SYSCTL_H

#include <linux/module.h>
#include <linux/rare_write_types.h>
#include <linux/sysctl.h>

#if RARE_WRITE_IS_ON
void rare_sysctl_check_owner(const struct ctl_table *table, const struct module *mod);
int proc_rare_dostring(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
		       loff_t *ppos);
int proc_rare_dobool(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
		     loff_t *ppos);
int proc_rare_dointvec(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
		       loff_t *ppos);
int proc_rare_douintvec(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
			loff_t *ppos);
int proc_rare_dointvec_minmax(const struct ctl_table *table, int write, void *buffer,
			      size_t *lenp, loff_t *ppos);
#else
static inline void rare_sysctl_check_owner(const struct ctl_table *table, const struct module *mod)
{
}

#define proc_rare_dostring		proc_dostring
#define proc_rare_dobool		proc_dobool
#define proc_rare_dointvec		proc_dointvec
#define proc_rare_douintvec		proc_douintvec
#define proc_rare_dointvec_minmax	proc_dointvec_minmax
#endif

/**
 * rare_sysctl_check - BUG() unless an entry is as it was compiled, or this module made it
 * @table: the entry
 *
 * For a handler of one's own, before it writes: by then it is sure that @table is an
 * entry which somebody wrote for such a handler.
 *
 * Context: Any but NMI. BUG()s if @table is neither read-only data of the kernel, other
 * than write-rare, nor write-rare data of the module that asks.
 */
static __always_inline void rare_sysctl_check(const struct ctl_table *table)
{
	rare_sysctl_check_owner(table, THIS_MODULE);
}

#endif /* _LINUX_RARE_SYSCTL_H */
