/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The floor: bare sockets with messages of the size that the brokered call has. The relay forwards
 * what comes and looks at nothing; no broker can be cheaper.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "way.h"

#define REQUEST 80
#define REPLY	48

static int ends[2]; /* ours: of ping-pong, of the relay */
static pid_t children[3];

static void make_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair failed");
}

static pid_t spawn(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork failed");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void serve(int fd)
{
	char bytes[REQUEST];

	while (recv(fd, bytes, sizeof(bytes), 0) == REQUEST)
		if (send(fd, bytes, REPLY, MSG_NOSIGNAL) != REPLY)
			break;
	_exit(0);
}

static void forward(int from, int to)
{
	char bytes[REQUEST];
	ssize_t n = recv(from, bytes, sizeof(bytes), 0);

	if (n <= 0 || send(to, bytes, n, MSG_NOSIGNAL) != n)
		_exit(0);
}

static void relay(int client, int server)
{
	int epoll = epoll_create1(0);
	struct epoll_event c = { .events = EPOLLIN, .data.fd = client };
	struct epoll_event s = { .events = EPOLLIN, .data.fd = server };

	epoll_ctl(epoll, EPOLL_CTL_ADD, client, &c);
	epoll_ctl(epoll, EPOLL_CTL_ADD, server, &s);
	for (;;) {
		struct epoll_event events[2];
		int n = epoll_wait(epoll, events, 2, -1);

		for (int i = 0; i < n; i++)
			forward(events[i].data.fd, events[i].data.fd == client ? server : client);
	}
}

static void call_bare(int fd)
{
	static char bytes[REQUEST];

	if (send(fd, bytes, REQUEST, MSG_NOSIGNAL) != REQUEST || recv(fd, bytes, REPLY, 0) != REPLY)
		die("the bare round trip failed");
}

static void stop_child(pid_t *pid)
{
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

static void start_ping_pong(void)
{
	int pair[2];

	make_pair(pair);
	children[0] = spawn();
	if (children[0] == 0)
		serve(pair[1]);
	close(pair[1]);
	ends[0] = pair[0];
}

static void call_ping_pong(void)
{
	call_bare(ends[0]);
}

static void stop_ping_pong(void)
{
	close(ends[0]);
	stop_child(&children[0]);
}

static void start_relay(void)
{
	int front[2], back[2];

	make_pair(front);
	make_pair(back);
	children[1] = spawn();
	if (children[1] == 0)
		serve(back[1]);
	children[2] = spawn();
	if (children[2] == 0)
		relay(front[1], back[0]);
	close(front[1]);
	close(back[0]);
	close(back[1]);
	ends[1] = front[0];
}

static void call_relay(void)
{
	call_bare(ends[1]);
}

static void stop_relay(void)
{
	close(ends[1]);
	stop_child(&children[1]);
	stop_child(&children[2]);
}

const struct way way_ping_pong = { "ping-pong", "bare SEQPACKET, two processes", start_ping_pong,
				   call_ping_pong, stop_ping_pong };
const struct way way_relay = { "relay", "a bare epoll relay in between", start_relay, call_relay,
			       stop_relay };
