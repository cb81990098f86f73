/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sd_notify: reports to the service manager that the daemon is ready or ends.
 */
#ifndef FS_SD_NOTIFY_H
#define FS_SD_NOTIFY_H

/*
 * Sends a state, "READY=1" or "STOPPING=1", to systemd if the daemon was
 * started by a unit with Type=notify. Otherwise does nothing.
 *
 * Source: sd_notify(3). The protocol is stable, and a message is one datagram.
 * So ipcfs implements the protocol itself, and a root process needn't load
 * libsystemd.
 */
void fs_sd_notify(const char *state);

#endif
