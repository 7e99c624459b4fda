// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs ask of a kernel all the time, timed: make bench-system boots two
 * kernels with it and compares them. Writes to the file that is its argument, for each
 * work a line: its name, how often it was done, and nanoseconds for each of several
 * runs; or "absent" if this kernel cannot do it. Without an argument it just ends:
 * it is also what it executes.
 */
#include <linux/in.h>
#include <linux/un.h>

#define AF_UNIX		1
#define AF_INET		2
#define SOCK_STREAM	1

#define RUNS		5

static char *self;
static int sysctl;

static int do_syscall(void)
{
	return syscall(__NR_getppid) < 0;
}

static int do_open_close(void)
{
	int fd = open("/plan", O_RDONLY);

	return fd < 0 ? fd : close(fd);
}

static int do_child(int program)
{
	char *argv[] = { self, NULL }, *envp[] = { NULL };
	int status, pid = fork();

	if (!pid) {
		if (program)
			execve(self, argv, envp);
		exit(program);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return status;
}

static int do_fork(void)
{
	return do_child(0);
}

static int do_exec(void)
{
	return do_child(1);
}

static int do_socket(int family, const void *addr, int len)
{
	int fd = syscall(__NR_socket, family, SOCK_STREAM, 0), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(__NR_bind, fd, addr, len) ? -errno : 0;
	close(fd);
	return ret;
}

/* The kernel chooses the name and the port. */
static int do_unix(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	return do_socket(AF_UNIX, &addr, sizeof(addr.sun_family));
}

static int do_inet(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };

	return do_socket(AF_INET, &addr, sizeof(addr));
}

static int do_sysctl(void)
{
	char text[16];
	int n = syscall(__NR_pread64, sysctl, text, sizeof(text), 0);

	return n < 0 ? n : !n;
}

/* So many of each that what is freed later, after a grace period, is counted as well. */
static const struct {
	const char *name;
	int (*func)(void);
	int times;
} works[] = {
	{ "syscall", do_syscall, 20000 },
	{ "open-close", do_open_close, 2000 },
	{ "fork-exit-wait", do_fork, 400 },
	{ "fork-exec-wait", do_exec, 200 },
	{ "socket-unix", do_unix, 1000 },
	{ "socket-inet", do_inet, 1000 },
	{ "sysctl-read", do_sysctl, 2000 },
	{ }
};

static unsigned long now(void)
{
	struct timespec time;

	syscall(__NR_clock_gettime, CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000UL + time.tv_nsec;
}

/* Once before it counts; return an error if that or any other fails. */
static int measure(int work, unsigned long *ns)
{
	int bad = works[work].func();

	for (int run = 0; run < RUNS && !bad; run++) {
		unsigned long start = now();

		for (int i = 0; i < works[work].times && !bad; i++)
			bad = works[work].func();
		ns[run] = now() - start;
	}
	return bad;
}

int main(int argc, char *argv[])
{
	unsigned long ns[RUNS];
	int out;

	if (argc < 2)
		return 0;
	self = argv[0];
	sysctl = open("/proc/sys/kernel/kptr_restrict", O_RDONLY);
	out = open(argv[1], O_WRONLY);
	if (out < 0 || sysctl < 0 || dup2(out, 1) < 0)
		return 1;

	printf("format 1\n");
	for (int work = 0; works[work].name; work++) {
		int bad = measure(work, ns);

		if (bad == -EAFNOSUPPORT || bad == -ENOSYS) {
			printf("absent %s\n", works[work].name);
			continue;
		}
		if (bad)
			return 1;
		printf("case %s %d", works[work].name, works[work].times);
		for (int run = 0; run < RUNS; run++)
			printf(" %lu", ns[run]);
		printf("\n");
	}
	printf("end\n");
	return 0;
}
