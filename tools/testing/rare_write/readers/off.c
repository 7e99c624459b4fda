// SPDX-License-Identifier: GPL-2.0-only
/* With the option off an object is an ordinary one, and costs what one costs. */
#define RARE_WRITE_SWITCH	CONFIG_RARE_WRITE_NOT_HERE
#include <linux/rare_write.h>

/* Weak: gcc would reach the second by way of the first. */
__wr_rare_type u64 off_object __wr_rare __weak;
u64 plain_object __weak;

u64 off_is_plain(u64 val);
u64 plain(u64 val);

noinline u64 off_is_plain(u64 val)
{
	u64 old = off_object;

	rare_write(off_object, val);
	return old;
}

noinline u64 plain(u64 val)
{
	u64 old = plain_object;

	plain_object = val;
	return old;
}
