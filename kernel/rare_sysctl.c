// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysctl handlers for write-rare variables.
 *
 * A handler is called through a pointer, so these cannot be inlined, and they
 * write to where their argument says. What is that worth to an attacker who can
 * write kernel memory, but cannot choose what is executed? He makes up an entry, or
 * changes one, with such a handler, the variable of his choice and mode 0666; or he
 * has the inode of a file point to it. Then he writes to the file. That is why a
 * write takes nothing from an entry that anybody could have changed: the entry must
 * be read-only data of the kernel. There are only those that were compiled in, and
 * with these he gets what the sysctl is for: the variable and the limits that it has,
 * and what its handler asks. Its mode is asked before, by code that goes by memory.
 *
 * The kernel's write-rare data is not good enough. Some of it are strings, such as
 * modprobe_path, and root, who may not do everything, makes an entry of one by
 * writing its bytes. A module has no other memory that is known to be read-only, so
 * its entries are write-rare, and lead to write-rare data of that module, or at the
 * worst to that of another one.
 *
 * The value is parsed into ordinary memory by the handler that all others use,
 * given a copy of the entry that leads there. Just the outcome is written. Where to is
 * for the entry to say when that has been done, and not before: the stack is memory as
 * well, and what was found there to be right may be something else by then. So may the
 * entry itself: see rare_sysctl_handler.h, which has the store.
 */
#include <linux/irqflags.h>
#include <linux/rare_sysctl_handler.h>
#include <linux/rare_write.h>
#include <linux/slab.h>

/* For rare_sysctl_check(). NULL is the kernel, and has no entries that are write-rare. */
void rare_sysctl_check_owner(const struct ctl_table *table, const struct module *mod)
{
	unsigned long first = __rare_addr(table), last = first + sizeof(*table) - 1;

	if (rare_sysctl_is_fixed(first) && rare_sysctl_is_fixed(last))
		return;
	BUG_ON(!mod || rare_write_module_of(first) != mod || rare_write_module_of(last) != mod);
}
EXPORT_SYMBOL_GPL(rare_sysctl_check_owner);

/* For handlers that are everybody's: what an entry leads to decides whose it has to be. */
void rare_sysctl_check_data(const struct ctl_table *table)
{
	rare_sysctl_check_owner(table, rare_write_module_of(__rare_addr(READ_ONCE(table->data))));
}
EXPORT_SYMBOL_GPL(rare_sysctl_check_data);

/*
 * What proc_dostring() makes of the string of @table, in memory to be freed: @len bytes are to
 * be written. NULL if none are. @ret is what to return then.
 */
char *rare_sysctl_parse_string(const struct ctl_table *table, void *buffer, size_t *lenp,
			       loff_t *ppos, size_t *len, int *ret)
{
	char *data = READ_ONCE(table->data), *old, *new;
	int maxlen = READ_ONCE(table->maxlen);
	struct ctl_table shadow = *table;

	rare_sysctl_check_data(table);
	if (!data || !maxlen) {
		*ret = proc_dostring(&shadow, 1, buffer, lenp, ppos);
		return NULL;
	}
	/* An array that has no terminator is no reason to read on behind the copy. */
	old = kmemdup_nul(data, maxlen, GFP_KERNEL);
	new = old ? kmemdup(old, maxlen + 1, GFP_KERNEL) : NULL;
	if (!new) {
		kfree(old);
		*ret = -ENOMEM;
		return NULL;
	}
	shadow.data = new;
	*ret = proc_dostring(&shadow, 1, buffer, lenp, ppos);
	/* Not what is behind the terminator: it stays as it was. */
	*len = strnlen(new, maxlen - 1) + 1;
	/* What changed nothing must not undo what others write meanwhile. */
	if (!memcmp(new, old, *len)) {
		kfree(new);
		new = NULL;
	}
	kfree(old);
	return new;
}
EXPORT_SYMBOL_GPL(rare_sysctl_parse_string);

/*
 * Make @shadow an entry like @table that leads to a copy of its @n integers, in memory to be
 * freed, with another copy in front. NULL if there are none, ERR_PTR(-ENOMEM) if no memory.
 */
int *rare_sysctl_copy_ints(const struct ctl_table *table, struct ctl_table *shadow, int *n)
{
	__wr_rare_type int *data = READ_ONCE(table->data);
	int count = READ_ONCE(table->maxlen) / sizeof(int), *old;

	*n = 0;
	*shadow = *table;
	rare_sysctl_check_data(table);
	if (!data || !count)
		return NULL;
	old = kmalloc_array(2 * count, sizeof(*old), GFP_KERNEL);
	if (!old)
		return ERR_PTR(-ENOMEM);
	for (int i = 0; i < count; i++)
		old[i] = data[i];
	shadow->data = memcpy(old + count, old, count * sizeof(*old));
	*n = count;
	return old;
}
EXPORT_SYMBOL_GPL(rare_sysctl_copy_ints);

/**
 * proc_rare_dostring - proc_dostring() for a write-rare array of char
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
int proc_rare_dostring(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
		       loff_t *ppos)
{
	return proc_rare_dostring_of(proc_rare_dostring, table, write, buffer, lenp, ppos);
}
EXPORT_SYMBOL_GPL(proc_rare_dostring);

/**
 * proc_rare_dobool - proc_dobool() for a write-rare bool
 * @table: the entry, which is read-only, and has this handler
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not as it has to be, or what it leads
 * to is not write-rare.
 * Return: as proc_dobool().
 */
int proc_rare_dobool(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
		     loff_t *ppos)
{
	__wr_rare_type bool *data = READ_ONCE(table->data);
	struct ctl_table shadow = *table;
	bool old, new;
	int ret;

	if (!write)
		return proc_dobool(table, write, buffer, lenp, ppos);

	rare_sysctl_check_data(table);
	shadow.data = &new;
	old = READ_ONCE(*data);
	new = old;
	ret = proc_dobool(&shadow, write, buffer, lenp, ppos);
	if (new != old) {
		guard(irqsave)();
		data = rare_sysctl_target(proc_rare_dobool, rare_sysctl_again(table), 0,
					  sizeof(*data));
		rare_write(*data, new);
	}
	return ret;
}
EXPORT_SYMBOL_GPL(proc_rare_dobool);

/**
 * proc_rare_dointvec - proc_dointvec() for a write-rare int, or an array of them
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
int proc_rare_dointvec(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
		       loff_t *ppos)
{
	return proc_rare_dointvec_of(proc_rare_dointvec, table, write, buffer, lenp, ppos);
}
EXPORT_SYMBOL_GPL(proc_rare_dointvec);

/**
 * proc_rare_douintvec - proc_douintvec() for a write-rare unsigned int
 * @table: the entry, which is read-only, and has this handler
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not as it has to be, or what it leads
 * to is not write-rare.
 * Return: as proc_douintvec(), or -ENOMEM.
 */
int proc_rare_douintvec(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
			loff_t *ppos)
{
	return rare_sysctl_ints(proc_rare_douintvec, proc_douintvec, table, write, buffer, lenp,
				ppos);
}
EXPORT_SYMBOL_GPL(proc_rare_douintvec);

/**
 * proc_rare_dointvec_minmax - proc_dointvec_minmax() for a write-rare int, or an array
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
int proc_rare_dointvec_minmax(const struct ctl_table *table, int write, void *buffer,
			      size_t *lenp, loff_t *ppos)
{
	return proc_rare_dointvec_minmax_of(proc_rare_dointvec_minmax, table, write, buffer, lenp,
					    ppos);
}
EXPORT_SYMBOL_GPL(proc_rare_dointvec_minmax);
