// SPDX-License-Identifier: BSD-3-Clause
/*
 * The accel device's link to its DSP: look for the node, take it, notice that it is gone, look
 * again. What happens in the folder of nodes starts a look, and so does a timer, for folders that
 * are not there yet.
 */
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/accel.h"
#include "util/stall.h"

#define RETRY_MS 1000u

static void look(struct accel *accel);

/* --- when to look --- */

/* Is it still there? A command on the device's own file says so. */
static void check(struct accel *accel)
{
	char name[16];

	if (accel_query_name(accel->fd, name) < 0)
		accel_node_gone(accel, "the device is gone");
}

static void on_reason(struct accel *accel)
{
	if (accel->link == ACCEL_LINK_UP)
		check(accel);
	else if (accel->link == ACCEL_LINK_PROBING)
		accel->probe_again = true;
	else if (accel->link == ACCEL_LINK_DOWN)
		look(accel);
}

static void on_folder(uv_fs_event_t *watch, const char *name, int events, int status)
{
	qda_stall_mark();
	if (status < 0)
		uv_fs_event_stop(watch);
	on_reason(watch->data);
}

static void on_retry(uv_timer_t *timer)
{
	qda_stall_mark();
	on_reason(timer->data);
}

/* A folder that is not there, or has been removed, is looked for by the timer. While a DSP is up
 * the timer is needed only if nothing else tells of the node. */
static void watch(struct accel *accel)
{
	char copy[sizeof(accel->path)] = "/dev/accel/accel0";
	bool watched;

	if (accel->node)
		snprintf(copy, sizeof(copy), "%s", accel->node);
	watched = uv_is_active((uv_handle_t *)&accel->watch) ||
		  !uv_fs_event_start(&accel->watch, on_folder, dirname(copy), 0);
	if (accel->link == ACCEL_LINK_UP && watched)
		uv_timer_stop(&accel->retry);
	else
		uv_timer_start(&accel->retry, on_retry, RETRY_MS, RETRY_MS);
}

/* --- there and gone --- */

static void on_own_file(uv_poll_t *poll, int status, int what)
{
	struct accel *accel = poll->data;
	ssize_t n = -1;

	qda_stall_mark();
	if (status >= 0)
		n = read(accel->fd, accel->events, sizeof(accel->events));
	/* The file has no session: all that can come is that the DSP is gone. */
	if (n > 0 || (n < 0 && errno != EAGAIN))
		accel_node_gone(accel, "the DSP is gone");
}

/* Its file is closed by the worker that looks for the next. */
static void on_poll_closed(uv_handle_t *handle)
{
	struct accel *accel = handle->data;

	accel->link = ACCEL_LINK_DOWN;
	if (accel->freed) {
		close(accel->fd);
		accel->fd = -1;
	} else {
		look(accel);
	}
	accel_on_closed(handle);
}

static void leave(struct accel *accel)
{
	accel->link = ACCEL_LINK_LEAVING;
	accel_memory_unref(accel->shell);
	accel->shell = NULL;
	accel_memories_forget(accel);
	uv_close((uv_handle_t *)&accel->poll, on_poll_closed);
}

static void tell_down(struct accel *accel, const char *why)
{
	if (!strcmp(why, accel->why))
		return;
	snprintf(accel->why, sizeof(accel->why), "%s", why);
	accel_tell(accel, QDA_DEVICE_DOWN, accel->why);
}

/* Sessions may be added by no callback while they are told: the link is down by then. */
void accel_node_gone(struct accel *accel, const char *why)
{
	struct qda_device_session *session, *next;

	if (accel->link != ACCEL_LINK_UP)
		return;
	leave(accel);
	for (session = TAILQ_FIRST(&accel->sessions); session; session = next) {
		next = TAILQ_NEXT(session, link);
		accel_session_dsp_gone(session, why);
	}
	tell_down(accel, why);
}

static int take(struct accel *accel, struct accel_probe *probe)
{
	int r = accel_memory_new(accel, probe->shell_handle, probe->shell_fd, probe->shell_size,
				 &accel->shell);

	if (r < 0)
		return r;
	probe->shell_fd = -1;
	r = uv_poll_init(accel->loop, &accel->poll, probe->fd);
	if (r < 0) {
		accel_memory_unref(accel->shell);
		accel->shell = NULL;
		return r;
	}
	accel->poll.data = accel;
	accel->n_handles++;
	uv_poll_start(&accel->poll, UV_READABLE, on_own_file);
	accel->fd = probe->fd;
	probe->fd = -1;
	memcpy(accel->path, probe->path, sizeof(accel->path));
	accel->limits = probe->limits;
	accel->is_virtual = probe->is_virtual;
	accel->shell_size = probe->shell_size;
	accel->arch = 0;
	accel->asked = false;
	accel->link = ACCEL_LINK_UP;
	accel->why[0] = '\0';
	return 0;
}

/* --- looking --- */

static struct accel *accel_of_probe(struct accel_job *job)
{
	struct accel_probe *probe = (struct accel_probe *)job;

	return (struct accel *)((char *)probe - offsetof(struct accel, probe));
}

static void run_probe(struct accel_job *job)
{
	struct accel *accel = accel_of_probe(job);

	accel_probe_run(accel, &accel->probe);
}

static bool on_probed(struct accel_job *job)
{
	struct accel *accel = accel_of_probe(job);
	struct accel_probe *probe = &accel->probe;
	bool again = accel->probe_again;
	int r = probe->err;

	accel->link = ACCEL_LINK_DOWN;
	if (accel->freed || job->dropped) {
		accel_probe_close(probe);
		return false;
	}
	if (!r) {
		r = take(accel, probe);
		if (r < 0)
			snprintf(probe->why, sizeof(probe->why), "%s: %s", probe->path,
				 strerrordesc_np(-r));
		accel_probe_close(probe);
	}
	watch(accel);
	if (!r) {
		accel_memories_enter(accel);
		accel_tell(accel, QDA_DEVICE_UP, "");
	} else {
		tell_down(accel, probe->why);
	}
	if (again && !accel->freed)
		on_reason(accel);
	return false;
}

static void look(struct accel *accel)
{
	struct accel_probe *probe = &accel->probe;

	accel->link = ACCEL_LINK_PROBING;
	accel->probe_again = false;
	*probe = (struct accel_probe){
		.job = { .run = run_probe, .done = on_probed },
		.stale_fd = accel->fd,
		.fd = -1,
		.shell_fd = -1,
	};
	accel->fd = -1;
	accel_job_start(&accel->queue, &probe->job);
}

void accel_node_start(struct accel *accel)
{
	watch(accel);
	look(accel);
}

void accel_node_stop(struct accel *accel)
{
	if (accel->link == ACCEL_LINK_UP)
		leave(accel);
	uv_close((uv_handle_t *)&accel->watch, accel_on_closed);
	uv_close((uv_handle_t *)&accel->retry, accel_on_closed);
}
