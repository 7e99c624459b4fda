// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bring a CPU up for the first time while rare_write() has no memory for it: one
 * allocation after the other fails, each so often that a page which is not given
 * back is missed. Then, with that done, while memory runs out: at the first
 * allocation, at the second, and so on. It must come up whole or not at all.
 * Needs fault injection (FAILSLAB, FAIL_PAGE_ALLOC, FAULT_INJECTION_STACKTRACE_FILTER)
 * and a CPU that has not been up, for example with maxcpus=2 on the kernel's command
 * line:
 *
 *	rare_write_starve NUMBER-OF-CPU
 *
 * or load a module with write-rare data, each time with the next allocation failing: it
 * is loaded whole, or its region is gone.
 *
 *	rare_write_starve .../rare_write_howto.ko
 */
#ifndef NOLIBC
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "../kselftest.h"
#include "text.h"

#define DEBUG	"/sys/kernel/debug/"
#define NTH	"/proc/self/fail-nth"
#define ROUNDS	500
#define MODULE_ROUNDS	3000
/* So often the same: what is lost then is more than what comes and goes. */
#define AGAIN	1000

static char online[] = "/sys/devices/system/cpu/cpu0/online";

static int put(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY), n;

	if (fd < 0)
		return -1;
	n = write(fd, what, strlen(what));
	close(fd);
	return n == (int)strlen(what) ? 0 : -1;
}

/* The number in a file, -1 if there is none. */
static int get(const char *path)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY), n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atoi(text) : -1;
}

/* How many pages are free, without what CPUs have not reported. */
static int free_pages(void)
{
	char text[64] = "", *number;
	int fd, n;

	put("/proc/sys/vm/stat_refresh", "1");
	fd = open("/proc/vmstat", O_RDONLY);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	number = strchr(text, ' ');
	return n > 0 && number ? atoi(number + 1) : 0;
}

/* A positive number as text; by hand, since nolibc has no snprintf(). */
static const char *decimal(int number)
{
	static char text[12];
	char *at = text + sizeof(text) - 1;

	for (; number; number /= 10)
		*--at = '0' + number % 10;
	return at;
}

/* Have all allocations of this process counted, those that may wait included. */
static int prepare(void)
{
	return put(DEBUG "failslab/ignore-gfp-wait", "N") ||
	       put(DEBUG "fail_page_alloc/ignore-gfp-wait", "N") ||
	       put(DEBUG "fail_page_alloc/min-order", "0") ||
	       put(DEBUG "failslab/verbose", "0") || put(DEBUG "fail_page_alloc/verbose", "0");
}

/*
 * Try with the nth allocation failing. The write of the number is the only thing
 * between it and the attempt, apart from the opening of a file, which may fail.
 */
static int attempt(int nth, int *failed)
{
	int fd = open(online, O_WRONLY), ret;

	if (fd < 0)
		return -1;
	if (put(NTH, decimal(nth)))
		return -1;
	ret = write(fd, "1", 1) == 1;
	*failed = get(NTH) == 0;
	put(NTH, "0");
	close(fd);
	return ret;
}

/* Where a function of the kernel begins, and where the next one does, as text. */
static int find(const char *name, char *start, char *end)
{
	static char buf[8192];
	char line[256] = "";
	int fd = open("/proc/kallsyms", O_RDONLY), at = 0, found = 0, n;

	/* Where addresses are hidden they are all 0. */
	while (fd >= 0 && found < 2 && (n = read(fd, buf, sizeof(buf))) > 0) {
		for (int i = 0; i < n && found < 2; i++) {
			if (buf[i] != '\n') {
				line[at] = buf[i];
				at += at < (int)sizeof(line) - 2;
				continue;
			}
			line[at] = '\0';
			at = 0;
			/* Sixteen digits, a letter and the name. */
			if (found || !strcmp(line + 19, name))
				memcpy(found++ ? end : start, line, 16);
		}
	}
	close(fd);
	return found == 2 && strcmp(start, end) ? 0 : -1;
}

static int only_between(const char *start, const char *end)
{
	return put(DEBUG "failslab/require-start", start) ||
	       put(DEBUG "failslab/require-end", end) ||
	       put(DEBUG "fail_page_alloc/require-start", start) ||
	       put(DEBUG "fail_page_alloc/require-end", end);
}

/* Has the log said, since it was last read, that rare_write() lacked memory? */
static int ours(int log)
{
	static const char says[] = "rare_write: no memory for CPU ";
	char record[2048], *text;
	int n, found = 0;

	while ((n = read(log, record, sizeof(record) - 1)) > 0) {
		record[n] = '\0';
		text = strchr(record, ';');
		found = found || (text && !strncmp(text + 1, says, sizeof(says) - 1));
	}
	return found;
}

/* Let the nth allocation of ours fail again and again: are the pages there after it? */
static int balanced(int log, int nth)
{
	int before = 0, failed, lost;

	/* The first ones fill what keeps pages at hand. */
	for (int i = -AGAIN / 10; i < AGAIN; i++) {
		if (!i)
			before = free_pages();
		if (attempt(nth, &failed) || !ours(log))
			return 0;
	}
	lost = before - free_pages();
	ksft_print_msg("allocation %d: %d attempts, %d pages less\n", nth, AGAIN, lost);
	return before && lost < AGAIN / 2;
}

/* Each allocation that is made for rare_write(), until there is none to fail. */
static void starve_ours(void)
{
	char start[] = "0x0000000000000000", end[] = "0x0000000000000000";
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), leaks = 0, failed, nth;

	if (log < 0 || find("arch_rare_write_prepare", start + 2, end + 2) ||
	    only_between(start, end)) {
		ksft_test_result_skip("needs the filter of fault injection\n");
		return;
	}
	ours(log);
	for (nth = 1; nth < ROUNDS && !attempt(nth, &failed); nth++)
		leaks += !balanced(log, nth);
	put(online, "0");
	only_between("0", "0xffffffffffffffff");
	close(log);
	ksft_test_result(nth > 1 && !leaks && !failed, "what it had by then is free again\n");
}

/* Does the kernel have a region of the module? -1: it lists none, not even its own. */
static int listed(const char *module)
{
	static char text[4096];
	int fd = open(DEBUG "rare_write/regions", O_RDONLY), n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return -1;
	text[n] = '\0';
	return in(text, "vmlinux") ? in(text, module) : -1;
}

/* Load the module with one allocation after the other failing, until there is none to fail. */
static void starve_module(const char *file)
{
	int fd = open(file, O_RDONLY), refused = 0, in_spite = 0, ok = 1, failed = 1, loaded = 0;

	if (fd < 0)
		ksft_exit_fail_msg("there is no %s\n", file);
	ksft_set_plan(2);
	for (int nth = 1; nth < MODULE_ROUNDS && failed && ok; nth++) {
		if (put(NTH, decimal(nth)))
			ksft_exit_fail_msg("cannot make allocations fail\n");
		loaded = !syscall(__NR_finit_module, fd, "", 0);
		failed = get(NTH) == 0;
		put(NTH, "0");
		ok = listed("rare_write_howto") == loaded;
		refused += failed && !loaded;
		in_spite += failed && loaded;
		if (loaded)
			ok = ok && !syscall(__NR_delete_module, "rare_write_howto", O_NONBLOCK) &&
			     !listed("rare_write_howto");
	}
	close(fd);
	ksft_print_msg("%d loads failed, %d went well in spite of one failure\n", refused,
		       in_spite);
	ksft_test_result(ok && refused > 10, "of a module that lacks memory there is no region\n");
	ksft_test_result(ok && !failed && loaded, "with memory enough it has one\n");
	ksft_finished();
}

int main(int argc, char **argv)
{
	int refused = 0, in_spite = 0, up = 0, ok = 1, failed = 1, nth;
	unsigned long first = 1;

	ksft_print_header();
	/*
	 * On a CPU that is new to it, an allocator may want a page for itself, and if it
	 * does not get that does without: no allocation of ours would have failed.
	 */
	if (syscall(__NR_sched_setaffinity, 0, sizeof(first), &first) < 0)
		ksft_exit_fail_msg("cannot stay on CPU 0\n");
	if (get(NTH) < 0 || prepare())
		ksft_exit_skip("needs fault injection\n");
	if (argc == 2 && strchr(argv[1], '/'))
		starve_module(argv[1]);
	if (argc < 2 || argv[1][0] < '1' || argv[1][0] > '9' || argv[1][1])
		ksft_exit_fail_msg("say which CPU, 1 to 9, or the path of rare_write_howto.ko\n");
	*strchr(online, '0') = argv[1][0];
	if (get(online))
		ksft_exit_skip("CPU %s is up, or is none\n", argv[1]);
	ksft_set_plan(3);

	starve_ours();
	for (nth = 1; nth < ROUNDS && failed; nth++) {
		up = attempt(nth, &failed);
		if (up < 0)
			ksft_exit_fail_msg("cannot make allocations fail\n");
		/* What it says is what it is. */
		ok = ok && get(online) == up;
		refused += failed && !up;
		if (failed && up) {
			in_spite++;
			ok = ok && !put(online, "0");
		}
	}
	ksft_print_msg("%d attempts failed, %d went well in spite of one failure\n", refused,
		       in_spite);
	/* The first is that of the file, which comes to nothing. */
	ksft_test_result(ok && refused > 1, "a CPU that lacks memory stays off\n");
	ksft_test_result(!failed && up && get(online) == 1, "with memory enough it comes up\n");
	ksft_finished();
}
