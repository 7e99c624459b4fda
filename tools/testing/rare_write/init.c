// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first program of a test machine. Does what /plan says, one step a line,
 * and reports each step on a port of its own, not on the console, where the
 * kernel under test could write too: a virtio port, or verdict=FILE on the kernel's
 * command line. "done" comes last, after a look at the taint of the kernel: a
 * run without it did not finish.
 *
 * Steps: insmod FILE [PARAMETERS]   rmmod NAME        cat FILE
 *        write FILE TEXT            kills FILE TEXT   exec FILE [ARGUMENT]
 *        shell [FILE]               copy FILE FILE    kexec KERNEL INITRD
 *        as-user FILE [ARGUMENT]             restart
 * A "kills" step must end the process that writes; exec may exit with 4: skip.
 * "as-user" is exec as somebody without rights, who gets two files as root opened
 * them: standard input is /proc/kallsyms, and standard output the kernel's log.
 * "shell" is a login shell on the console, or one that reads its input from FILE.
 * After "kexec" the end of the plan is not power-off but that kernel, with a plan
 * of its own; after "restart", which a machine needs that cannot be turned off, that.
 */
#define PORT "/dev/vport0p1"
#define USER 1000

#ifdef __x86_64__
#define TTY "/dev/ttyS0"
#else
#define TTY "/dev/ttyAMA0"
#endif

/* The kernel's log takes 1024 bytes at a time. */
#define LINE 1000
/* Shown when the kernel's own notices are not. */
#define LEVEL "<4>"

static int verdict = -1, kmsg = -1, last = LINUX_REBOOT_CMD_POWER_OFF;

/* By way of the kernel's log, one line a write: else the kernel speaks in between. */
static void say(const char *what, const char *step)
{
	char line[600] = "<6>init: ";

	strlcat(line, what, sizeof(line));
	strlcat(line, " ", sizeof(line));
	strlcat(line, step, sizeof(line));
	strlcat(line, "\n", sizeof(line));
	write(kmsg, line, strlen(line));
}

/* What files and programs say goes the same way. */
static int log_lines(int from)
{
	const int head = strlen(LEVEL);
	char buf[4096], line[LINE] = LEVEL;
	int len = head, n;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		for (int i = 0; i < n; i++) {
			line[len++] = buf[i];
			if (buf[i] == '\n' || len == LINE) {
				write(kmsg, line, len);
				len = head;
			}
		}
	}
	if (len > head)
		write(kmsg, line, len);
	return n;
}

static void report(const char *how, const char *step)
{
	char line[512];

	strlcpy(line, how, sizeof(line));
	strlcat(line, " ", sizeof(line));
	strlcat(line, step, sizeof(line));
	strlcat(line, "\n", sizeof(line));
	write(verdict, line, strlen(line));
	say(how, step);
}

/* The next word of *rest, which moves behind it. */
static char *word(char **rest)
{
	char *start = *rest, *end = strchr(start, ' ');

	if (end) {
		*end = 0;
		*rest = end + 1;
	} else {
		*rest = start + strlen(start);
	}
	return start;
}

static int insmod(char *file, const char *params)
{
	int fd = open(file, O_RDONLY), ret;

	if (fd < 0)
		return fd;
	ret = syscall(__NR_finit_module, fd, params, 0);
	close(fd);
	return ret;
}

static int write_text(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), ret;

	if (fd < 0)
		return fd;
	ret = write(fd, text, strlen(text));
	close(fd);
	return ret < 0 ? ret : 0;
}

static int cat(const char *file)
{
	int fd = open(file, O_RDONLY), ret;

	if (fd < 0)
		return fd;
	ret = log_lines(fd);
	close(fd);
	return ret;
}

static int copy(const char *file, const char *name)
{
	char buf[4096];
	int from = open(file, O_RDONLY), to = open(name, O_WRONLY), n = -1;

	while (from >= 0 && to >= 0 && (n = read(from, buf, sizeof(buf))) > 0) {
		int done = 0, ret;

		while (done < n && (ret = write(to, buf + done, n - done)) > 0)
			done += ret;
		if (done < n)
			break;
	}
	close(from);
	close(to);
	/* What is left of it could not be written. */
	return n ? -1 : 0;
}

static void become_user(void)
{
	chmod("/tmp", 01777);
	dup2(open("/proc/kallsyms", O_RDONLY), 0);
	dup2(kmsg, 1);
	if (syscall(__NR_setgroups, 0, NULL) || syscall(__NR_setgid, USER) ||
	    syscall(__NR_setuid, USER))
		exit(126);
}

enum how { WRITE, EXEC, EXEC_AS_USER };

/* Run a program, or write in a process of its own; return the wait status. */
static int child(char *file, char *text, enum how how)
{
	char *argv[] = { file, *text ? text : NULL, NULL };
	char *envp[] = { "PATH=/bin", NULL };
	int status = -1, said[2] = { -1, -1 }, pid;

	if (how == EXEC && pipe(said))
		return -1;
	pid = fork();
	if (!pid) {
		if (how == WRITE)
			exit(write_text(file, text) ? 1 : 0);
		if (how == EXEC_AS_USER)
			become_user();
		if (how == EXEC) {
			dup2(said[1], 1);
			dup2(said[1], 2);
			close(said[0]);
			close(said[1]);
		}
		execve(file, argv, envp);
		exit(127);
	}
	if (how == EXEC) {
		close(said[1]);
		log_lines(said[0]);
		close(said[0]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* busybox with a name for each of its applets; ends when the user leaves it. */
static int shell(const char *input)
{
	char *install[] = { "busybox", "--install", "-s", "/bin", NULL };
	char *login[] = { "-sh", NULL };
	char *envp[] = { "PATH=/bin", "HOME=/", "TERM=linux", "PS1=\\w # ", NULL };
	int status = -1, pid = fork();

	if (!pid)
		exit(execve("/bin/busybox", install, envp) ? 127 : 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return -1;
	pid = fork();
	if (!pid) {
		int fd;

		/* The shell owns the terminal, so that Ctrl-C reaches what it runs. */
		syscall(__NR_setsid);
		fd = open(*input ? input : TTY, O_RDWR);
		if (fd < 0)
			exit(127);
		dup2(fd, 0);
		if (!*input) {
			dup2(fd, 1);
			dup2(fd, 2);
			ioctl(fd, TIOCSCTTY, NULL);
		}
		execve("/bin/sh", login, envp);
		exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* Have the kernel ready that comes after this one, with the same command line. */
static int load_kernel(const char *file, const char *initrd)
{
	char cmdline[1024];
	int fd = open("/proc/cmdline", O_RDONLY), n, kernel, ramdisk;

	n = fd < 0 ? -1 : read(fd, cmdline, sizeof(cmdline));
	close(fd);
	kernel = open(file, O_RDONLY);
	ramdisk = open(initrd, O_RDONLY);
	if (n < 1 || kernel < 0 || ramdisk < 0)
		return -1;
	/* It must end with a zero, and there is a newline. */
	cmdline[n - 1] = 0;
	n = syscall(__NR_kexec_file_load, kernel, ramdisk, n, cmdline, 0);
	close(kernel);
	close(ramdisk);
	return n;
}

static const char *run(char *line)
{
	char *rest = line, *what = word(&rest), *file = word(&rest);
	int status;

	if (!strcmp(what, "insmod"))
		return insmod(file, rest) ? "failed" : "ok";
	if (!strcmp(what, "rmmod"))
		return syscall(__NR_delete_module, file, O_NONBLOCK) ? "failed" : "ok";
	if (!strcmp(what, "write"))
		return write_text(file, rest) ? "failed" : "ok";
	if (!strcmp(what, "cat"))
		return cat(file) ? "failed" : "ok";
	if (!strcmp(what, "copy"))
		return copy(file, word(&rest)) ? "failed" : "ok";
	if (!strcmp(what, "kills"))
		return WIFSIGNALED(child(file, rest, WRITE)) ? "ok" : "failed";
	if (!strcmp(what, "exec") || !strcmp(what, "as-user")) {
		status = child(file, rest, *what == 'e' ? EXEC : EXEC_AS_USER);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
			return "skipped";
		return WIFEXITED(status) && !WEXITSTATUS(status) ? "ok" : "failed";
	}
	if (!strcmp(what, "kexec")) {
		if (load_kernel(file, word(&rest)))
			return "failed";
		last = LINUX_REBOOT_CMD_KEXEC;
		return "ok";
	}
	if (!strcmp(what, "restart")) {
		last = LINUX_REBOOT_CMD_RESTART;
		return "ok";
	}
	if (!strcmp(what, "shell")) {
		status = shell(file);
		return WIFEXITED(status) && !WEXITSTATUS(status) ? "ok" : "failed";
	}
	return "unknown";
}

int main(void)
{
	static char plan[8192], step[512], taint[64];
	char *line, *next;
	/* The kernel hands on what it does not know. */
	const char *port = getenv("verdict");
	int fd, n;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mount("selinuxfs", "/sys/fs/selinux", "selinuxfs", 0, NULL);
	mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);

	kmsg = open("/dev/kmsg", O_WRONLY);
	verdict = open(port ? port : PORT, O_WRONLY);
	fd = open("/plan", O_RDONLY);
	n = fd < 0 ? -1 : read(fd, plan, sizeof(plan) - 1);
	if (n < 0)
		report("failed", "reading /plan");

	for (line = plan; *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		else
			next = line + strlen(line);
		strlcpy(step, line, sizeof(step));
		say("step", step);
		report(run(line), step);
	}

	if (last == LINUX_REBOOT_CMD_KEXEC) {
		close(verdict);
		reboot(last);
	}
	fd = open("/proc/sys/kernel/tainted", O_RDONLY);
	n = fd < 0 ? 0 : read(fd, taint, sizeof(taint) - 1);
	if (n > 0)
		taint[n - 1] = 0;
	report("done", taint);
	close(verdict);
	reboot(last);
	return 0;
}
