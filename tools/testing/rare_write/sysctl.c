// SPDX-License-Identifier: GPL-2.0-only
/*
 * What reading and writing the knobs in /knobs does, line by line, for sysctl.py to
 * compare between kernels: as root, as root without capabilities, and as a user;
 * good values and bad ones, whole and in parts. Each knob is left as it was found,
 * where it lets itself be restored.
 */
#include <linux/capability.h>

#define NAME "sysctl"
#include "say.h"

#define USER 1000

static const char * const values[] = {
	/* What there is below, in and above the ranges of numbers. */
	"-2", "-1", "0", "1", "2", "3", "4", "5", "176", "65535", "65536", "2147483647",
	"2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296",
	"9223372036854775807", "9223372036854775808", "18446744073709551615",
	"18446744073709551616",
	/* Numbers with something around them. */
	"0x1", "01", "+1", "--1", " 1", "1 ", "1\n", "1\n0", "1\t0", "1 0", "1 0 1", "0 0", "1x",
	"1,0",
	/* No numbers. */
	"x", "", "\n", " ", "/sbin/other", "/sbin/other\n", "core.%p\n", "|/sbin/dump %p",
	"integrity", "complain",
};

/* So many of a letter, and of a digit. */
static const int lengths[] = { 30, 63, 64, 126, 127, 128, 255, 256, 257, 4094, 4095, 4096, 5000 };

static char *quoted(const char *text, int len)
{
	static char buf[2][300];
	static int which;
	char *to = buf[which ^= 1];

	*to++ = '"';
	for (int i = 0; i < len && i < 64; i++) {
		if (text[i] == '\n') {
			*to++ = '\\';
			*to++ = 'n';
		} else {
			*to++ = text[i] < ' ' ? '?' : text[i];
		}
	}
	*to++ = '"';
	*to = 0;
	if (len > 64) {
		memcpy(to, " of ", 4);
		itoa_r(len, to + 4);
	}
	return buf[which];
}

static int result(long of_syscall)
{
	return of_syscall < 0 ? -errno : of_syscall;
}

static int get(int fd, void *to, int size)
{
	return result(syscall(__NR_read, fd, to, size));
}

static int put(int fd, const void *from, int size)
{
	return result(syscall(__NR_write, fd, from, size));
}

static int open_as(const char *who, const char *path, int flags)
{
	int fd = result(syscall(__NR_openat, AT_FDCWD, path, flags, 0));

	if (fd < 0)
		say(who, " open ", flags == O_RDONLY ? "to read: " : "to write: ", itoa(fd), NULL);
	return fd;
}

/* Read all there is into text, and return its length, or an error. */
static int fetch(const char *who, const char *path, char *text, int size)
{
	int fd = open_as(who, path, O_RDONLY), len = 0, n = 0;

	if (fd < 0)
		return fd;
	while (len < size && (n = get(fd, text + len, size - len)) > 0)
		len += n;
	close(fd);
	return n < 0 ? n : len;
}

static void read_back(const char *who, const char *path)
{
	static char text[8192];
	int len = fetch(who, path, text, sizeof(text));

	if (len < 0)
		say(who, " reads: ", itoa(len), NULL);
	else
		say(who, " reads: ", quoted(text, len), NULL);
}

static void store(const char *who, const char *path, const char *text, int len)
{
	int fd = open_as(who, path, O_WRONLY);

	if (fd < 0)
		return;
	say(who, " writes ", quoted(text, len), ": ", itoa(put(fd, text, len)), NULL);
	close(fd);
}

static void read_in_parts(const char *path)
{
	static const struct {
		int offset, size;
	} parts[] = { { 0, 1 }, { 1, 1 }, { 2, 64 }, { 0, 0 }, { 5000, 8 } };
	char text[64];
	int fd = open_as("root", path, O_RDONLY);

	if (fd < 0)
		return;
	for (int i = 0; i < 5; i++) {
		char offset[24];
		int n;

		lseek(fd, parts[i].offset, SEEK_SET);
		n = get(fd, text, parts[i].size);
		itoa_r(parts[i].offset, offset);
		say("root reads from ", offset, ": ", n < 0 ? itoa(n) : quoted(text, n), NULL);
	}
	say("root reads to nowhere: ", ltoa(get(fd, (void *)8, 8)), NULL);
	close(fd);
}

/* Twice with one open file: the second write does not begin where the first did. */
static void write_in_parts(const char *path, const char *first, int offset, const char *second)
{
	int fd = open_as("root", path, O_WRONLY);

	if (fd < 0)
		return;
	say("root writes ", quoted(first, strlen(first)), ": ",
	    itoa(put(fd, first, strlen(first))), NULL);
	if (offset >= 0)
		lseek(fd, offset, SEEK_SET);
	say("root writes more, ", quoted(second, strlen(second)), ": ",
	    itoa(put(fd, second, strlen(second))), NULL);
	say("root writes from nowhere: ", itoa(put(fd, (void *)8, 8)), NULL);
	close(fd);
	read_back("root", path);
}

static void without_rights(const char *who, const char *path, int uid)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = {};
	int pid = fork();

	if (!pid) {
		if (syscall(__NR_setuid, uid) || syscall(__NR_capset, &header, none))
			say(who, " has all rights still", NULL);
		read_back(who, path);
		store(who, path, "1", 1);
		store(who, path, "0\n", 2);
		store(who, path, "/sbin/mine", 10);
		read_back(who, path);
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void knob(const char *path)
{
	static char before[8192], text[5000];
	int len = fetch("root", path, before, sizeof(before));

	say("--- ", path, " ---", NULL);
	read_back("root", path);
	read_in_parts(path);
	without_rights("user", path, USER);
	without_rights("root without capabilities", path, 0);
	for (int i = 0; i < (int)(sizeof(values) / sizeof(*values)); i++) {
		store("root", path, values[i], strlen(values[i]));
		read_back("root", path);
	}
	store("root", path, "1\0002", 3);
	read_back("root", path);
	for (int i = 0; i < (int)(sizeof(lengths) / sizeof(*lengths)); i++)
		for (int letter = 0; letter < 2; letter++) {
			memset(text, letter ? 'y' : '1', lengths[i]);
			store("root", path, text, lengths[i]);
			read_back("root", path);
		}
	write_in_parts(path, "1", -1, "2");
	write_in_parts(path, "/sbin/longer", -1, "/more\n");
	write_in_parts(path, "1", 1, "0\n");
	write_in_parts(path, "abc", 2, "x");
	write_in_parts(path, "abc", 6, "x");
	if (len >= 0)
		store("root", path, before, len);
	read_back("root", path);
	say("--- end of ", path, " ---", NULL);
}

int main(void)
{
	static char knobs[4096];
	int fd = open("/knobs", O_RDONLY);
	char *line = knobs, *end;

	if (fd < 0 || get(fd, knobs, sizeof(knobs) - 1) < 1)
		return 1;
	/* One line a write, in the kernel's log. */
	dup2(open("/dev/kmsg", O_WRONLY), 1);
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		knob(line);
	}
	return 0;
}
