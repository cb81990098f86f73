/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The child acts as cred, but its real user is ours, so cred's user can't send
 * signals to the child. The child enters the cgroup itself: it writes to a file
 * that we have opened, as the kernel checks the rights of the process that
 * opened the file.
 *
 * clone3(2) could start the child in the cgroup. But clone3 knows only cgroups
 * of version 2, and systemd forbids clone3 to services whose namespaces it
 * restricts.
 */
#include "core/cgroup.h"

#include "core/child.h"
#include "core/cleanup.h"
#include "core/proc.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

/*
 * Finds the memory cgroup in the text of /proc/PID/cgroup. The last line is the
 * line of version 2, and counts if no cgroup of version 1 controls memory.
 * ret_dir: the directory of the hierarchy. Returns "" if there is no memory
 * cgroup.
 */
static const char *find_group(char *text, const char **ret_dir)
{
	const char *controllers;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		/* Users choose the names of cgroups, which may have colons. */
		(void)strsep(&line, ":");
		controllers = strsep(&line, ":");
		if (!line ||
		    (*controllers && strcmp(controllers, "memory") != 0))
			continue;
		*ret_dir = *controllers ? "/memory" : "";
		return line;
	}
	return "";
}

/*
 * Opens the cgroup of a process. If this process is in the same cgroup, *ret_fd
 * isn't changed. The path of a cgroup outside our cgroup namespace contains
 * ".." and would lead elsewhere, so the result is -EPERM.
 */
static int open_group(pid_t pid, int *ret_fd)
{
	_cleanup_free_ char *ours = core_proc_read("/proc/self/cgroup");
	_cleanup_free_ char *theirs =
		core_proc_read(core_proc_path("/proc/%d/cgroup", pid).s);
	_cleanup_free_ char *path = NULL;
	const char *group, *dir = "";
	_cleanup_close_ int fd = -1;
	struct statfs sf;

	/* ENOENT or ESRCH: the process has ended, or there are no cgroups. */
	if (!theirs && errno != ENOENT && errno != ESRCH)
		return -errno;
	group = find_group(theirs, &dir);
	if (strcmp(group, find_group(ours, &dir)) == 0)
		return 0;
	if (asprintf(&path, "/sys/fs/cgroup%s%s/cgroup.procs", dir, group) < 0)
		return -ENOMEM;
	if (!*group || strstr(path, "/../"))
		return -EPERM;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	/* In another mount namespace the path may lead to anything. */
	if (fd < 0 || fstatfs(fd, &sf) < 0 ||
	    (sf.f_type != CGROUP_SUPER_MAGIC &&
	     sf.f_type != CGROUP2_SUPER_MAGIC))
		return -EPERM;
	*ret_fd = core_steal_fd(&fd);
	return 0;
}

int core_cgroup_run(const struct core_cred *cred, int fd, int (*fn)(void *arg),
		    void *arg)
{
	_cleanup_close_ int group = -1;
	int r = 0;

	if (cred->pid > 0 && core_cred_self().uid == 0)
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
			.copy = true,
			/* No allocation takes as long. */
			.seconds = 10,
			.fd = fd,
			.fn = fn,
			.arg = arg,
		});
	core_cred_leave(cred);
	return group >= 0 && r == -EINTR ? -ENOMEM : r;
}
