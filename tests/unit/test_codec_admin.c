/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of administration, there and back, and at their limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <codec.h>
#include <errno.h>
#include <frame.h>

static struct qda_decoder decoder;
static uint8_t message[QDA_MESSAGE_MAX];

static int ask(const struct qda_msg_request *in, struct qda_msg_request *out)
{
	int n = qda_request_encode(message, sizeof(message), 1, in);

	assert_true(n >= (int)QDA_FRAME_SIZE);
	return qda_request_decode(&decoder, in->type, message + QDA_FRAME_SIZE,
				  (size_t)n - QDA_FRAME_SIZE, out);
}

static int reply(const struct qda_msg_reply *in, struct qda_msg_reply *out)
{
	int n = qda_reply_encode(message, sizeof(message), 1, in);

	assert_true(n >= (int)QDA_FRAME_SIZE);
	return qda_reply_decode(&decoder, in->type, message + QDA_FRAME_SIZE,
				(size_t)n - QDA_FRAME_SIZE, out);
}

static void requests_there_and_back(void **state)
{
	const uint32_t groups[] = { 0, 7, UINT32_MAX };
	const struct qda_msg_request set = {
		.type = QDA_TYPE_QUOTA_SET,
		.quota_set = { QDA_QUOTA_UID, 1000, "10-camera", "sessions", 9, UINT64_MAX },
	};
	const struct qda_msg_request kill = {
		.type = QDA_TYPE_KILL, .kill = { QDA_KILL_SESSION, 77 }
	};
	const struct qda_msg_request check = {
		.type = QDA_TYPE_POLICY_CHECK,
		.policy_check = { 1000, 100, 1, 3, groups, "a.service", "module", "cdsp",
				  "file:///libx.so" },
	};
	const struct qda_msg_request get = { .type = QDA_TYPE_QUOTA_GET, .quota_get = { 5 } };
	const struct qda_msg_request reload = { .type = QDA_TYPE_RELOAD };
	struct qda_msg_request out;

	assert_int_equal(ask(&reload, &out), 0);
	assert_int_equal(ask(&get, &out), 0);
	assert_int_equal(out.quota_get.cursor, 5);
	assert_int_equal(ask(&set, &out), 0);
	assert_int_equal(out.quota_set.scope, QDA_QUOTA_UID);
	assert_int_equal(out.quota_set.uid, 1000);
	assert_string_equal(out.quota_set.rule, "10-camera");
	assert_string_equal(out.quota_set.resource, "sessions");
	assert_int_equal(out.quota_set.client, 9);
	assert_true(out.quota_set.limit == UINT64_MAX);
	assert_int_equal(ask(&kill, &out), 0);
	assert_int_equal(out.kill.kind, QDA_KILL_SESSION);
	assert_int_equal(out.kill.id, 77);
	assert_int_equal(ask(&check, &out), 0);
	assert_int_equal(out.policy_check.uid, 1000);
	assert_int_equal(out.policy_check.gid, 100);
	assert_int_equal(out.policy_check.kind, 1);
	assert_int_equal(out.policy_check.n_groups, 3);
	assert_memory_equal(out.policy_check.groups, groups, sizeof(groups));
	assert_string_equal(out.policy_check.unit, "a.service");
	assert_string_equal(out.policy_check.action, "module");
	assert_string_equal(out.policy_check.domain, "cdsp");
	assert_string_equal(out.policy_check.module, "file:///libx.so");
}

static void a_call_says_how_it_is_to_be_treated(void **state)
{
	for (int32_t priority = -1; priority <= 2; priority++) {
		const struct qda_msg_request in = {
			.type = QDA_TYPE_INVOKE,
			.invoke = { .handle = 1, .flags = QDA_INVOKE_PARKED,
				    .priority = priority },
		};
		struct qda_msg_request out;

		assert_int_equal(ask(&in, &out), 0);
		assert_int_equal(out.invoke.flags, QDA_INVOKE_PARKED);
		assert_int_equal(out.invoke.priority, priority);
	}
}

static void a_session_says_what_it_wants(void **state)
{
	const struct qda_msg_request in = {
		.type = QDA_TYPE_SESSION_OPEN,
		.session_open = { "cdsp", 1, 2000, UINT32_MAX },
	};
	struct qda_msg_request out;

	assert_int_equal(ask(&in, &out), 0);
	assert_string_equal(out.session_open.domain, "cdsp");
	assert_int_equal(out.session_open.kind, 1);
	assert_int_equal(out.session_open.hang_ms, 2000);
	assert_int_equal(out.session_open.wait_ms, UINT32_MAX);
}

static void groups_have_a_limit(void **state)
{
	static uint32_t groups[QDA_GROUPS_MAX + 1];
	struct qda_msg_request in = {
		.type = QDA_TYPE_POLICY_CHECK,
		.policy_check = { .n_groups = QDA_GROUPS_MAX, .groups = groups },
	};
	struct qda_msg_request out;

	assert_int_equal(ask(&in, &out), 0);
	in.policy_check.n_groups++;
	assert_int_equal(ask(&in, &out), -EINVAL);
	assert_non_null(strstr(decoder.error, "PolicyCheck.groups"));
}

/* A page of rows as large as they get fits a message. */
static void quota_rows_there_and_back(void **state)
{
	struct qda_msg_quota_entry entries[QDA_QUOTA_ENTRIES_MAX];
	struct qda_msg_quota_row rows[QDA_QUOTA_ROWS_MAX + 1];
	struct qda_msg_reply in = {
		.type = QDA_TYPE_QUOTA_GET,
		.quota_get = { QDA_QUOTA_ROWS_MAX, rows, 17 },
	};
	struct qda_msg_reply out;

	for (unsigned i = 0; i < QDA_QUOTA_ENTRIES_MAX; i++)
		entries[i] = (struct qda_msg_quota_entry){
			"a-resource-with-a-long-name-123", UINT64_MAX, UINT64_MAX - i, 3, 4
		};
	for (unsigned i = 0; i <= QDA_QUOTA_ROWS_MAX; i++)
		rows[i] = (struct qda_msg_quota_row){
			QDA_QUOTA_CONNECTION, 1000 + i, 100, "rule", "name", i, UINT64_MAX,
			UINT64_MAX - i, QDA_QUOTA_ENTRIES_MAX, entries
		};
	assert_int_equal(reply(&in, &out), 0);
	assert_int_equal(out.quota_get.n, QDA_QUOTA_ROWS_MAX);
	assert_int_equal(out.quota_get.next, 17);
	for (unsigned i = 0; i < QDA_QUOTA_ROWS_MAX; i++) {
		const struct qda_msg_quota_row *row = &out.quota_get.rows[i];

		assert_int_equal(row->scope, QDA_QUOTA_CONNECTION);
		assert_int_equal(row->uid, 1000 + i);
		assert_int_equal(row->weight, 100);
		assert_int_equal(row->client, i);
		assert_true(row->requests == UINT64_MAX && row->burst == UINT64_MAX - i);
		assert_string_equal(row->rule, "rule");
		assert_string_equal(row->name, "name");
		assert_int_equal(row->n_entries, QDA_QUOTA_ENTRIES_MAX);
		for (unsigned j = 0; j < row->n_entries; j++) {
			assert_string_equal(row->entries[j].resource, entries[j].resource);
			assert_true(row->entries[j].used == UINT64_MAX - j);
			assert_true(row->entries[j].limit == UINT64_MAX);
			assert_int_equal(row->entries[j].peak, 3);
			assert_int_equal(row->entries[j].refused, 4);
		}
	}
	in.quota_get.n++;
	assert_int_equal(reply(&in, &out), -EINVAL);
	rows[0].n_entries++;
	in.quota_get.n = 1;
	assert_int_equal(qda_reply_encode(message, sizeof(message), 1, &in), -EMSGSIZE);
}

static void other_replies_there_and_back(void **state)
{
	const struct qda_msg_reply verdict = {
		.type = QDA_TYPE_POLICY_CHECK, .policy_check = { true, "90-default" }
	};
	const struct qda_msg_reply reloaded = {
		.type = QDA_TYPE_RELOAD, .reload = { "socket needs a restart" }
	};
	struct qda_msg_reply out;

	assert_int_equal(reply(&verdict, &out), 0);
	assert_true(out.policy_check.allow);
	assert_string_equal(out.policy_check.rule, "90-default");
	assert_int_equal(reply(&reloaded, &out), 0);
	assert_string_equal(out.reload.text, "socket needs a restart");
}

static void monitor_event_there_and_back(void **state)
{
	const struct qda_msg_event in = {
		.type = QDA_TYPE_MONITOR,
		.monitor = { UINT64_MAX, 2, 3, 1000, 122, 5, "refused", "cdsp", "too many" },
	};
	struct qda_msg_event out;
	int n = qda_event_encode(message, sizeof(message), &in);

	assert_true(n >= (int)QDA_FRAME_SIZE);
	assert_int_equal(qda_event_decode(&decoder, in.type, message + QDA_FRAME_SIZE,
					  (size_t)n - QDA_FRAME_SIZE, &out), 0);
	assert_true(out.monitor.at_ns == UINT64_MAX);
	assert_int_equal(out.monitor.client, 2);
	assert_int_equal(out.monitor.session, 3);
	assert_int_equal(out.monitor.uid, 1000);
	assert_int_equal(out.monitor.code, 122);
	assert_int_equal(out.monitor.dropped, 5);
	assert_string_equal(out.monitor.what, "refused");
	assert_string_equal(out.monitor.domain, "cdsp");
	assert_string_equal(out.monitor.text, "too many");
	assert_int_equal(qda_event_decode(&decoder, QDA_TYPE_MONITOR - 1, message, 0, &out),
			 -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_there_and_back),
		cmocka_unit_test(a_call_says_how_it_is_to_be_treated),
		cmocka_unit_test(a_session_says_what_it_wants),
		cmocka_unit_test(groups_have_a_limit),
		cmocka_unit_test(quota_rows_there_and_back),
		cmocka_unit_test(other_replies_there_and_back),
		cmocka_unit_test(monitor_event_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
