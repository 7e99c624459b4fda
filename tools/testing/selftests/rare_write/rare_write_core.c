// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do tables and lists of the kernel still do what they are for, now that they are
 * write-rare? Sockets of all kinds, their diagnosis, formats of programs, and the
 * switches of security modules. With handlers that come and go with modules, whose
 * files are in the folder given, or in /lib:
 *
 *	rare_write_core [path/to/modules/]
 *	rare_write_core lockdown
 *
 * The latter goes last: what it does cannot be undone. Needs to be root.
 */
#ifndef NOLIBC
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <asm/byteorder.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

#include "../kselftest.h"

#define ROUNDS		10
/* What this program ends with if it was started as the test wants. */
#define STARTED		42
#define NO_EXEC		43
#define NOT_RUN		44

enum { UNIX = 1, INET = 2, APPLETALK = 5, INET6 = 10, NETLINK = 16, PACKET = 17 };
enum { STREAM = 1, DGRAM = 2, RAW = 3, SEQPACKET = 5 };

static const char *modules = "/lib/";
static char text[4096];

/* Read a file as text; -1 if it cannot be read. */
static int get(const char *path)
{
	int fd = open(path, O_RDONLY), n;

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
	return n;
}

/* Does a file say this? */
static int says(const char *path, const char *what)
{
	if (get(path) >= 0 && !strncmp(text, what, strlen(what)))
		return 1;
	ksft_print_msg("%s: %s, not %s\n", path, text, what);
	return 0;
}

/* Write a file; the error or 0. */
static int put(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0755), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, what, strlen(what)) < 0)
		error = errno;
	close(fd);
	return error;
}

/* Three strings in one; by hand, since nolibc has no snprintf(). */
static const char *join(const char *first, const char *second, const char *third)
{
	static char joined[300];

	joined[0] = 0;
	strncat(joined, first, 99);
	strncat(joined, second, 99);
	strncat(joined, third, 99);
	return joined;
}

static int load(const char *name)
{
	int fd, ret;

	fd = open(join(modules, name, ".ko"), O_RDONLY);
	if (fd < 0)
		return -1;
	ret = syscall(__NR_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

static int unload(const char *name)
{
	return syscall(__NR_delete_module, name, O_NONBLOCK);
}

/* Make a socket: 0, or why there is none. */
static int makes(int family, int type, int protocol)
{
	int fd = syscall(__NR_socket, family, type, protocol);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* net_families[], inetsw[], inetsw6[] */
static void creation(void)
{
	int ok = !makes(UNIX, STREAM, 0) && !makes(NETLINK, RAW, 0) && !makes(PACKET, RAW, 0);

	for (int family = INET; family <= INET6; family += INET6 - INET) {
		ok = ok && !makes(family, STREAM, 0) && !makes(family, STREAM, IPPROTO_TCP) &&
		     !makes(family, DGRAM, 0) && !makes(family, RAW, IPPROTO_RAW);
		/* Not the first of its list. Who may have one is another question. */
		ok = ok && makes(family, DGRAM, family == INET ? IPPROTO_ICMP : IPPROTO_ICMPV6) !=
		     EPROTONOSUPPORT;
		ok = ok && makes(family, STREAM, IPPROTO_UDP) == EPROTONOSUPPORT &&
		     makes(family, RAW, 0) == EPROTONOSUPPORT &&
		     makes(family, SEQPACKET, 0) == ESOCKTNOSUPPORT;
	}
	ok = ok && makes(APPLETALK, DGRAM, 0) == EAFNOSUPPORT;
	ksft_test_result(ok, "sockets are made of the families and types that there are\n");
}

/* inet_protos[]: what is sent to this machine arrives in the right hands. */
static int arrives(int type)
{
	struct sockaddr_in to = {
		.sin_family = INET, .sin_addr.s_addr = __constant_htonl(INADDR_LOOPBACK),
	};
	int fd = syscall(__NR_socket, INET, type, 0), len = sizeof(to);
	int from = syscall(__NR_socket, INET, type, 0), at = fd, n = -1;
	char byte = 0;

	if (syscall(__NR_bind, fd, &to, sizeof(to)) ||
	    (type == STREAM && syscall(__NR_listen, fd, 1)) ||
	    syscall(__NR_getsockname, fd, &to, &len) ||
	    syscall(__NR_connect, from, &to, sizeof(to)))
		goto out;
	if (type == STREAM)
		at = syscall(__NR_accept, fd, NULL, NULL);
	if (write(from, "x", 1) == 1)
		n = read(at, &byte, 1);
out:
	if (at != fd)
		close(at);
	close(from);
	close(fd);
	return n == 1 && byte == 'x';
}

static void packets(void)
{
	struct {
		char name[16];
		short flags;
		char rest[22];
	} up = { .name = "lo", .flags = 1 };
	int fd = syscall(__NR_socket, INET, DGRAM, 0);
	int ok = !syscall(__NR_ioctl, fd, 0x8914 /* SIOCSIFFLAGS */, &up);

	close(fd);
	ksft_test_result(ok && arrives(DGRAM) && arrives(STREAM), "UDP and TCP arrive\n");
}

/* Ask about sockets: 0 if there is an answer, or the error. */
static int diagnose(int type, int family)
{
	struct {
		struct nlmsghdr head;
		union {
			struct inet_diag_req_v2 inet;
			struct inet_diag_req old;
			struct unix_diag_req local;
		};
	} ask = { .head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	int fd = syscall(__NR_socket, NETLINK, RAW, NETLINK_SOCK_DIAG), n, error = -1;
	struct nlmsghdr *answer;

	/* The first byte of each of them. */
	ask.inet.sdiag_family = family;
	if (type != SOCK_DIAG_BY_FAMILY) {
		ask.head.nlmsg_len = NLMSG_LENGTH(sizeof(ask.old));
	} else if (family == UNIX) {
		ask.head.nlmsg_len = NLMSG_LENGTH(sizeof(ask.local));
	} else {
		ask.head.nlmsg_len = NLMSG_LENGTH(sizeof(ask.inet));
		ask.inet.sdiag_protocol = IPPROTO_TCP;
	}
	write(fd, &ask, ask.head.nlmsg_len);
	/* To the end, or the module stays in use for a while. */
	while (error < 0 && (n = read(fd, text, sizeof(text))) > 0) {
		for (answer = (void *)text; NLMSG_OK(answer, n); answer = NLMSG_NEXT(answer, n)) {
			if (answer->nlmsg_type == NLMSG_ERROR)
				error = -*(int *)NLMSG_DATA(answer);
			else if (answer->nlmsg_type == NLMSG_DONE)
				error = 0;
		}
	}
	close(fd);
	return error;
}

/* sock_diag_handlers[] and inet_rcv_compat: they come and go with modules. */
static void diagnosis(void)
{
	int ok = 1;

	for (int i = 0; i < ROUNDS && ok; i++) {
		ok = diagnose(SOCK_DIAG_BY_FAMILY, UNIX) == ENOENT &&
		     !load("unix_diag") && !diagnose(SOCK_DIAG_BY_FAMILY, UNIX) &&
		     !unload("unix_diag");
		ok = ok && diagnose(SOCK_DIAG_BY_FAMILY, INET) == ENOENT &&
		     diagnose(TCPDIAG_GETSOCK, INET) == EOPNOTSUPP &&
		     !load("inet_diag") && !load("tcp_diag") &&
		     !diagnose(SOCK_DIAG_BY_FAMILY, INET) &&
		     !diagnose(SOCK_DIAG_BY_FAMILY, INET6) &&
		     !diagnose(TCPDIAG_GETSOCK, INET) &&
		     !unload("tcp_diag") && !unload("inet_diag");
	}
	ok = ok && diagnose(SOCK_DIAG_BY_FAMILY, UNIX) == ENOENT;
	ksft_test_result(ok, "sockets can be diagnosed while the module for it is loaded\n");
}

/* Execute a file: what it ended with, NO_EXEC if no format knows it, or NOT_RUN. */
static int run(const char *file)
{
	char *argv[] = { (char *)file, NULL }, *envp[] = { NULL };
	int status, pid = fork();

	if (!pid) {
		execve(file, argv, envp);
		exit(errno == ENOEXEC ? NO_EXEC : NOT_RUN);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The list of formats. */
static void formats(const char *self)
{
	int ok;

	ok = !put("/tmp/script", join("#!", self, " started\n")) &&
	     !put("/tmp/ours", "#!RARE\n") && !put("/tmp/unknown", "RARE\n") &&
	     run("/tmp/script") == STARTED && run("/tmp/ours") == NOT_RUN &&
	     run("/tmp/unknown") == NO_EXEC;

	/* It is asked before the others: "ours" is a script, too. */
	mkdir("/tmp/misc", 0755);
	for (int i = 0; i < ROUNDS && ok; i++) {
		ok = !load("binfmt_misc") &&
		     !mount("misc", "/tmp/misc", "binfmt_misc", 0, NULL) &&
		     !put("/tmp/misc/register", join(":rare:M::#!RARE::", self, ":")) &&
		     run("/tmp/ours") == STARTED && run("/tmp/script") == STARTED &&
		     run("/tmp/unknown") == NO_EXEC && !put("/tmp/misc/rare", "-1") &&
		     !syscall(__NR_umount2, "/tmp/misc", 0) && !unload("binfmt_misc") &&
		     run("/tmp/ours") == NOT_RUN && run("/tmp/unknown") == NO_EXEC;
	}
	ksft_test_result(ok, "programs, scripts and what binfmt_misc was told are executed\n");
}

static void pinning(void)
{
	static const char file[] = "/proc/sys/kernel/loadpin/enforce";
	int ok;

	/* No block device is below: it may be turned off. */
	ok = says(file, "0\n") && !put(file, "1\n") && says(file, "1\n") &&
	     put(file, "2\n") == EINVAL && says(file, "1\n") &&
	     !load("unix_diag") && !unload("unix_diag") && !put(file, "0\n") && says(file, "0\n");
	ksft_test_result(ok, "loadpin can be enforced, and is not\n");
}

static void enforcement(void)
{
	static const char file[] = "/sys/fs/selinux/enforce";
	int *status, fd, ok;

	mount("selinux", "/sys/fs/selinux", "selinuxfs", 0, NULL);
	fd = open("/sys/fs/selinux/status", O_RDONLY);
	/* A version, a number that is even at rest, enforcing. */
	status = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ok = status != MAP_FAILED && says(file, "0") && status[2] == 0 &&
	     !put(file, "1") && says(file, "1") && status[2] == 1 &&
	     put("/sys/fs/selinux/load", "this is no policy") == EINVAL && says(file, "1") &&
	     !put(file, "0") && says(file, "0") && status[2] == 0;
	close(fd);
	ksft_test_result(ok, "SELinux enforces, and does not, as it is told\n");
}

static void locking(void)
{
	static const char file[] = "/sys/kernel/security/lockdown";
	int ok;

	mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	ok = says(file, "[none] integrity confidentiality") && !put(file, "integrity") &&
	     says(file, "none [integrity] confidentiality") && put(file, "none") == EPERM &&
	     put(file, "integrity") == EPERM && put(file, "nothing") == EINVAL &&
	     says(file, "none [integrity] confidentiality") && !put(file, "confidentiality") &&
	     put(file, "integrity") == EPERM &&
	     says(file, "none integrity [confidentiality]");
	ksft_test_result(ok, "the kernel is locked down further, and not less\n");
}

int main(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "started") || !strcmp(argv[1], "/tmp/ours")))
		return STARTED;
	ksft_print_header();
	if (argc > 1 && !strcmp(argv[1], "lockdown")) {
		ksft_set_plan(1);
		locking();
		ksft_finished();
	}
	if (argc > 1)
		modules = argv[1];
	ksft_set_plan(6);
	creation();
	packets();
	diagnosis();
	formats(argv[0]);
	pinning();
	enforcement();
	ksft_finished();
}
