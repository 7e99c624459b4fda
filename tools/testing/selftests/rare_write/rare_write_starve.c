// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bring a CPU up for the first time while memory runs out: at the first
 * allocation, then at the second, and so on. What rare_write() needs for the CPU
 * is among them: the log says so. It must come up whole or not at all, and if not,
 * have given back what it had by then.
 * Needs fault injection (FAILSLAB, FAIL_PAGE_ALLOC) and a CPU that has not been
 * up, for example with maxcpus=2 on the kernel's command line:
 *
 *	rare_write_starve NUMBER-OF-CPU
 */
#ifndef NOLIBC
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#endif

#include "../kselftest.h"

#define DEBUG	"/sys/kernel/debug/"
#define NTH	"/proc/self/fail-nth"
#define ROUNDS	500
/* So often the same, of what may be lost: more than what comes and goes. */
#define AGAIN	400

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

/* Does the log say, since it was last asked, that rare_write() lacked memory? */
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

/* Fail in the same way again and again: are the pages there after it? */
static int balanced(int log, int nth)
{
	int before = free_pages(), failed, same = 0, lost;

	for (int i = 0; i < AGAIN; i++)
		same += !attempt(nth, &failed) && ours(log);
	lost = before - free_pages();
	ksft_print_msg("allocation %d: %d attempts more, %d pages less\n", nth, same, lost);
	return before && same > AGAIN / 2 && lost < same / 2;
}

int main(int argc, char **argv)
{
	int refused = 0, in_spite = 0, up = 0, ok = 1, failed = 1, leaks = 0, of_ours = 0, log, nth;

	ksft_print_header();
	if (argc < 2 || argv[1][0] < '1' || argv[1][0] > '9' || argv[1][1])
		ksft_exit_fail_msg("say which CPU, 1 to 9\n");
	if (get(NTH) < 0 || prepare())
		ksft_exit_skip("needs fault injection\n");
	*strchr(online, '0') = argv[1][0];
	if (get(online))
		ksft_exit_skip("CPU %s is up, or is none\n", argv[1]);
	log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (log < 0)
		ksft_exit_fail_msg("cannot read the log\n");
	ksft_set_plan(3);

	ours(log);
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
		if (ours(log) && !up) {
			of_ours++;
			leaks += !balanced(log, nth);
		}
	}
	ksft_print_msg("%d attempts failed, %d went well in spite of one failure\n", refused,
		       in_spite);
	ksft_test_result(ok && refused > 0, "a CPU that lacks memory stays off\n");
	ksft_test_result(of_ours && !leaks, "what it had by then is free again\n");
	ksft_test_result(!failed && up && get(online) == 1, "with memory enough it comes up\n");
	ksft_finished();
}
