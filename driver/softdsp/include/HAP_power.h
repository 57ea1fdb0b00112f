/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Votes for clocks and power. The software DSP takes every vote of these kinds and changes nothing:
 * a host processor has no such thing. Enough of the interface is here for skels that vote when they
 * are opened.
 */
#ifndef HAP_POWER_H
#define HAP_POWER_H

#include "AEEStdDef.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
	HAP_power_set_mips_bw = 1,
	HAP_power_set_HVX,
	HAP_power_set_apptype,
	HAP_power_set_linkspeed,
	HAP_power_set_DCVS,
	HAP_power_set_DCVS_v2,
} HAP_Power_request_type;

typedef enum {
	HAP_POWER_UNKNOWN_CLIENT_CLASS = 0,
	HAP_POWER_AUDIO_CLIENT_CLASS,
	HAP_POWER_VOICE_CLIENT_CLASS,
	HAP_POWER_COMPUTE_CLIENT_CLASS,
	HAP_POWER_STREAMING_1HVX_CLIENT_CLASS,
	HAP_POWER_STREAMING_2HVX_CLIENT_CLASS,
} HAP_power_app_type_payload;

typedef enum {
	HAP_DCVS_V2_ADJUST_UP_DOWN = 1,
	HAP_DCVS_V2_ADJUST_ONLY_UP = 2,
	HAP_DCVS_V2_POWER_SAVER_MODE = 4,
	HAP_DCVS_V2_POWER_SAVER_AGGRESSIVE_MODE = 8,
	HAP_DCVS_V2_PERFORMANCE_MODE = 16,
	HAP_DCVS_V2_DUTY_CYCLE_MODE = 32,
} HAP_power_dcvs_v2_option;

typedef enum {
	HAP_DCVS_VCORNER_DISABLE,
	HAP_DCVS_VCORNER_SVS2,
	HAP_DCVS_VCORNER_SVS,
	HAP_DCVS_VCORNER_SVS_PLUS,
	HAP_DCVS_VCORNER_NOM,
	HAP_DCVS_VCORNER_NOM_PLUS,
	HAP_DCVS_VCORNER_TURBO,
	HAP_DCVS_VCORNER_TURBO_PLUS,
	HAP_DCVS_VCORNER_MAX = 255,
} HAP_dcvs_voltage_corner_t;

typedef struct {
	HAP_dcvs_voltage_corner_t target_corner;
	HAP_dcvs_voltage_corner_t min_corner;
	HAP_dcvs_voltage_corner_t max_corner;
} HAP_dcvs_v2_params_t;

typedef struct {
	boolean dcvs_enable;
	HAP_power_dcvs_v2_option dcvs_option;
	boolean set_latency;
	uint32_t latency;	/* microseconds */
	boolean set_dcvs_params;
	HAP_dcvs_v2_params_t dcvs_params;
} HAP_power_dcvs_v2_payload;

typedef struct {
	boolean set_mips;
	unsigned int mipsPerThread;
	unsigned int mipsTotal;
	boolean set_bus_bw;
	uint64_t bwBytePerSec;
	unsigned short busbwUsagePercentage;
	boolean set_latency;
	int latency;
} HAP_power_mips_bw_payload;

typedef struct {
	boolean power_up;
} HAP_power_hvx_payload;

typedef struct {
	HAP_Power_request_type type;
	union {
		HAP_power_mips_bw_payload mips_bw;
		HAP_power_hvx_payload hvx;
		HAP_power_app_type_payload apptype;
		HAP_power_dcvs_v2_payload dcvs_v2;
	};
} HAP_power_request_t;

typedef enum {
	HAP_power_get_max_mips = 1,
	HAP_power_get_max_bus_bw,
	HAP_power_get_client_class,
	HAP_power_get_clk_Freq,
	HAP_power_get_aggregateAVSMpps,
	HAP_power_get_dcvsEnabled,
} HAP_Power_response_type;

typedef struct {
	HAP_Power_response_type type;
	union {
		unsigned int max_mips;
		uint64_t max_bus_bw;
		HAP_power_app_type_payload client_class;
		unsigned int clkFreqHz;
		unsigned int clkFreqMpps;
		boolean dcvsEnabled;
	};
} HAP_power_response_t;

/* 0, or an AEE code. `context` names the voter; NULL is one of its own. */
int HAP_power_set(void *context, HAP_power_request_t *request);
int HAP_power_get(void *context, HAP_power_response_t *response);

#ifdef __cplusplus
}
#endif

#endif
