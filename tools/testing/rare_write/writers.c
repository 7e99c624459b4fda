// SPDX-License-Identifier: GPL-2.0-only
/*
 * What rare_write_writers.cocci must find, and what it must not: check_static.py
 * has it list the writers of "target" and of "target_array". It finds exactly the lines
 * with a comment "found", and says of them what the comment says.
 */
#include <linux/module.h>
#include <linux/sysctl.h>

struct setting {
	int value;
	struct {
		int value;
	} inner;
	int target;
};

static struct setting target;				/* found: declared */
static char target_array[64] = "/sbin/helper";		/* found: declared, an array */
core_param(path, target_array, charp, 0644);		/* found: argument of core_param() */
core_param(number, target.value, int, 0644);		/* found: argument of core_param() */

static struct ctl_table table[] = {
	{ .data = &target.value },			/* found: address taken */
	{ .data = (void *)&target.inner.value },	/* found: address taken */
	{ .data = target_array },			/* found: address taken */
	{ .data = &target_array },			/* found: address taken */
	{ .data = table, .maxlen = sizeof(target_array) },
};

static int readers(struct setting *other, int *map)
{
	int target_value = target.value;

	other->target = target.inner.value;
	map[target.value] = READ_ONCE(target.value);
	if (target_array[0] && ARRAY_SIZE(target_array) > 1)
		return strlen(other->name);
	return target_value;
}

static const char *writers(struct setting *other)
{
	target = *other;				/* found: written */
	target.value = 1;				/* found: written */
	target.value |= 2;				/* found: written */
	target.value++;					/* found: written */
	--target.inner.value;				/* found: written */
	WRITE_ONCE(target.value, 3);			/* found: written */
	target_array[3] = 0;				/* found: written */
	swap(other->value, target.value);		/* found: written */
	scoped_guard(mutex, &lock) {
		target.value = 4;			/* found: written */
	}
	memset(&target, 0, sizeof(target));		/* found: address passed to memset() */
	cmpxchg((int *)&target.value, 0, 1);		/* found: address passed to cmpxchg() */
	strscpy(target_array, "/bin/true");		/* found: address taken */
	other = &target;				/* found: address taken */
	return target_array;				/* found: address taken */
}
