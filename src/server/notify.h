/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemd wants to hear of a service of Type=notify (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names.
 * Without that variable nothing happens.  Main thread; never blocks.
 */
#ifndef SP_SERVER_NOTIFY_H
#define SP_SERVER_NOTIFY_H

/* Lines such as "STOPPING=1\n". */
void sp_notify(const char *lines);
/* It serves, and it is the main process now (after a hot restart another one was: NotifyAccess=all). */
void sp_notify_ready(void);

#endif
