// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an administrator and his processes do, all at once and for as long as one
 * likes, while the module rare_write_soak writes, reads and attacks: CPUs go and
 * come, a module with write-rare data too, its configuration changes, processes
 * start and end, and audits look for what is writable:
 *
 *	rare_write_soak SECONDS [SEED [path/to/rare_write_howto.ko]]
 */
#ifndef NOLIBC
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#endif
#include <linux/random.h>

#include "../kselftest.h"
#include "place.h"
#include "text.h"

#define DEBUG	"/sys/kernel/debug/rare_write/"
#define SOAK	"/sys/kernel/debug/rare_write_soak/"
#define HOWTO	"/sys/module/rare_write_howto/parameters/state"

static char text[8192];
static const char *howto = "/lib/rare_write_howto.ko";

struct count {
	long tried, done;
};

/* What the processes tell each other; each counts for itself. */
static struct shared {
	int stop;
	struct count off, on, loads, writes, processes, audits;
} *shared;

static int stopped(void)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

static unsigned long seed;

/* Different in each process: who starts one changes the seed, which is never 0. */
static unsigned int random_below(unsigned int limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 16) % limit;
}

/* Read a file as text; -1 if that fails, or if it is not there. */
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
	return n < 0 ? -1 : sum;
}

/* Is this in the text? */
static int has(const char *what)
{
	return in(text, what);
}

static int put(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY), n;

	if (fd < 0)
		return -1;
	n = write(fd, what, strlen(what));
	close(fd);
	return n == (int)strlen(what) ? 0 : -1;
}

/* The number behind a name, of the lines that the module shows; -1: not there. */
static long number(const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');

		if (!end)
			break;
		if ((size_t)(end - line) > len && !memcmp(line, name, len) && line[len] == ' ')
			return atol(line + len + 1);
		line = end + 1;
	}
	return -1;
}

static int try(struct count *count, int ok)
{
	count->tried++;
	count->done += ok;
	return ok;
}

/* CPUs go and come, so that there are all of them now and then one or two. */
static void switch_cpus(void)
{
	char path[] = "/sys/devices/system/cpu/cpu0/online";
	char *digit = strchr(path, '0');
	int off[10] = {}, cpu;

	while (!stopped()) {
		cpu = 1 + random_below(9);
		*digit = '0' + cpu;
		if (get(path) < 0)
			continue;
		if (off[cpu] && try(&shared->on, !put(path, "1")))
			off[cpu] = 0;
		else if (!off[cpu] && try(&shared->off, !put(path, "0")))
			off[cpu] = 1;
		usleep(random_below(50000));
	}
	for (cpu = 1; cpu < 10; cpu++) {
		*digit = '0' + cpu;
		if (off[cpu])
			try(&shared->on, !put(path, "1"));
	}
}

/* A module comes, with a region of its own, and goes. */
static void load(void)
{
	int fd = open(howto, O_RDONLY);

	while (!stopped()) {
		int ok = !syscall(__NR_finit_module, fd, "", 0) &&
			 get(DEBUG "regions") > 0 && has("rare_write_howto");

		usleep(random_below(50000));
		ok = !syscall(__NR_delete_module, "rare_write_howto", O_NONBLOCK) &&
		     get(DEBUG "regions") > 0 && !has("rare_write_howto") && ok;
		try(&shared->loads, ok);
		usleep(random_below(5000));
	}
	close(fd);
}

/* Its configuration changes, and is always one of those that were written, as a whole. */
static void configure(void)
{
	static const char * const states[] = { "1 /sbin/odd", "2 /sbin/even", "0 /sbin/helper" };
	int ok;

	while (!stopped()) {
		if (put(HOWTO, states[random_below(2)])) {
			/* There is nobody to ask, for now. */
			ok = errno == ENOENT || errno == ENODEV;
			if (!ok)
				try(&shared->writes, 0);
			usleep(1000);
			continue;
		}
		if (get(HOWTO) <= 0)
			continue;
		ok = 0;
		for (int i = 0; i < 3; i++)
			ok = ok || !memcmp(text, states[i], strlen(states[i]));
		try(&shared->writes, ok);
	}
}

/* A process with memory where the alias is keeps it, and its address space. */
static int have_memory(void)
{
	unsigned char *page = map_where_alias_is();
	unsigned char byte = getpid();

	if (!page)
		return 1;
	memset(page, byte, PLACE_SIZE);
	for (int i = 0; i < 10; i++) {
		sched_yield();
		for (int j = 0; j < PLACE_SIZE; j += 64)
			if (page[j] != byte)
				return 1;
	}
	return 0;
}

static void start_processes(void)
{
	char *argv[] = { "rare_write_soak", "memory", NULL }, *envp[] = { NULL };

	while (!stopped()) {
		int status = -1, pid = fork();

		if (!pid) {
			execve("/proc/self/exe", argv, envp);
			exit(127);
		}
		try(&shared->processes, pid > 0 && waitpid(pid, &status, 0) == pid && !status);
	}
}

static void audit(void)
{
	while (!stopped()) {
		try(&shared->audits, get(DEBUG "audit") > 0 && has("audit: ok: "));
		usleep(1000000);
	}
}

static const struct {
	void (*func)(void);
} jobs[] = { { switch_cpus }, { load }, { configure }, { start_processes }, { audit } };

#define JOBS	((int)(sizeof(jobs) / sizeof(*jobs)))

static void tell(int minutes)
{
	get(SOAK "counters");
	ksft_print_msg("minutes %d, windows %ld, attacks %ld, NMIs %ld, audits %ld\n", minutes,
		       number("windows"), number("attacks"), number("nmis"), shared->audits.done);
	ksft_print_msg("minutes %d, hotplug cycles %ld, module loads %ld, processes %ld\n", minutes,
		       shared->on.done, shared->loads.done, shared->processes.done);
}

/* Is it too early to stop? On a busy machine some things take long to happen even once. */
static int early(time_t passed, int seconds)
{
	int all = shared->loads.done && shared->writes.done && shared->processes.done &&
		  shared->audits.done;

	return passed < seconds || (!all && passed < 10 * seconds);
}

/* It always went well, and at least once a minute. */
static void report(struct count count, const char *what, int seconds)
{
	ksft_print_msg("%s: %ld of %ld\n", what, count.done, count.tried);
	ksft_test_result(count.done > seconds / 60 && count.tried == count.done, "%s\n", what);
}

int main(int argc, char **argv)
{
	int seconds, pid[JOBS], ended = 1, status;
	time_t start = time(NULL);

	if (argc > 1 && !strcmp(argv[1], "memory"))
		return have_memory();
	ksft_print_header();
	seconds = argc > 1 ? atoi(argv[1]) : 0;
	if (seconds <= 0)
		ksft_exit_fail_msg("say how many seconds\n");
	if (argc > 2)
		seed = atol(argv[2]);
	else if (syscall(__NR_getrandom, &seed, 3, GRND_INSECURE) != 3)
		ksft_exit_fail_msg("no random number\n");
	if (argc > 3)
		howto = argv[3];
	if (get(SOAK "counters") < 0)
		ksft_exit_skip("load the module rare_write_soak first\n");
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!seed || shared == MAP_FAILED)
		ksft_exit_fail_msg("no memory, or a seed of 0\n");
	ksft_set_plan(9);
	ksft_print_msg("%d seconds, seed %lu\n", seconds, seed);

	for (int i = 0; i < JOBS; i++) {
		seed += 0x9e3779b97f4a7c15UL;
		pid[i] = fork();
		if (!pid[i]) {
			jobs[i].func();
			exit(0);
		}
	}
	for (int minutes = 0; early(time(NULL) - start, seconds);) {
		usleep(200000);
		if (time(NULL) - start >= (minutes + 1) * 60)
			tell(++minutes);
	}
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < JOBS; i++)
		ended = pid[i] > 0 && waitpid(pid[i], &status, 0) == pid[i] && !status && ended;

	get(SOAK "stop");
	ksft_print_msg("windows: %ld\n", number("windows"));
	ksft_print_msg("rounds in softirqs %ld, in hardirqs %ld, reads %ld\n", number("in_softirq"),
		       number("in_hardirq"), number("reads"));
	ksft_print_msg("torn: %ld\n", number("torn"));
	ksft_print_msg("stale %ld, lost %ld, mismatches %ld\n", number("stale"), number("lost"),
		       number("mismatches"));
	ksft_test_result(number("windows") > 0 && number("reads") > 0 && !number("torn") &&
			 !number("stale") && !number("lost") && !number("mismatches"),
			 "what is written is read, whole and in order\n");
	ksft_print_msg("attacks: %ld\n", number("attacks"));
	ksft_print_msg("while a window was open: %ld\n", number("inside"));
	ksft_print_msg("hits: %ld\n", number("hits"));
	ksft_print_msg("NMIs: %ld\n", number("nmis"));
	ksft_test_result(number("attacks") > 0 && number("inside") > 0 && !number("hits"),
			 "attacks are refused\n");
	ksft_print_msg("NMIs in a window: %ld\n", number("nmis_inside"));
	/* In the first minutes none may meet one. */
	if (!number("nmis"))
		ksft_test_result_skip("a window masks all that this machine has of NMIs\n");
	else
		ksft_test_result(number("nmis") > 0 && (seconds < 600 || number("nmis_inside") > 0),
				 "NMIs come\n");
	ksft_test_result(ended && !number("idle"), "nobody stands still\n");
	if (!shared->off.tried) {
		ksft_test_result_skip("no CPU can be switched off\n");
	} else {
		ksft_print_msg("CPUs off: %ld of %ld\n", shared->off.done, shared->off.tried);
		/* Who is off comes back, at the end at least. */
		shared->on.tried += shared->off.tried - shared->off.done;
		report(shared->on, "hotplug cycles", seconds);
	}
	report(shared->loads, "module loads", seconds);
	report(shared->writes, "writes to the module", seconds);
	report(shared->processes, "processes", seconds);
	report(shared->audits, "audits", seconds);
	ksft_finished();
}
