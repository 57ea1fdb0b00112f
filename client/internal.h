/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library from inside: its objects, and how a request becomes a reply. One connection (struct
 * qda_client) is used by many threads and by no thread of its own: whoever waits for a reply reads
 * for all (the "role"), and hands the role on when its own reply is there.
 *
 * Locks: `sending` keeps requests in order and guards the bytes being sent; `lock` guards the rest.
 * `lock` may be taken inside `sending`, never the other way round. No callback of the program runs
 * under either, nor while its thread has the role. What is read belongs to whoever has the role.
 */
#pragma once

#include <qda/client.h>

#include <codec.h>
#include <frame.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#define CALL_ARGS_SMALL 8
#define CALL_BUCKETS 256 /* serials rise one by one, so calls spread evenly */

/* A reply, as the reader shows it to the call it is for. */
struct qda_delivery {
	const struct qda_msg_reply *reply;
	const uint8_t *tail; /* inline data */
	size_t n_tail;
	struct qda_packet *packet; /* a descriptor that is kept is taken out of it */
	bool fds_lost;		   /* this process had no room for the descriptors */
};

/* What to do with a successful reply: under `lock`, on whichever thread reads. Returns what the
 * call returns (and fills *err if negative), or TAKE_BROKEN when the reply is not what was asked
 * for. */
struct qda_call;
typedef int (*qda_take_fn)(void *data, const struct qda_delivery *in, struct qda_error *err);
#define TAKE_BROKEN 1

/* Where one output goes. */
struct qda_output {
	enum qda_arg_type type;
	size_t length;
	union {
		void *bytes;
		uint64_t *number;
		struct qda_module **module;
	};
	struct qda_module *fresh; /* OUT_MODULE: made beforehand, so that a reply needs no memory */
};

enum qda_call_kind {
	CALL_SYNC,  /* a thread waits for it */
	CALL_ASYNC, /* its callback is called */
	CALL_MUTE,  /* nobody wants to know */
};

/* A request on its way. From the client's pool, to which it goes back; never freed before the
 * client. */
struct qda_call {
	struct qda_client *client;
	TAILQ_ENTRY(qda_call) link;    /* bucket, or completed, or free */
	TAILQ_ENTRY(qda_call) waiting; /* client->waiters */
	SLIST_ENTRY(qda_call) all;
	pthread_cond_t cond; /* done, or the role is free */
	uint64_t serial;
	uint16_t type;
	enum qda_call_kind kind;
	bool done;
	int result;

	qda_take_fn take;
	void *take_data;
	struct qda_error *err; /* the caller's, or own_err */
	struct qda_error own_err;

	/* invocations only */
	struct qda_call_options times;
	qda_call_fn fn;
	void *data;
	uint64_t session;
	uint32_t method;
	unsigned n_outputs, n_out_handles;
	size_t in_bytes, out_bytes;
	unsigned room; /* elements of args and outputs */
	struct qda_msg_arg *args;
	struct qda_output *outputs;
	struct qda_msg_arg small_args[CALL_ARGS_SMALL];
	struct qda_output small_outputs[CALL_ARGS_SMALL];
};

TAILQ_HEAD(qda_calls, qda_call);

struct qda_client {
	int fd;
	unsigned *alive; /* a page that is zero in a forked child */
	int pid;	 /* for kernels that cannot do that; else 0 */

	pthread_mutex_t sending;
	uint64_t serial;
	uint8_t out[QDA_MESSAGE_MAX];

	pthread_mutex_t lock;
	bool reading;		  /* somebody has the role */
	struct qda_calls waiters; /* threads that wait while another one reads */
	pthread_cond_t idle;	  /* end of a turn, for those who wait without a call */
	unsigned n_idlers;
	struct qda_calls pending[CALL_BUCKETS];
	struct qda_calls completed; /* asynchronous ones whose callback is due */
	struct qda_calls free_calls;
	SLIST_HEAD(, qda_call) all_calls;
	uint64_t ended;	    /* callbacks that have returned */
	unsigned n_invokes; /* among those pending */
	bool lost;
	struct qda_error lost_why;
	qda_log_fn log;
	void *log_data;
	/* For qdactl: what happens at the broker, under `lock`. */
	void (*monitor)(void *data, const struct qda_msg_event *event);
	void *monitor_data;
	LIST_HEAD(, qda_session) sessions;
	LIST_HEAD(, qda_buffer) buffers;
	struct qda_msg_limits limits; /* constant after Hello */
	bool client_dirs;

	uint8_t in[QDA_MESSAGE_MAX]; /* of the role, as the decoder */
	struct qda_decoder decoder;
};

struct qda_session {
	struct qda_client *client;
	LIST_ENTRY(qda_session) link;
	LIST_HEAD(, qda_module) modules;
	uint64_t number;
	bool lost;
	char text[QDA_TEXT_MAX + 1]; /* why */
};

struct qda_module {
	struct qda_session *session;
	LIST_ENTRY(qda_module) link;
	uint64_t handle;
};

struct qda_buffer {
	struct qda_client *client;
	LIST_ENTRY(qda_buffer) link;
	uint64_t number;
	size_t size;
	void *data;
	int fd;
};

/* --- error.c --- */

/* Fill *err (may be NULL) and return `code`. */
int qda_fail(struct qda_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4), cold));
/* Add to the text what to do about it; if there is no room, the text gives way. */
void qda_fail_hint(struct qda_error *err, const char *hint);
int qda_fail_status(struct qda_error *err, const struct qda_msg_status *status);

/* --- pool.c --- */

/* A call object out of the pool; NULL when memory is short. */
struct qda_call *qda_call_new(struct qda_client *client, uint16_t type, enum qda_call_kind kind,
			      struct qda_error *err);
void qda_call_free(struct qda_call *call);
/* The same under `lock`. */
void qda_call_recycle(struct qda_call *call);
/* Everything of calls that disconnect has to free. */
void qda_calls_free(struct qda_client *client);

/* --- reader.c --- */

/* 0, or -ECHILD in a forked child. */
int qda_usable(const struct qda_client *client, struct qda_error *err);
/* The same for what waits for a reply: -EDEADLK inside a callback of qda_log(). */
int qda_may_wait(const struct qda_client *client, struct qda_error *err);

/* Send a request, behind it the IN bytes of args, beside it fds. `wait`: until the socket has room,
 * taking in what arrives; otherwise -EAGAIN. On failure nothing was sent and the call is still the
 * caller's; afterwards it is the reader's until it is done. */
int qda_call_send(struct qda_call *call, const struct qda_msg_request *request,
		  const struct qda_arg *args, unsigned n_args, const int *fds, unsigned n_fds,
		  bool wait, struct qda_error *err);

/* Wait for a synchronous call that was sent; returns its result. */
int qda_call_wait(struct qda_call *call);

/* A whole request and its reply. `take` may be NULL when only success matters. */
int qda_request(struct qda_client *client, const struct qda_msg_request *request, const int *fds,
		unsigned n_fds, qda_take_fn take, void *data, struct qda_error *err);

/* --- session.c, module.c --- */

struct qda_session *qda_session_find(struct qda_client *client, uint64_t number);
/* Under `lock`: put a module that the DSP made into its session. */
void qda_module_adopt(struct qda_module *module, struct qda_session *session, uint64_t handle);
/* A domain's name that fits the protocol, or -EINVAL. */
int qda_domain_check(const char *domain, struct qda_error *err);
