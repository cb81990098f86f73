/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/fuse/request.h"

#include "core/caller.h"
#include "fs/fuse/log.h"
#include "fs/fuse/node.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * The user charged for open files of a root that lacks some of our
 * capabilities.
 */
#define WEAK_ROOT ((uid_t)-3)

/* Logs a request by its path, for -d. libfuse logs only numbers. */
static void trace(const struct fs_request *rq, const char *name)
{
	char path[NAME_MAX + 1], line[2 * sizeof(path) + 40];
	bool is_dir = rq->node->is_dir;

	fs_node_name(rq->node, path);
	(void)snprintf(line, sizeof(line), "/%.20s%s%s%s%.255s",
		       is_dir ? "" : rq->kind->name, is_dir ? "" : "/", path,
		       name ? ", name " : "", name ?: "");
	fs_log_make_printable(line);
	fuse_log(FUSE_LOG_DEBUG, "ipcfs: %s, by user %u, group %u\n", line,
		 rq->caller->uid, rq->caller->gid);
}

struct fs_request fs_request_begin(fuse_req_t req, fuse_ino_t id,
				   const char *name)
{
	const struct fuse_ctx *caller = fuse_req_ctx(req);
	struct fs *fs = fuse_req_userdata(req);
	struct fs_node *node = fs_node_from_id(fs->nodes, id);
	struct fs_request rq = {
		.fs = fs,
		.req = req,
		.caller = caller,
		.cred = { .uid = caller->uid,
			  .gid = caller->gid,
			  .pid = caller->pid },
		.node = node,
		.kind = node->kind,
		.view = node->view,
	};

	if (fs->debug)
		trace(&rq, name);
	return rq;
}

void fs_request_act_as_caller(struct fs_request *rq)
{
	const struct fuse_ctx *caller = rq->caller;

	if (core_cred_self().uid == 0)
		rq->cred.error =
			core_caller_read(caller->pid, caller->uid, caller->gid,
					 &rq->cred, &rq->groups);
}

struct fs_request fs_request_begin_as_caller(fuse_req_t req, fuse_ino_t id,
					     const char *name)
{
	struct fs_request rq = fs_request_begin(req, id, name);

	fs_request_act_as_caller(&rq);
	return rq;
}

int fs_request_charge_handle(struct fs_request *rq)
{
	uid_t uid = rq->caller->uid;
	int r;

	/* A root with fewer capabilities than ours may be unable to kill us. */
	if (uid == 0 && !core_cred_has_all(&rq->cred))
		uid = WEAK_ROOT;
	r = fs_charge_user(&rq->charge, rq->fs->handles, uid, 0);
	return r == -EAGAIN ? -EMFILE : r;
}

void fs_request_end(struct fs_request *rq, int result)
{
	if (result < 0)
		(void)fuse_reply_err(rq->req, -result);
	if (fs_charge_is_held(&rq->charge))
		fs_charge_release(&rq->charge);
	free(rq->groups);
}

void fs_request_end_with_status(struct fs_request *rq, int result)
{
	if (result == 0)
		(void)fuse_reply_err(rq->req, 0);
	fs_request_end(rq, result);
}
