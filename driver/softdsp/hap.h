/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the PD process gives to skels: the HAP functions of include/, exported by hap.list.
 */
#pragma once

struct transport;

/* Before the first skel is loaded. */
void hap_init(struct transport *transport);
