/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sysctl handlers of one's own for write-rare variables, which do what one of those in
 * rare_sysctl.h does, and something else as well:
 *
 *   static int my_handler(const struct ctl_table *table, int write, void *buffer,
 *                         size_t *lenp, loff_t *ppos)
 *   {
 *           if (write && !capable(CAP_SYS_ADMIN))
 *                   return -EPERM;
 *           return proc_rare_dointvec_of(my_handler, table, write, buffer, lenp, ppos);
 *   }
 *
 * Until the value is stored, the address of the entry is in memory each time that
 * something is called. Who changes it there could choose another entry, whose handler asks
 * for more, or takes no value that this one takes. That is why the store looks for the name
 * of its handler in the entry, and why these are inlined: in the code, the name is a
 * constant that nobody can change.
 */
#ifndef _LINUX_RARE_SYSCTL_HANDLER_H
#define _LINUX_RARE_SYSCTL_HANDLER_H

#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/rare_sysctl.h>
#include <linux/rare_write.h>
#include <linux/slab.h>
#include <asm/sections.h>

#if RARE_WRITE_IS_ON

void rare_sysctl_check_data(const struct ctl_table *table);
char *rare_sysctl_parse_string(const struct ctl_table *table, void *buffer, size_t *lenp,
			       loff_t *ppos, size_t *len, int *ret);
int *rare_sysctl_copy_ints(const struct ctl_table *table, struct ctl_table *shadow, int *n);

/* Is this read-only data of the kernel other than write-rare? A module has none. */
static __always_inline bool rare_sysctl_is_fixed(unsigned long addr)
{
#ifdef MODULE
	return false;
#else
	return is_kernel_rodata(addr) && (addr < (unsigned long)__start_rare_write ||
					  addr >= (unsigned long)__end_rare_write_core);
#endif
}

/*
 * With interrupts off: the entry by an address that comes from memory this once, and of
 * which the compiler does not know what was found out before.
 */
static __always_inline const struct ctl_table *rare_sysctl_again(const struct ctl_table *table)
{
	OPTIMIZER_HIDE_VAR(table);
	return table;
}

/* Where @table says that its @len bytes from @offset on are, if it has this handler. */
static __always_inline __wr_rare_type void *
rare_sysctl_data(proc_handler *handler, const struct ctl_table *table, size_t offset, size_t len)
{
	BUG_ON(READ_ONCE(table->proc_handler) != handler);
	BUG_ON(offset + len > READ_ONCE(table->maxlen));
	return READ_ONCE(table->data) + offset;
}

/*
 * Where @table, of rare_sysctl_again(), says that its @len bytes from @offset on are. BUG()s
 * unless it is read-only, has this handler, and as many bytes. To be used at once: for an
 * entry of the kernel nothing is called in between that could put the answer on the stack.
 * For that of a module there is a call. It may be another entry afterwards, but one that
 * leads to data of the kernel it is not, when it is asked.
 */
static __always_inline __wr_rare_type void *
rare_sysctl_target(proc_handler *handler, const struct ctl_table *table, size_t offset, size_t len)
{
	unsigned long first = __rare_addr(table), last = first + sizeof(*table) - 1;
	__wr_rare_type void *data;

	if (rare_sysctl_is_fixed(first) && rare_sysctl_is_fixed(last))
		return rare_sysctl_data(handler, table, offset, len);

	rare_sysctl_check_data(table);
	data = rare_sysctl_data(handler, table, offset, len);
	BUG_ON(__rare_addr(data) - rare_write_image.start < rare_write_image.size);
	return data;
}

/* Is it what @table, which is read-only, allows? Asked by proc_dointvec_minmax() as well. */
static __always_inline bool rare_sysctl_in_range(const struct ctl_table *table, int val)
{
	const int *min = READ_ONCE(table->extra1), *max = READ_ONCE(table->extra2);

	return (!min || val >= READ_ONCE(*min)) && (!max || val <= READ_ONCE(*max));
}

/* What @parse does; of what is written it may take only some integers, which are stored here. */
static __always_inline int
rare_sysctl_ints(proc_handler *handler, proc_handler *parse, const struct ctl_table *table,
		 int write, void *buffer, size_t *lenp, loff_t *ppos)
{
	const struct ctl_table *entry;
	__wr_rare_type int *data;
	struct ctl_table shadow;
	int *old, n, ret, val;

	if (!write)
		return parse(table, write, buffer, lenp, ppos);
	old = rare_sysctl_copy_ints(table, &shadow, &n);
	if (IS_ERR(old))
		return PTR_ERR(old);
	ret = parse(&shadow, 1, buffer, lenp, ppos);
	/* Up to an error they count. Others stay, whoever may be writing them. */
	for (int i = 0; i < n; i++) {
		if (READ_ONCE(old[n + i]) == old[i])
			continue;
		guard(irqsave)();
		entry = rare_sysctl_again(table);
		val = READ_ONCE(old[n + i]);
		data = rare_sysctl_target(handler, entry, i * sizeof(int), sizeof(int));
		/* It was in memory, and what only goes up must not come down. */
		if (parse == proc_dointvec_minmax && !rare_sysctl_in_range(entry, val)) {
			ret = -EINVAL;
			break;
		}
		rare_write(*data, val);
	}
	kfree(old);
	return ret;
}

/**
 * proc_rare_dostring_of - proc_rare_dostring() for a handler of one's own
 * @handler: the name of that handler, which calls this
 * @table: the entry, which is read-only, and has this handler
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not as it has to be, or what it leads
 * to is not write-rare.
 * Return: as proc_dostring(), or -ENOMEM.
 */
static __always_inline int
proc_rare_dostring_of(proc_handler *handler, const struct ctl_table *table, int write,
		      void *buffer, size_t *lenp, loff_t *ppos)
{
	__wr_rare_type void *data;
	size_t size, len;
	char *new;
	int ret;

	if (!write)
		return proc_dostring(table, write, buffer, lenp, ppos);
	new = rare_sysctl_parse_string(table, buffer, lenp, ppos, &size, &ret);
	if (new) {
		rare_write_begin();
		/* Once, as the entry: it is compared with the room that there is. */
		len = READ_ONCE(size);
		data = rare_sysctl_target(handler, rare_sysctl_again(table), 0, len);
		__rare_write_n(data, new, len, false);
		rare_write_end();
		kfree(new);
	}
	return ret;
}

/**
 * proc_rare_dointvec_of - proc_rare_dointvec() for a handler of one's own
 * @handler: the name of that handler, which calls this
 * @table: the entry, which is read-only, and has this handler
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not as it has to be, or what it leads
 * to is not write-rare.
 * Return: as proc_dointvec(), or -ENOMEM.
 */
static __always_inline int
proc_rare_dointvec_of(proc_handler *handler, const struct ctl_table *table, int write,
		      void *buffer, size_t *lenp, loff_t *ppos)
{
	return rare_sysctl_ints(handler, proc_dointvec, table, write, buffer, lenp, ppos);
}

/**
 * proc_rare_dointvec_minmax_of - proc_rare_dointvec_minmax() for a handler of one's own
 * @handler: the name of that handler, which calls this
 * @table: the entry, which is read-only, and has this handler
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not as it has to be, or what it leads
 * to is not write-rare.
 * Return: as proc_dointvec_minmax(), or -ENOMEM.
 */
static __always_inline int
proc_rare_dointvec_minmax_of(proc_handler *handler, const struct ctl_table *table, int write,
			     void *buffer, size_t *lenp, loff_t *ppos)
{
	return rare_sysctl_ints(handler, proc_dointvec_minmax, table, write, buffer, lenp, ppos);
}

#else

static inline int proc_rare_dostring_of(proc_handler *handler, const struct ctl_table *table,
					int write, void *buffer, size_t *lenp, loff_t *ppos)
{
	return proc_dostring(table, write, buffer, lenp, ppos);
}

static inline int proc_rare_dointvec_of(proc_handler *handler, const struct ctl_table *table,
					int write, void *buffer, size_t *lenp, loff_t *ppos)
{
	return proc_dointvec(table, write, buffer, lenp, ppos);
}

static inline int proc_rare_dointvec_minmax_of(proc_handler *handler,
					       const struct ctl_table *table, int write,
					       void *buffer, size_t *lenp, loff_t *ppos)
{
	return proc_dointvec_minmax(table, write, buffer, lenp, ppos);
}

#endif /* RARE_WRITE_IS_ON */

#endif /* _LINUX_RARE_SYSCTL_HANDLER_H */
