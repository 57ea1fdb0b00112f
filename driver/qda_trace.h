/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events: messages to the DSP and their ends, what the DSP sent that was dropped, and what it
 * can reach.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM qda

#if !defined(__QDA_TRACE_H__) || defined(TRACE_HEADER_MULTI_READ)
#define __QDA_TRACE_H__

#include <linux/tracepoint.h>
#include <linux/types.h>

#include "fastrpc/fastrpc.h"

TRACE_EVENT(qda_send,
	TP_PROTO(const struct fastrpc_msg *msg),
	TP_ARGS(msg),
	TP_STRUCT__entry(
		__field(u64, ctx)
		__field(s32, client)
		__field(u32, handle)
		__field(u32, sc)
		__field(u64, size)
	),
	TP_fast_assign(
		__entry->ctx = msg->ctx;
		__entry->client = msg->client_id;
		__entry->handle = msg->handle;
		__entry->sc = msg->sc;
		__entry->size = msg->size;
	),
	TP_printk("ctx=%#llx client=%d handle=%u sc=%#x size=%llu", __entry->ctx, __entry->client,
		  __entry->handle, __entry->sc, __entry->size)
);

TRACE_EVENT(qda_done,
	TP_PROTO(const struct fastrpc_msg *msg, int error, s32 result),
	TP_ARGS(msg, error, result),
	TP_STRUCT__entry(
		__field(u64, ctx)
		__field(int, error)
		__field(s32, result)
	),
	TP_fast_assign(
		__entry->ctx = msg->ctx;
		__entry->error = error;
		__entry->result = result;
	),
	TP_printk("ctx=%#llx error=%d result=%#x", __entry->ctx, __entry->error, __entry->result)
);

TRACE_EVENT(qda_drop,
	TP_PROTO(unsigned int size, u64 ctx),
	TP_ARGS(size, ctx),
	TP_STRUCT__entry(
		__field(unsigned int, size)
		__field(u64, ctx)
	),
	TP_fast_assign(
		__entry->size = size;
		__entry->ctx = ctx;
	),
	TP_printk("size=%u ctx=%#llx", __entry->size, __entry->ctx)
);

DECLARE_EVENT_CLASS(qda_mapping,
	TP_PROTO(u64 addr, u64 size),
	TP_ARGS(addr, size),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, size)
	),
	TP_fast_assign(
		__entry->addr = addr;
		__entry->size = size;
	),
	TP_printk("addr=%#llx size=%llu", __entry->addr, __entry->size)
);

DEFINE_EVENT(qda_mapping, qda_map, TP_PROTO(u64 addr, u64 size), TP_ARGS(addr, size));
DEFINE_EVENT(qda_mapping, qda_unmap, TP_PROTO(u64 addr, u64 size), TP_ARGS(addr, size));

TRACE_EVENT(qda_session,
	TP_PROTO(s32 client, const char *state),
	TP_ARGS(client, state),
	TP_STRUCT__entry(
		__field(s32, client)
		__string(state, state)
	),
	TP_fast_assign(
		__entry->client = client;
		__assign_str(state);
	),
	TP_printk("client=%d %s", __entry->client, __get_str(state))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE qda_trace
#include <trace/define_trace.h>
