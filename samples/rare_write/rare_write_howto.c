// SPDX-License-Identifier: GPL-2.0-only
/*
 * rare_write_howto.c - how to make data write-rare, as a template
 *
 * Purpose:
 *
 * An ops table and a small configuration, the two shapes that security-critical
 * data has most often, before and after. Works with CONFIG_RARE_WRITE=n too: the
 * same source is then plain data, plainly written.
 *
 * Usage:
 *
 * # insmod rare_write_howto.ko
 * # cat /sys/module/rare_write_howto/parameters/state
 * # echo "3 /sbin/other-helper" > /sys/module/rare_write_howto/parameters/state
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rare_write.h>

/*
 * Step 1: an ops table. Where it was
 *
 *	static struct howto_ops ops = { ... };
 *
 * it gets the type in front and the placement behind. A table that never
 * changes should be const instead: this one is switched below.
 */
struct howto_ops {
	bool (*allow)(int level);
};

static bool allow_none(int level)
{
	return false;
}

static bool allow_low(int level)
{
	return level <= 3;
}

static __wr_rare_type struct howto_ops ops __wr_rare = {
	.allow = allow_none,
};

/*
 * Step 2: a configuration. What is read together and decides together goes
 * together. Pointers that lead here need the type as well.
 */
struct howto_config {
	int level;
	unsigned int changes;
	char helper[32];
};

static __wr_rare_type struct howto_config config __wr_rare = {
	.helper = "/sbin/helper",
};

/* Step 3: the lock stays. A window is no lock: two CPUs may be in one each. */
static DEFINE_MUTEX(config_lock);

static int state_set(const char *buf, const struct kernel_param *kp)
{
	char helper[sizeof(config.helper)];
	int level;

	/* Step 4: all that can fail, sleep or take long is done before. */
	if (sscanf(buf, "%d %31s", &level, helper) != 2)
		return -EINVAL;

	guard(mutex)(&config_lock);

	/* Step 5: one write is one window. A string has its own form. */
	rare_write_str(config.helper, helper);

	/* Step 6: several writes share a window, which masks interrupts: be brief. */
	scoped_guard(rare_write) {
		__rare_write(config.level, level);
		__rare_write(config.changes, config.changes + 1);
	}

	/* Step 7: readers without a lock get a whole value, and in order. */
	rare_write_release(ops.allow, level ? allow_low : allow_none);
	return 0;
}

static int state_get(char *buf, const struct kernel_param *kp)
{
	/* Step 8: readers read. For functions that want a plain pointer: rare_ptr(). */
	guard(mutex)(&config_lock);
	return sysfs_emit(buf, "%d %s changed %u times, %s\n", config.level,
			  rare_ptr(config.helper), config.changes,
			  ops.allow(config.level) ? "allowed" : "refused");
}

static const struct kernel_param_ops state_ops = {
	.set = state_set,
	.get = state_get,
};

module_param_cb(state, &state_ops, NULL, 0600);
MODULE_PARM_DESC(state, "level and helper, as in \"3 /sbin/helper\"");

static int __init howto_init(void)
{
	/* Step 9: a module's data is read-only before its init runs. Nothing to do. */
	return 0;
}
module_init(howto_init);

static void __exit howto_exit(void)
{
}
module_exit(howto_exit);

MODULE_DESCRIPTION("How to convert data to rare_write()");
MODULE_LICENSE("GPL");
