// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an administrator sees of rare_write(): regions, counters and the trace
 * event; and what a process sees: nothing. Needs the sample rare_write_howto to
 * be loaded, as something to change, and its file to load it again:
 *
 *	rare_write_test [how often each CPU goes off and on [path/to/rare_write_howto.ko]]
 */
#ifndef NOLIBC
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "../kselftest.h"
#include "place.h"
#include "text.h"

#define DEBUG	"/sys/kernel/debug/rare_write/"
#define TRACE	"/sys/kernel/tracing/"
#define HOWTO	"/sys/module/rare_write_howto/parameters/state"

#define CPUS	10	/* that are switched: the numbers with one digit */

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

/* Is this in the text? */
static int has(const char *what)
{
	return in(text, what);
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

static void boot_line(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), n, found = 0, wrapped = -1;

	if (fd < 0) {
		ksft_test_result_skip("no /dev/kmsg\n");
		return;
	}
	while (!found && (n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = 0;
		/* Priority, number from 0 on, time, flags, and then the message. */
		if (wrapped < 0)
			wrapped = strchr(text, ',') && atoi(strchr(text, ',') + 1) > 0;
		found = has(";rare_write: ") && (has(" protects ") || has("REPORT ONLY: ") ||
						 has(" nothing is protected: rodata=off"));
	}
	close(fd);
	if (!found && wrapped > 0)
		ksft_test_result_skip("the log does not go back to the boot\n");
	else
		ksft_test_result(found, "the kernel said at boot what is protected\n");
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

/* How many lines of the text have all of these? */
static int lines(const char *first, const char *second, const char *third)
{
	int count = 0;
	char *end;

	for (char *line = text; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		count += in(line, first) && in(line, second) && in(line, third);
		*end = '\n';
	}
	return count;
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
	ok = ok && lines("caller=state_set+", "dst=", " len=") == 3 &&
	     lines("caller=state_set+", "dst=config+", " len=13") == 1 &&
	     lines("caller=state_set+", "dst=config+", " len=8") == 1 &&
	     lines("caller=state_set+", "dst=ops+", " len=8") == 1;
	if (!ok)
		ksft_print_msg("%s\n", text);
	ksft_test_result(ok, "each window is one event with caller, destination, length\n");
}

/* Lines of: cpu writes bytes readback-mismatches neighbour-mismatches. */
static void counters(void)
{
	int ok = 1, written = 0;
	char *line;

	if (get(DEBUG "counters") < 0) {
		ksft_test_result_skip("counters need RARE_WRITE_DEBUG\n");
		return;
	}
	for (line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		char *writes = strchr(line, ' '), *end = strchr(line + 1, '\n');

		if (!writes || !end)
			break;
		written = written || writes[1] != '0';
		ok = ok && end[-1] == '0' && end[-2] == ' ' && end[-3] == '0' && end[-4] == ' ';
	}
	ksft_test_result(ok && written, "writes were counted, and no mismatch\n");
}

/* A process with memory where the alias is keeps it, and its address space. */
static void user_memory(void)
{
	unsigned char *page = map_where_alias_is();
	int ok = 1;

	if (!page) {
		ksft_test_result_skip("cannot map a page where the alias is\n");
		return;
	}
	for (int round = 0; round < 200 && ok; round++) {
		memset(page, round, PLACE_SIZE);
		ok = !put(HOWTO, round & 1 ? "1 /sbin/odd" : "2 /sbin/even");
		for (int i = 0; i < PLACE_SIZE; i++)
			ok = ok && page[i] == (unsigned char)round;
	}
	munmap(page, PLACE_SIZE);
	ksft_test_result(ok, "user memory at the address of the alias survives windows\n");
}

/* What the processes that write and the one that switches CPUs tell each other. */
struct shared {
	int stop;
	struct {
		int attempts, successes;
	} writers[CPUS];
};

/* Write, on that CPU whenever it is there, until told to stop. */
static void writer(struct shared *shared, int cpu)
{
	unsigned long mask = 1UL << cpu;

	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		syscall(__NR_sched_setaffinity, 0, sizeof(mask), &mask);
		shared->writers[cpu].successes +=
			!put(HOWTO, ++shared->writers[cpu].attempts & 1 ? "1 /sbin/odd" :
			     "2 /sbin/even");
	}
	exit(0);
}

/* How many pages hold page tables, those of rare_write() among them; -1: unknown. */
static long page_tables(void)
{
	static const char name[] = "nr_page_table_pages ";

	/* Each CPU counts for itself: have it summed up. */
	if (put("/proc/sys/vm/stat_refresh", "1") || get("/proc/vmstat") < 0)
		return -1;
	for (char *line = text; *line; line = strchr(line, '\n') + 1)
		if (!memcmp(line, name, sizeof(name) - 1))
			return atol(line + sizeof(name) - 1);
	return -1;
}

/*
 * Switch every CPU but the first off and on, again and again, while the configuration
 * changes. Return how many CPUs did, 0 if none can, -1 if anything went wrong.
 */
static int off_and_on(struct shared *shared, int cycles)
{
	char path[] = "/sys/devices/system/cpu/cpu0/online";
	char *digit = strchr(path, '0');
	int cpus = 0, ok = 1, attempts = 0, leaked, status, pids[CPUS] = {};
	long tables, after;

	/* The memory is there from now on, and so are its page tables. */
	memset(shared, 0, sizeof(*shared));
	tables = page_tables();
	for (int cpu = 0; cpu < CPUS; cpu++) {
		*digit = '0' + cpu;
		if (cpu && get(path) < 0)
			continue;
		pids[cpu] = fork();
		if (!pids[cpu])
			writer(shared, cpu);
	}
	for (int cpu = 1; cpu < CPUS; cpu++) {
		if (!pids[cpu])
			continue;
		*digit = '0' + cpu;
		cpus++;
		for (int i = 0; i < cycles; i++)
			ok = !put(path, "0") && !put(path, "1") && ok;
	}
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		if (!pids[cpu])
			continue;
		ok = waitpid(pids[cpu], &status, 0) == pids[cpu] && !status && ok;
		ok = ok && shared->writers[cpu].attempts > 0 &&
		     shared->writers[cpu].attempts == shared->writers[cpu].successes;
		attempts += shared->writers[cpu].attempts;
	}
	/* The only CPU may not have come to the writer at all. */
	if (!cpus)
		return 0;
	/*
	 * A leak is one each time a CPU goes off, at least. But the kernel may need a few
	 * tables for areas of its own, and keep them, and newer ones count those, too; and
	 * those of processes that have ended, udev's for each CPU among them, go later.
	 */
	for (int i = 0; i < 1000; i++) {
		after = page_tables();
		leaked = after - tables >= (cpus * cycles + 1) / 2;
		if (!leaked)
			break;
		usleep(10000);
	}
	ksft_print_msg("%d times off and on, %d writes, page tables %ld, then %ld\n",
		       cpus * cycles, attempts, tables, after);
	ok = ok && attempts >= cpus * cycles && tables > 0 && !leaked;
	return ok ? cpus : -1;
}

static void hotplug(int cycles)
{
	struct shared *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int cpus;

	if (shared == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	cpus = off_and_on(shared, cycles);
	if (!cpus)
		ksft_test_result_skip("no CPU can be switched off\n");
	else
		ksft_test_result(cpus > 0, "windows go on while CPUs go off and on\n");
}

/* The region comes and goes with the module. */
static void reload(const char *file)
{
	int fd = open(file, O_RDONLY), ok = 1;

	if (fd < 0) {
		ksft_test_result_skip("say where rare_write_howto.ko is\n");
		return;
	}
	for (int i = 0; i < 10 && ok; i++) {
		ok = !syscall(__NR_delete_module, "rare_write_howto", O_NONBLOCK) &&
		     get(DEBUG "regions") > 0 && has("vmlinux") && !has("rare_write_howto") &&
		     !syscall(__NR_finit_module, fd, "", 0) &&
		     get(DEBUG "regions") > 0 && has("rare_write_howto") &&
		     !put(HOWTO, "3 /sbin/again") && get(HOWTO) > 0 && has("3 /sbin/again");
	}
	close(fd);
	ksft_test_result(ok, "a module's region goes when it is unloaded\n");
}

int main(int argc, char **argv)
{
	ksft_print_header();
	if (get(HOWTO) < 0)
		ksft_exit_skip("load the module rare_write_howto first\n");
	ksft_set_plan(8);
	boot_line();
	regions();
	change();
	trace();
	user_memory();
	hotplug(argc > 1 ? atoi(argv[1]) : 20);
	reload(argc > 2 ? argv[2] : "/lib/rare_write_howto.ko");
	counters();
	ksft_finished();
}
