// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an administrator sees of rare_write(): regions, counters and the trace
 * event. Needs the sample rare_write_howto to be loaded, as something to change.
 */
#ifndef NOLIBC
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#endif

#include "../kselftest.h"

#define DEBUG	"/sys/kernel/debug/rare_write/"
#define TRACE	"/sys/kernel/tracing/"
#define HOWTO	"/sys/module/rare_write_howto/parameters/state"

static char text[16384];

/* Read a file as text; -1 if it is not there. */
static int get(const char *path)
{
	int fd = open(path, O_RDONLY), n, sum = 0;

	text[0] = 0;
	if (fd < 0)
		return -1;
	while ((n = read(fd, text + sum, sizeof(text) - 1 - sum)) > 0)
		sum += n;
	text[sum] = 0;
	close(fd);
	return sum;
}

/* Is this in the text? By hand, since nolibc has no strstr(). */
static int has(const char *what)
{
	size_t len = strlen(what);

	for (const char *at = text; *at; at++)
		if (strlen(at) >= len && !memcmp(at, what, len))
			return 1;
	return 0;
}

static int put(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY | O_TRUNC), n;

	if (fd < 0)
		return -1;
	n = write(fd, what, strlen(what));
	close(fd);
	return n == (int)strlen(what) ? 0 : -1;
}

static void regions(void)
{
	int found = get(DEBUG "regions") > 0 && has("vmlinux") &&
		    has("rare_write_howto");

	ksft_test_result(found, "regions of the kernel and of the module are listed\n");
}

static void change(void)
{
	int arrived = !put(HOWTO, "3 /sbin/first") && get(HOWTO) > 0 &&
		      has("3 /sbin/first") && !put(HOWTO, "0 /sbin/second") &&
		      get(HOWTO) > 0 && has("0 /sbin/second");

	ksft_test_result(arrived, "the sample's configuration changes\n");
}

static void trace(void)
{
	int ok;

	/* An oops, which other tests provoke, turns tracing off. */
	ok = !put(TRACE "tracing_on", "1") && !put(TRACE "trace", "") &&
	     !put(TRACE "events/rare_write/rare_write/enable", "1");
	ok = ok && !put(HOWTO, "2 /sbin/traced");
	ok = !put(TRACE "events/rare_write/rare_write/enable", "0") && ok;
	ok = ok && get(TRACE "trace") > 0;
	/* A string, a window of two integers, a pointer: who, where, how much. */
	ok = ok && has("caller=state_set+") && has("dst=config+") &&
	     has("dst=ops+") && has(" len=13") && has(" len=8");
	if (!ok)
		ksft_print_msg("%s\n", text);
	ksft_test_result(ok, "each window is one event with caller, destination, length\n");
}

/* Lines of: cpu writes bytes readback-mismatches neighbour-mismatches. */
static void counters(void)
{
	char *line;
	int ok = 1;

	if (get(DEBUG "counters") < 0) {
		ksft_test_result_skip("counters need RARE_WRITE_DEBUG\n");
		return;
	}
	for (line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		char *end = strchr(line + 1, '\n');

		if (!end)
			break;
		ok = ok && end[-1] == '0' && end[-2] == ' ' && end[-3] == '0' && end[-4] == ' ';
	}
	ksft_test_result(ok, "no mismatch was counted\n");
}

int main(void)
{
	ksft_print_header();
	if (get(HOWTO) < 0)
		ksft_exit_skip("load the module rare_write_howto first\n");
	ksft_set_plan(4);
	regions();
	change();
	trace();
	counters();
	ksft_finished();
}
