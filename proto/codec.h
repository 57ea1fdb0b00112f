/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Message bodies of proto/qda.proto as plain structs, and the one codec for both ends. protobuf-c
 * is used in codec*.c and nowhere else. Decoding unpacks into a bump allocator inside struct
 * qda_decoder, checks every field, and fills the plain struct; strings and arrays point into the
 * decoder and live until its next use. Strings are always terminated, valid UTF-8, and hold
 * printable characters only. Encoding writes into the caller's bytes. Neither allocates.
 *
 * A field out of range makes decode fail with -EINVAL and a text in decoder->error that names
 * field, value and limit; bytes that are no such message give -EBADMSG.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QDA_ARGS_MAX 540u
#define QDA_OUT_HANDLES_MAX 15u
#define QDA_URI_MAX 1023u
#define QDA_NAME_MAX 64u
#define QDA_DOMAIN_MAX 15u	/* domains, their states and devices */
#define QDA_WORD_MAX 31u	/* resource, scope, state */
#define QDA_TEXT_MAX 1023u	/* what is meant for people */
#define QDA_KEY_MAX 0x3fffffffu	/* greater keys are the daemon's own */
#define QDA_BUFFER_MAX 0xfffff000u	/* 4 GiB less a page */
#define QDA_PAGE 4096u
#define QDA_ROWS_MAX 64u	/* rows of one kind in a status page */
#define QDA_LABEL_MAX 127u	/* system unit, security label */
#define QDA_GROUPS_MAX 1024u	/* of a PolicyCheck */
#define QDA_QUOTA_ROWS_MAX 16u	/* in a page */
#define QDA_QUOTA_ENTRIES_MAX 24u	/* resources of a row */
#define QDA_DECODER_BYTES (192u * 1024u) /* enough for any body that passes the checks */

struct qda_decoder {
	size_t used;
	bool full;		/* the message wanted more memory than there is */
	char error[256];
	_Alignas(16) uint8_t mem[QDA_DECODER_BYTES];
};

struct qda_msg_status {
	uint32_t code;
	uint32_t aee;
	const char *text;
	const char *resource;
	const char *scope;
	uint64_t limit;
	uint64_t used;
	uint32_t retry_ms;
};

struct qda_msg_limits {
	uint32_t message_bytes, fds, inline_bytes, buffers, sessions, handles, calls;
	uint64_t buffer_bytes;
};

struct qda_msg_domain {
	const char *name, *state, *device, *text;
	uint32_t arch, sessions_max, sessions, in_flight, queued;
	uint64_t calls, busy_ns;
	bool unsigned_pd;
	uint32_t in_flight_max, parked, quarantined, waiting;
};

struct qda_msg_daemon_row {
	const char *version, *state, *socket;
	uint32_t pid, uid, clients, sessions;
	uint64_t uptime_ns, buffer_bytes, calls, refused;
	bool user_mode;
};

struct qda_msg_client_row {
	uint64_t id;
	const char *name;
	uint32_t uid, pid, sessions, buffers, handles, calls_now;
	uint64_t buffer_bytes, calls, refused, busy_ns, age_ns;
	const char *unit, *program, *label, *rule;
	uint32_t in_flight;
};

struct qda_msg_session_row {
	uint64_t id, client;
	const char *domain, *state;
	uint32_t modules, calls_now;
	uint64_t calls, busy_ns, age_ns;
	uint32_t kind, queued, parked;
};

enum qda_quota_scope { QDA_QUOTA_TOTAL, QDA_QUOTA_UID, QDA_QUOTA_CONNECTION };

struct qda_msg_quota_entry {
	const char *resource;
	uint64_t limit, used, peak, refused;
};

struct qda_msg_quota_row {
	uint32_t scope;		/* enum qda_quota_scope */
	uint32_t uid, weight;
	const char *rule, *name;
	uint64_t client;
	uint64_t requests, burst;
	uint32_t n_entries;
	const struct qda_msg_quota_entry *entries;
};

enum qda_arg_kind {
	QDA_ARG_INLINE = 0,
	QDA_ARG_BUFFER = 1,
	QDA_ARG_KEY = 2,
	QDA_ARG_NUMBER = 3,
	QDA_ARG_MODULE = 4,
};

struct qda_msg_arg {
	uint32_t kind;		/* enum qda_arg_kind */
	uint64_t ref;
	uint64_t offset;
	uint64_t length;
};

struct qda_msg_out_handle {
	uint64_t handle;
	uint64_t number;
};

enum { QDA_INVOKE_PARKED = 1 };
enum { QDA_EVENTS_LOG = 1, QDA_EVENTS_MONITOR = 2 };
enum { QDA_KILL_CLIENT, QDA_KILL_SESSION };

/* Every request, by type of the frame. */
struct qda_msg_request {
	uint16_t type;		/* enum qda_type: which member counts */
	union {
		struct {
			uint32_t min_version, max_version;
			const char *name;
		} hello;
		struct { uint32_t kind; uint64_t cursor; } get_status;
		struct { uint64_t size; const char *domain; } buffer_alloc;
		struct {
			uint64_t size;
			const char *domain;
			bool read_only;
		} buffer_import;
		struct { uint64_t buffer; } buffer_free;
		struct {
			const char *domain;
			uint32_t kind, hang_ms, wait_ms;
		} session_open;
		struct { uint64_t session; } session_close;
		struct {
			uint64_t session, buffer, offset, size;
			uint32_t key;
		} buffer_map;
		struct { uint64_t session; uint32_t key; } buffer_unmap;
		struct { uint64_t session; const char *uri; } module_open;
		struct { uint64_t handle; } module_close;
		struct {
			uint64_t handle;
			uint64_t timeout_us;
			uint32_t sc;
			uint32_t n_args;
			const struct qda_msg_arg *args;
			uint32_t flags;		/* QDA_INVOKE_* */
			int32_t priority;	/* -1 to 2 */
		} invoke;
		struct { uint64_t serial; } cancel;
		struct { uint32_t mask; } subscribe;	/* QDA_EVENTS_* */
		struct { uint64_t cursor; } quota_get;
		struct {
			uint32_t scope, uid;
			const char *rule, *resource;
			uint64_t client, limit;
		} quota_set;
		struct { uint32_t kind; uint64_t id; } kill;
		struct {
			uint32_t uid, gid, kind, n_groups;
			const uint32_t *groups;
			const char *unit, *action, *domain, *module;
		} policy_check;
	};
};

/* Every reply, by type of the frame. status.code != 0: nothing else counts. */
struct qda_msg_reply {
	uint16_t type;
	struct qda_msg_status status;
	union {
		struct {
			uint32_t version;
			const char *daemon;
			uint64_t epoch;
			bool client_dirs;
			struct qda_msg_limits limits;
		} hello;
		struct {
			uint32_t n;
			const struct qda_msg_domain *rows;
		} list_domains;
		struct {
			bool has_daemon;
			struct qda_msg_daemon_row daemon;
			uint32_t n_domains, n_clients, n_sessions;
			const struct qda_msg_domain *domains;
			const struct qda_msg_client_row *clients;
			const struct qda_msg_session_row *sessions;
			uint64_t next;
		} get_status;
		struct {
			uint64_t buffer, size;
		} buffer;	/* BUFFER_ALLOC, BUFFER_IMPORT */
		struct { uint64_t session; } session_open;
		struct { uint64_t dsp_addr; } buffer_map;
		struct { uint64_t handle; } module_open;
		struct {
			int32_t dsp_result;
			uint32_t n_out_handles;
			uint64_t dsp_ns, queue_ns;
			const struct qda_msg_out_handle *out_handles;
		} invoke;
		struct { uint32_t was; } cancel;
		struct { const char *text; } reload;
		struct {
			uint32_t n;
			const struct qda_msg_quota_row *rows;
			uint64_t next;
		} quota_get;
		struct { bool allow; const char *rule; } policy_check;
	};
};

/* Every event, by type of the frame. */
struct qda_msg_event {
	uint16_t type;
	union {
		struct {
			uint64_t session;
			uint32_t signal;
			const char *text;
		} session_lost;
		struct { const char *domain, *state; } domain_changed;
		struct {
			uint64_t session;
			uint32_t level, dropped;
			const char *text;
		} log;
		struct {
			uint64_t at_ns, client, session;
			uint32_t uid, code, dropped;
			const char *what, *domain, *text;
		} monitor;
	};
};

/* Body bytes to a checked struct. 0, -EBADMSG, -EINVAL (decoder->error says what), -EOPNOTSUPP for
 * a type not known. */
int qda_request_decode(struct qda_decoder *d, uint16_t type, const uint8_t *body, size_t n,
		       struct qda_msg_request *out);
int qda_reply_decode(struct qda_decoder *d, uint16_t type, const uint8_t *body, size_t n,
		     struct qda_msg_reply *out);
int qda_event_decode(struct qda_decoder *d, uint16_t type, const uint8_t *body, size_t n,
		     struct qda_msg_event *out);

/* Struct to a whole message without inline data: header and body into out (`size` bytes). Returns
 * its length, -EMSGSIZE, or -EOPNOTSUPP for a type not known. Texts for people are cut at their
 * limit and lose what is not printable, they are never refused; domains and URIs go out as they
 * are. Strings may be NULL for none. */
int qda_request_encode(uint8_t *out, size_t size, uint64_t serial,
		       const struct qda_msg_request *in);
int qda_reply_encode(uint8_t *out, size_t size, uint64_t serial, const struct qda_msg_reply *in);
int qda_event_encode(uint8_t *out, size_t size, const struct qda_msg_event *in);

/* Bytes of inline data that belong behind an Invoke's request and behind its reply. `args` has as
 * many elements as the scalars say. 0, or -EMSGSIZE when both together pass QDA_MESSAGE_MAX. */
int qda_inline_sizes(uint32_t sc, const struct qda_msg_arg *args, uint32_t *in, uint32_t *out);

/* Bytes of the character at s, 0 when there is no printable one. Strict UTF-8: shortest form, no
 * surrogates, nothing beyond U+10FFFF; control characters, those of Latin 1 (U+0080..U+009F) too,
 * are none, nor is what rearranges the text around it on a terminal. */
size_t qda_codec_character(const char *s);
