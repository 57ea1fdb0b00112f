/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: DSP libraries that are loaded in a session, and remote handles that methods make. They
 * belong to their session's list.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void qda_module_adopt(struct qda_module *m, struct qda_session *s, uint64_t handle)
{
	m->session = s;
	m->handle = handle;
	LIST_INSERT_HEAD(&s->modules, m, link);
}

static int take_module(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	struct qda_module *m = data;

	qda_module_adopt(m, m->session, in->reply->module_open.handle);
	return 0;
}

/* The DSP says where it looked, but not who tells it where to look. */
static void add_remedy(const struct qda_client *c, struct qda_error *err)
{
	if (!err || err->aee != 0x80000406 || !strstr(err->text, "not found"))
		return;
	qda_fail_hint(err, c->client_dirs ? "(install it in one of these directories, or give its own "
					    "with --modules to qdad or qdactl, or in module_dirs)"
					  : "(install it in one of these directories)");
}

int qda_module_open(struct qda_session *s, const char *uri, struct qda_module **out,
		    struct qda_error *err)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_MODULE_OPEN,
		.module_open = { s->number, uri },
	};
	struct qda_module *m;
	size_t n = uri ? strlen(uri) : 0;
	int r;

	*out = NULL;
	if (n == 0 || n > QDA_URI_MAX)
		return qda_fail(err, -EINVAL,
				"the module's URI has %zu bytes, 1 to %u are possible", n,
				QDA_URI_MAX);
	m = calloc(1, sizeof(*m));
	if (!m)
		return qda_fail(err, -ENOMEM, "no memory for a module");
	m->session = s;
	r = qda_request(s->client, &request, NULL, 0, take_module, m, err);
	if (r) {
		add_remedy(s->client, err);
		free(m);
	} else {
		*out = m;
	}
	return r;
}

struct qda_module *qda_module_close(struct qda_module *m)
{
	struct qda_msg_request request = { .type = QDA_TYPE_MODULE_CLOSE };
	struct qda_client *c;

	if (!m || qda_usable(m->session->client, NULL))
		return NULL;
	c = m->session->client;
	request.module_close.handle = m->handle;
	(void)qda_request(c, &request, NULL, 0, NULL, NULL, NULL);
	pthread_mutex_lock(&c->lock);
	LIST_REMOVE(m, link);
	pthread_mutex_unlock(&c->lock);
	free(m);
	return NULL;
}
