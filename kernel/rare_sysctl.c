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
 * with these he gets what the sysctl is for: the variable, the limits and the mode
 * that it has.
 *
 * The kernel's write-rare data is not good enough. Some of it are strings, such as
 * modprobe_path, and root, who may not do everything, makes an entry of one by
 * writing its bytes. A module has no other memory that is known to be read-only, so
 * its entries are write-rare, and lead to write-rare data of that module only.
 *
 * The value is parsed into ordinary memory by the handler that all others use,
 * given a copy of the entry that leads there. Just the outcome is written. Where to is
 * for the entry to say when that has been done, and not before: the stack is memory as
 * well, and what was found there to be right may be something else by then.
 */
#include <linux/irqflags.h>
#include <linux/rare_sysctl.h>
#include <linux/rare_write.h>
#include <linux/slab.h>
#include <asm/sections.h>

static __always_inline bool rare_sysctl_is_fixed(unsigned long addr)
{
	return is_kernel_rodata(addr) && (addr < (unsigned long)__start_rare_write ||
					  addr >= (unsigned long)__end_rare_write_core);
}

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
static void rare_sysctl_check_data(const struct ctl_table *table)
{
	rare_sysctl_check_owner(table, rare_write_module_of(__rare_addr(READ_ONCE(table->data))));
}

/*
 * Where @table says that its @len bytes from @offset on are. BUG()s unless it is read-only and
 * has as many. To be asked with interrupts off, and then used at once: for an entry of the
 * kernel nothing is called in between that could put the answer on the stack.
 */
static __always_inline __wr_rare_type void *
rare_sysctl_target(const struct ctl_table *table, size_t offset, size_t len)
{
	unsigned long first, last;

	/* The compiler must not know of it what was found out when interrupts were on. */
	OPTIMIZER_HIDE_VAR(table);
	first = __rare_addr(table);
	last = first + sizeof(*table) - 1;
	if (!rare_sysctl_is_fixed(first) || !rare_sysctl_is_fixed(last))
		rare_sysctl_check_data(table);
	BUG_ON(offset + len > READ_ONCE(table->maxlen));
	return READ_ONCE(table->data) + offset;
}

/**
 * proc_rare_dostring - proc_dostring() for a write-rare array of char
 * @table: the entry, which is read-only
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not read-only, or what it
 * leads to is not write-rare.
 * Return: as proc_dostring(), or -ENOMEM.
 */
int proc_rare_dostring(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
		       loff_t *ppos)
{
	char *data = READ_ONCE(table->data), *old, *new;
	int maxlen = READ_ONCE(table->maxlen), ret;
	struct ctl_table shadow = *table;
	size_t len;

	if (!write)
		return proc_dostring(table, write, buffer, lenp, ppos);

	rare_sysctl_check_data(table);
	if (!data || !maxlen)
		return proc_dostring(&shadow, write, buffer, lenp, ppos);
	/* An array that has no terminator is no reason to read on behind the copy. */
	old = kmemdup_nul(data, maxlen, GFP_KERNEL);
	new = old ? kmemdup(old, maxlen + 1, GFP_KERNEL) : NULL;
	if (!new) {
		kfree(old);
		return -ENOMEM;
	}
	shadow.data = new;
	ret = proc_dostring(&shadow, write, buffer, lenp, ppos);
	/* Not what is behind the terminator: it stays as it was. */
	len = strnlen(new, maxlen - 1) + 1;
	/* What changed nothing must not undo what others write meanwhile. */
	if (memcmp(new, old, len)) {
		rare_write_begin();
		__rare_write_n(rare_sysctl_target(table, 0, len), new, len, false);
		rare_write_end();
	}
	kfree(new);
	kfree(old);
	return ret;
}
EXPORT_SYMBOL_GPL(proc_rare_dostring);

/**
 * proc_rare_dobool - proc_dobool() for a write-rare bool
 * @table: the entry, which is read-only
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not read-only, or what it
 * leads to is not write-rare.
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
		data = rare_sysctl_target(table, 0, sizeof(*data));
		rare_write(*data, new);
	}
	return ret;
}
EXPORT_SYMBOL_GPL(proc_rare_dobool);

/* Is it what @table, which is read-only, allows? Asked by proc_dointvec_minmax() as well. */
static __always_inline bool rare_sysctl_in_range(const struct ctl_table *table, int val)
{
	const int *min = READ_ONCE(table->extra1), *max = READ_ONCE(table->extra2);

	return (!min || val >= READ_ONCE(*min)) && (!max || val <= READ_ONCE(*max));
}

/* Have @handler write the integers of @table, of which it may take only some. */
static __always_inline int
rare_sysctl_ints(proc_handler *handler, const struct ctl_table *table, void *buffer,
		 size_t *lenp, loff_t *ppos)
{
	int n = READ_ONCE(table->maxlen) / sizeof(int), *old, *new, ret;
	__wr_rare_type int *data = READ_ONCE(table->data);
	struct ctl_table shadow = *table;

	rare_sysctl_check_data(table);
	if (!data || !n)
		return handler(&shadow, 1, buffer, lenp, ppos);
	old = kmalloc_array(2 * n, sizeof(*old), GFP_KERNEL);
	if (!old)
		return -ENOMEM;
	new = old + n;
	for (int i = 0; i < n; i++)
		old[i] = data[i];
	memcpy(new, old, n * sizeof(*new));
	shadow.data = new;
	ret = handler(&shadow, 1, buffer, lenp, ppos);
	/* Up to an error they count. Others stay, whoever may be writing them. */
	for (int i = 0; i < n; i++) {
		int val = READ_ONCE(new[i]);

		if (val == old[i])
			continue;
		guard(irqsave)();
		data = rare_sysctl_target(table, i * sizeof(int), sizeof(int));
		/* It was in memory, and what only goes up must not come down. */
		if (handler == proc_dointvec_minmax && !rare_sysctl_in_range(table, val)) {
			ret = -EINVAL;
			break;
		}
		rare_write(*data, val);
	}
	kfree(old);
	return ret;
}

/**
 * proc_rare_dointvec - proc_dointvec() for a write-rare int, or an array of them
 * @table: the entry, which is read-only
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not read-only, or what it
 * leads to is not write-rare.
 * Return: as proc_dointvec(), or -ENOMEM.
 */
int proc_rare_dointvec(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
		       loff_t *ppos)
{
	if (!write)
		return proc_dointvec(table, write, buffer, lenp, ppos);
	return rare_sysctl_ints(proc_dointvec, table, buffer, lenp, ppos);
}
EXPORT_SYMBOL_GPL(proc_rare_dointvec);

/**
 * proc_rare_douintvec - proc_douintvec() for a write-rare unsigned int
 * @table: the entry, which is read-only
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not read-only, or what it
 * leads to is not write-rare.
 * Return: as proc_douintvec(), or -ENOMEM.
 */
int proc_rare_douintvec(const struct ctl_table *table, int write, void *buffer, size_t *lenp,
			loff_t *ppos)
{
	if (!write)
		return proc_douintvec(table, write, buffer, lenp, ppos);
	return rare_sysctl_ints(proc_douintvec, table, buffer, lenp, ppos);
}
EXPORT_SYMBOL_GPL(proc_rare_douintvec);

/**
 * proc_rare_dointvec_minmax - proc_dointvec_minmax() for a write-rare int, or an array
 * @table: the entry, which is read-only
 * @write: is this a write to the file?
 * @buffer: what is written, or where to put what is read
 * @lenp: the size of @buffer, and how much of it was used
 * @ppos: the position in the file
 *
 * Context: Process. BUG()s on a write if @table is not read-only, or what it
 * leads to is not write-rare.
 * Return: as proc_dointvec_minmax(), or -ENOMEM.
 */
int proc_rare_dointvec_minmax(const struct ctl_table *table, int write, void *buffer,
			      size_t *lenp, loff_t *ppos)
{
	if (!write)
		return proc_dointvec_minmax(table, write, buffer, lenp, ppos);
	return rare_sysctl_ints(proc_dointvec_minmax, table, buffer, lenp, ppos);
}
EXPORT_SYMBOL_GPL(proc_rare_dointvec_minmax);
