/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The child acts as cred but is not cred's: its real user is ours, so cred's user
 * can't send it signals. It enters the cgroup itself, by writing to a file that is
 * opened here: the kernel checks the rights of the process that opened it.
 *
 * clone3(2) could start the child in the cgroup. But clone3 knows cgroups of
 * version 2 only, and systemd forbids it where it restricts namespaces.
 */
#include "core/charge.h"

#include "core/child.h"
#include "core/cleanup.h"
#include "core/proc.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

/*
 * Finds the cgroup.procs file of a process's memory cgroup. ret: for free(3);
 * empty if there are no cgroups. In /proc/PID/cgroup the line of version 2 is
 * the last one. It counts if no cgroup of version 1 controls memory.
 */
static int find_group(pid_t pid, char **ret)
{
	_cleanup_free_ char *text =
		core_proc_read(core_proc_path("/proc/%d/cgroup", pid).s);
	const char *controllers, *group = NULL, *dir = "";
	char *rest = text, *line, *path = NULL;
	int n;

	if (!text && errno != ENOENT && errno != ESRCH)
		return -errno;
	while (!group && (line = strsep(&rest, "\n"))) {
		/* Users choose names of groups, with any colons in them. */
		(void)strsep(&line, ":");
		controllers = strsep(&line, ":");
		if (!line ||
		    (*controllers && strcmp(controllers, "memory") != 0))
			continue;
		group = line;
		dir = *controllers ? "/memory" : "";
	}
	n = group ? asprintf(&path, "/sys/fs/cgroup%s%s/cgroup.procs", dir,
			     group)
		  : asprintf(&path, "%s", "");
	if (n < 0)
		return -ENOMEM;
	*ret = path;
	return 0;
}

/*
 * Opens the cgroup of a process. *ret_fd stays as it is if this process is in
 * the same cgroup. The path of a cgroup outside our cgroup namespace has ".."
 * in it and would lead elsewhere: -EPERM.
 */
static int open_group(pid_t pid, int *ret_fd)
{
	_cleanup_free_ char *theirs = NULL, *ours = NULL;
	_cleanup_close_ int fd = -1;
	struct statfs sf;
	int r = find_group(pid, &theirs);

	if (r == 0)
		r = find_group(getpid(), &ours);
	if (!theirs || !ours || strcmp(theirs, ours) == 0)
		return r;
	if (strstr(theirs, "/../"))
		return -EPERM;
	fd = open(theirs, O_WRONLY | O_CLOEXEC);
	/* In another mount namespace anything may be there. */
	if (fd < 0 || fstatfs(fd, &sf) < 0 ||
	    (sf.f_type != CGROUP_SUPER_MAGIC &&
	     sf.f_type != CGROUP2_SUPER_MAGIC))
		return -EPERM;
	*ret_fd = core_steal_fd(&fd);
	return 0;
}

int core_charge_run(const struct core_cred *cred, int fd, int (*fn)(void *arg),
		    void *arg)
{
	_cleanup_close_ int group = -1;
	int r = 0;

	if (cred->pid > 0 && geteuid() == 0)
		r = open_group(cred->pid, &group);
	if (r == 0)
		r = core_cred_enter(cred);
	if (r < 0)
		return r;
	if (group < 0)
		r = fn(arg);
	else
		r = core_child_run(&(struct core_child){
			.group = group,
			/* More than any allocation takes. */
			.seconds = 10,
			.fd = fd,
			.fn = fn,
			.arg = arg,
		});
	core_cred_leave(cred);
	return group >= 0 && r == -EINTR ? -ENOMEM : r;
}
