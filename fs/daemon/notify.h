/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify: tells the service manager how far the daemon is.
 */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

/*
 * Sends a state, "READY=1" or "STOPPING=1", to who started the daemon, if that
 * wants to know: systemd, for a unit with Type=notify.
 *
 * Source: sd_notify(3). Its protocol is a promise, and so small that it takes no
 * library; libsystemd would bring six more into a process of root's.
 */
void fs_notify(const char *state);

#endif
