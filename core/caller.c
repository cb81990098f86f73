/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * User, groups and capabilities come from one read of the thread's status, so
 * all three show the same moment.
 *
 * The kernel needs 10 us to write the text. For a root thread with all of our
 * capabilities we don't read the text: capget(2) returns the capabilities, and
 * groups make no difference to such a thread.
 */
#include "core/caller.h"

#include "core/cleanup.h"
#include "core/proc.h"

#include <ctype.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/*
 * Turns errno, after a file of a thread in /proc couldn't be read, into the
 * error to return. A thread that has ended has no rights.
 */
static int read_error(void)
{
	return errno == ENOENT || errno == ESRCH ? -EPERM : -errno;
}

/*
 * The text after name ("\nNAME:"), or NULL. Only the first line, the program's
 * name, is chosen by the user, and the kernel escapes newlines in it.
 */
static const char *field(const char *text, const char *name)
{
	const char *found = strstr(text, name);

	return found ? found + strlen(name) : NULL;
}

bool core_caller_works(void)
{
	_cleanup_free_ char *text = core_proc_read("/proc/self/status");
	const char *pids = text ? field(text, "\nNSpid:") : NULL;
	int pid, n = 0;

	/*
	 * The field has one number for each PID namespace, from the namespace
	 * of /proc down to ours. If both are the same, there is a single
	 * number.
	 */
	return pids && sscanf(pids, "%d%n", &pid, &n) == 1 && pid == getpid() &&
	       pids[n] == '\n';
}

/*
 * "user:[NUMBER]": the user namespace of this process, which doesn't change.
 * "": unknown.
 */
static pthread_once_t namespace_once = PTHREAD_ONCE_INIT;
static char our_namespace[64];

static void read_namespace(void)
{
	(void)!readlink("/proc/self/ns/user", our_namespace,
			sizeof(our_namespace) - 1);
}

/*
 * readlink(2) takes 3 us, or 19 us at the first look at a process, because the
 * kernel then creates inodes. stat(2) takes 5 us, and the ioctl
 * PIDFD_GET_USER_NAMESPACE on a pidfd takes 10 us. An open descriptor of /proc
 * saves no time. A thread can change its namespace between two requests, so the
 * result isn't cached.
 */
static bool is_in_our_user_namespace(pid_t tid)
{
	char theirs[sizeof(our_namespace)] = "";

	pthread_once(&namespace_once, read_namespace);
	return readlink(core_proc_path("/proc/%d/ns/user", tid).s, theirs,
			sizeof(theirs) - 1) > 0 &&
	       strcmp(theirs, our_namespace) == 0;
}

bool core_caller_is_in_our_namespaces(pid_t tid)
{
	char theirs[sizeof(our_namespace)] = "", ours[sizeof(theirs)] = "";

	return is_in_our_user_namespace(tid) &&
	       readlink(core_proc_path("/proc/%d/ns/pid", tid).s, theirs,
			sizeof(theirs) - 1) > 0 &&
	       readlink("/proc/self/ns/pid", ours, sizeof(ours) - 1) > 0 &&
	       strcmp(theirs, ours) == 0;
}

/*
 * Whether a thread has all capabilities that this process has, and among them
 * CAP_DAC_OVERRIDE, which makes the thread's groups irrelevant.
 */
static bool has_all(pid_t tid)
{
	struct core_cred cred = { 0 };

	return core_cred_get_caps(tid, &cred.caps) == 0 &&
	       core_cred_has_all(&cred) &&
	       (cred.caps & (UINT64_C(1) << CAP_DAC_OVERRIDE)) &&
	       is_in_our_user_namespace(tid);
}

/*
 * Reads the numbers in a line of text. ret: the caller frees the array with
 * free(3).
 */
static int read_groups(const char *line, gid_t **ret, size_t *ret_n)
{
	/* A number takes at least a digit and a space. */
	size_t most = strcspn(line, "\n") / 2 + 1, n = 0;
	gid_t *groups = calloc(most, sizeof(*groups));
	char *end;

	if (!groups)
		return -ENOMEM;
	line += strspn(line, " \t");
	for (; n < most && isdigit((unsigned char)*line); n++) {
		groups[n] = (gid_t)strtoul(line, &end, 10);
		line = end + strspn(end, " ");
	}
	*ret = groups;
	*ret_n = n;
	return 0;
}

/*
 * The capabilities that count for a request. as_real: access(2) made the
 * request.
 */
static uint64_t capabilities(const char *text, const struct core_cred *cred,
			     bool as_real)
{
	const char *line = field(text, as_real ? "\nCapPrm:" : "\nCapEff:");

	/*
	 * access(2) checks with no capabilities, unless the real user is root:
	 * then access(2) checks with all permitted capabilities.
	 */
	if (!line || (as_real && cred->uid != 0))
		return 0;
	return strtoull(line, NULL, 16);
}

int core_caller_read(pid_t tid, uid_t uid, gid_t gid, struct core_cred *ret,
		     gid_t **ret_groups)
{
	struct core_cred cred = { .uid = uid, .gid = gid, .pid = tid };
	_cleanup_free_ char *text = NULL;
	uid_t real_uid, fs_uid;
	gid_t real_gid, fs_gid;
	const char *groups;
	bool as_real;
	int r;

	if (tid <= 0)
		return -EPERM;
	if (uid == 0 && has_all(tid)) {
		cred.caps = CORE_CRED_ALL_CAPS;
		*ret = cred;
		*ret_groups = NULL;
		return 0;
	}
	text = core_proc_read(core_proc_path("/proc/%d/status", tid).s);
	if (!text)
		return read_error();
	groups = field(text, "\nGroups:");
	if (!groups ||
	    sscanf(field(text, "\nUid:") ?: "", "%u%*u%*u%u", &real_uid,
		   &fs_uid) != 2 ||
	    sscanf(field(text, "\nGid:") ?: "", "%u%*u%*u%u", &real_gid,
		   &fs_gid) != 2)
		return -EPERM;
	as_real = uid != fs_uid || gid != fs_gid;
	if (as_real && (uid != real_uid || gid != real_gid))
		return -EPERM;
	cred.caps = capabilities(text, &cred, as_real);
	if (cred.caps != 0 && !is_in_our_user_namespace(tid))
		cred.caps = 0;
	r = read_groups(groups, ret_groups, &cred.n_groups);
	if (r < 0)
		return r;
	cred.groups = *ret_groups;
	*ret = cred;
	return 0;
}

int core_caller_queue_limit(pid_t tid, struct rlimit *ret)
{
	static const char name[] = "\nMax msgqueue size";
	_cleanup_free_ char *text = NULL;
	unsigned long long n;
	struct rlimit limit;
	const char *line;

	if (getrlimit(RLIMIT_MSGQUEUE, &limit) < 0)
		return -errno;
	if (tid == 0) {
		*ret = limit;
		return 0;
	}
	text = core_proc_read(core_proc_path("/proc/%d/limits", tid).s);
	if (!text)
		return read_error();
	line = field(text, name);
	if (!line)
		return -EIO;
	/* If the text has no number, the thread has no limit. */
	limit.rlim_cur = sscanf(line, "%llu", &n) == 1 && n < limit.rlim_max
				 ? n
				 : limit.rlim_max;
	*ret = limit;
	return 0;
}
