// SPDX-License-Identifier: BSD-3-Clause
/*
 * Jobs of the accel device: what may take long, on the threads of libuv's pool. A queue runs its
 * jobs in order, the queues of a device take turns, and only a few jobs of a device run at one
 * time, so that neither one session nor one DSP can take the pool for itself.
 */
#include "device/accel.h"
#include "util/stall.h"

static void pump(struct accel *accel);

static void on_again(uv_timer_t *timer)
{
	struct accel *accel = timer->data;
	struct accel_queue *queue;

	qda_stall_mark();
	while ((queue = TAILQ_FIRST(&accel->waiting))) {
		TAILQ_REMOVE(&accel->waiting, queue, link);
		TAILQ_INSERT_TAIL(&accel->ready, queue, link);
		queue->state = ACCEL_QUEUE_READY;
	}
	pump(accel);
}

static void set_waiting(struct accel_queue *queue)
{
	struct accel *accel = queue->accel;

	queue->state = ACCEL_QUEUE_WAITING;
	TAILQ_INSERT_TAIL(&accel->waiting, queue, link);
	if (!uv_is_active((uv_handle_t *)&accel->again))
		uv_timer_start(&accel->again, on_again, ACCEL_AGAIN_MS, 0);
}

static void set_ready(struct accel_queue *queue)
{
	if (TAILQ_EMPTY(&queue->jobs)) {
		queue->state = ACCEL_QUEUE_IDLE;
		return;
	}
	queue->state = ACCEL_QUEUE_READY;
	TAILQ_INSERT_TAIL(&queue->accel->ready, queue, link);
}

static void on_work(uv_work_t *work)
{
	struct accel_job *job = work->data;

	job->run(job);
}

/* The queue is settled before its owner hears: he may free it with its last job. */
static void on_worked(uv_work_t *work, int status)
{
	struct accel_job *job = work->data;
	struct accel_queue *queue = job->queue;
	struct accel *accel = queue->accel;

	qda_stall_mark();
	accel->running--;
	TAILQ_REMOVE(&queue->jobs, job, link);
	set_ready(queue);
	if (job->done(job)) {
		if (queue->state == ACCEL_QUEUE_READY)
			TAILQ_REMOVE(&accel->ready, queue, link);
		TAILQ_INSERT_HEAD(&queue->jobs, job, link);
		set_waiting(queue);
	}
	pump(accel);
	accel_try_end(accel);
}

static void pump(struct accel *accel)
{
	struct accel_queue *queue;
	struct accel_job *job;

	while (accel->running < ACCEL_WORKERS && (queue = TAILQ_FIRST(&accel->ready))) {
		TAILQ_REMOVE(&accel->ready, queue, link);
		queue->state = ACCEL_QUEUE_RUNNING;
		job = TAILQ_FIRST(&queue->jobs);
		accel->running++;
		/* Fails for a missing callback only. */
		uv_queue_work(accel->loop, &job->work, on_work, on_worked);
	}
}

void accel_queue_init(struct accel_queue *queue, struct accel *accel)
{
	queue->accel = accel;
	queue->state = ACCEL_QUEUE_IDLE;
	TAILQ_INIT(&queue->jobs);
}

void accel_job_start(struct accel_queue *queue, struct accel_job *job)
{
	job->queue = queue;
	job->work.data = job;
	TAILQ_INSERT_TAIL(&queue->jobs, job, link);
	if (queue->state == ACCEL_QUEUE_IDLE)
		set_ready(queue);
	pump(queue->accel);
}

void accel_queue_drop(struct accel_queue *queue)
{
	struct accel_job *job = TAILQ_FIRST(&queue->jobs), *next;

	if (queue->state == ACCEL_QUEUE_RUNNING) {
		job = TAILQ_NEXT(job, link);
	} else if (queue->state != ACCEL_QUEUE_IDLE) {
		TAILQ_REMOVE(queue->state == ACCEL_QUEUE_READY ? &queue->accel->ready
							       : &queue->accel->waiting,
			     queue, link);
		queue->state = ACCEL_QUEUE_IDLE;
	}
	for (; job; job = next) {
		next = TAILQ_NEXT(job, link);
		TAILQ_REMOVE(&queue->jobs, job, link);
		job->dropped = true;
		job->done(job);
	}
}
