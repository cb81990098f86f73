/* SPDX-License-Identifier: BSD-3-Clause */
/* log: what goes wrong by what users do, so often as they like. */
#ifndef FS_LOG_H
#define FS_LOG_H

/*
 * Logs a warning: "ipcfs: ", the text, and a newline. There are no more than 50 in
 * a minute: nobody is to fill the system's log.
 */
void fs_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Makes a user's text fit for the log: each byte that isn't printable ASCII,
 * such as a newline or a terminal's control code, becomes "?".
 */
void fs_log_make_printable(char *text);

#endif
