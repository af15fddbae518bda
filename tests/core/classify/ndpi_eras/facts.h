/* SPDX-License-Identifier: Apache-2.0 */
/* What the shim uses of nDPI's headers, as they were from version to version: declarations alone, to compile against.
 *
 * Not nDPI's text, and not its layout: nothing that is compiled with this may run. Each boundary says where it is known
 * from: [seen] in stored headers or sources of that time; [notes] in our notes on headers and change logs of the
 * releases; [assumed] the change was seen, but not in which release it came. ndpi_era.hpp goes by shape where it can,
 * so that a wrong assumption costs nothing.
 */
#ifndef SPANFLOW_TEST_NDPI_FACTS_H
#define SPANFLOW_TEST_NDPI_FACTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ERA (NDPI_MAJOR * 100 + NDPI_MINOR)
#define NDPI_PATCH 0
#define NDPI_API_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

/* --- numbers and names --- */

typedef uint64_t ndpi_risk;
typedef enum { NDPI_NO_RISK = 0, NDPI_MAX_RISK = 55 } ndpi_risk_enum;
typedef enum { NDPI_CONFIDENCE_UNKNOWN = 0, NDPI_CONFIDENCE_MAX = 10 } ndpi_confidence_t;
typedef enum { NDPI_PROTOCOL_SAFE = 0 } ndpi_protocol_breed_t;
typedef enum { NDPI_PROTOCOL_CATEGORY_UNSPECIFIED = 0, NDPI_PROTOCOL_NUM_CATEGORIES = 106 } ndpi_protocol_category_t;

/* Their names [seen] in 4.2, 4.4 (development), 4.8 and in users of 5.0; FTPS in 4.8 and 5.0. */
enum {
  NDPI_PROTOCOL_UNKNOWN = 0,
  NDPI_PROTOCOL_DNS = 5,
  NDPI_PROTOCOL_HTTP = 7,
  NDPI_PROTOCOL_MDNS = 8,
  NDPI_PROTOCOL_MAIL_POPS = 23,
  NDPI_PROTOCOL_MAIL_SMTPS = 29,
  NDPI_PROTOCOL_DTLS = 30,
  NDPI_PROTOCOL_MAIL_IMAPS = 51,
  NDPI_PROTOCOL_TLS = 91,
  NDPI_PROTOCOL_HTTP_CONNECT = 130,
  NDPI_PROTOCOL_HTTP_PROXY = 131,
  NDPI_PROTOCOL_LLMNR = 154,
  NDPI_PROTOCOL_QUIC = 188,
#if ERA >= 408
  NDPI_PROTOCOL_FTPS = 311,
#endif
};

#if ERA < 500 /* [notes] custom protocols without bound since 5.0 */
#define NDPI_MAX_NUM_CUSTOM_PROTOCOLS 200
#endif

/* --- structures --- */

struct ndpi_detection_module_struct;
struct ndpi_flow_struct;

#if ERA >= 500 /* [seen] in users of 5.0 */
enum ndpi_classification_state {
  NDPI_STATE_INSPECTING = 0,
  NDPI_STATE_PARTIAL,
  NDPI_STATE_MONITORING,
  NDPI_STATE_CLASSIFIED
};
#endif

typedef struct {
  uint16_t master_protocol, app_protocol;
} ndpi_master_app_protocol;

typedef struct ndpi_proto {
#if ERA >= 412 /* [notes] nested since the development of 4.12 */
  ndpi_master_app_protocol proto;
#else
  uint16_t master_protocol, app_protocol;
#endif
#if ERA >= 408 /* [seen] */
  uint16_t protocol_by_ip;
#endif
  ndpi_protocol_category_t category;
#if ERA >= 404 /* [notes], [seen] in 4.8 */
  void* custom_category_userdata;
#endif
#if ERA >= 500 /* [notes], [seen] in users of 5.0 */
  struct {
    uint16_t protos[4];
    uint16_t protos_num;
  } protocol_stack;
  enum ndpi_classification_state state;
#endif
} ndpi_protocol;

#if ERA >= 406 /* [notes], [seen] in 4.8 */
#define NDPI_IN_PKT_DIR_UNKNOWN 0
#define NDPI_IN_PKT_DIR_C_TO_S 1
#define NDPI_IN_PKT_DIR_S_TO_C 2
#define NDPI_FLOW_BEGINNING_UNKNOWN 0
#define NDPI_FLOW_BEGINNING_SEEN 1
#define NDPI_FLOW_BEGINNING_NOT_SEEN 2
struct ndpi_flow_input_info {
  unsigned char in_pkt_dir;
  unsigned char seen_flow_beginning;
};
#endif

struct ndpi_flow_struct {
  uint8_t packet_direction : 1;
  ndpi_confidence_t confidence;
  char host_server_name[80];
  ndpi_risk risk;
  int (*extra_packets_func)(struct ndpi_detection_module_struct*, struct ndpi_flow_struct*);
  struct {
    char *url, *user_agent;
  } http;
  union {
    struct {
      uint8_t num_queries, num_answers, reply_code, is_query;
      uint16_t query_type, query_class, rsp_type;
#if ERA >= 412 /* [seen] in 5.0; in 4.12 [assumed]; not yet in 4.8 */
      uint8_t num_rsp_addr;
      uint8_t is_rsp_addr_ipv6[4];
      uint64_t rsp_addr[4][2];
#else
      uint64_t rsp_addr[2];
#endif
    } dns;
    struct {
#if ERA >= 406 /* [seen] in 4.8; in 4.6 [assumed] */
      char *server_names, *advertised_alpns, *negotiated_alpn;
#else
      char *server_names, *alpn;
#endif
#if ERA < 414 /* [notes] */
      char ja3_client[33];
#endif
      char ja3_server[33]; /* [seen] in 4.8 and 5.0; in 6.0 [assumed] */
#if ERA >= 410             /* [notes], [seen] in 5.0 */
      char ja4_client[37];
#endif
      uint16_t ssl_version;
    } tls_quic;
  } protos;
};

/* --- the module --- */

#if ERA >= 600 /* [seen] in users of 6.0 */
enum ndpi_license_type {
  NDPI_LICENSE_NOT_FOR_PROFIT_LGPL = 0,
  NDPI_LICENSE_FOR_PROFIT_LGPL,
  NDPI_LICENSE_FOR_PROFIT_DUAL_LICENSE
};
struct ndpi_global_context;
struct ndpi_detection_module_struct* ndpi_init_detection_module(struct ndpi_global_context* context,
                                                                enum ndpi_license_type licence);
#elif ERA >= 410 /* [notes], [seen] in 5.0 */
struct ndpi_global_context;
struct ndpi_detection_module_struct* ndpi_init_detection_module(struct ndpi_global_context* context);
#else
typedef uint32_t ndpi_init_prefs;
struct ndpi_detection_module_struct* ndpi_init_detection_module(ndpi_init_prefs preferences);
#endif

#if ERA < 500 /* [notes] */
typedef struct {
  uint32_t words[16];
} ndpi_protocol_bitmask_struct_t;
#if ERA >= 406
int ndpi_set_protocol_detection_bitmask2(struct ndpi_detection_module_struct* module,
                                         const ndpi_protocol_bitmask_struct_t* bitmask);
#else
void ndpi_set_protocol_detection_bitmask2(struct ndpi_detection_module_struct* module,
                                          const ndpi_protocol_bitmask_struct_t* bitmask);
#endif
#endif

#if ERA < 410 /* [notes] settings by ndpi_set_config() since 4.10 */
typedef enum { ndpi_pref_direction_detect_disable = 0 } ndpi_detection_preference;
int ndpi_set_detection_preferences(struct ndpi_detection_module_struct* module, ndpi_detection_preference preference,
                                   int value);
#endif

#if ERA >= 410 /* [notes], [seen] in 5.0 */
int ndpi_finalize_initialization(struct ndpi_detection_module_struct* module);
#else
void ndpi_finalize_initialization(struct ndpi_detection_module_struct* module);
#endif

void ndpi_exit_detection_module(struct ndpi_detection_module_struct* module);
int ndpi_load_protocols_file(struct ndpi_detection_module_struct* module, const char* path);
uint32_t ndpi_detection_get_sizeof_ndpi_flow_struct(void);
uint16_t ndpi_get_api_version(void);
char* ndpi_revision(void);

#if ERA >= 500 /* [notes], [seen] in its ndpi_memory.c */
void ndpi_set_memory_alloction_functions(void* (*allocate)(size_t), void (*release)(void*),
                                         void* (*zeros)(size_t, size_t), void* (*resize)(void*, size_t),
                                         void* (*aligned)(size_t, size_t), void (*release_aligned)(void*),
                                         void* (*allocate_flow)(size_t), void (*release_flow)(void*));
#else
void set_ndpi_malloc(void* (*allocate)(size_t));
void set_ndpi_free(void (*release)(void*));
void set_ndpi_flow_malloc(void* (*allocate)(size_t));
void set_ndpi_flow_free(void (*release)(void*));
#endif

/* --- packets --- */

uint8_t ndpi_detection_get_l4(const uint8_t* network, uint16_t octets, const uint8_t** payload,
                              uint16_t* payload_octets, uint8_t* protocol, uint32_t flags);

ndpi_protocol ndpi_detection_process_packet(struct ndpi_detection_module_struct* module, struct ndpi_flow_struct* flow,
                                            const unsigned char* packet, const unsigned short octets,
                                            const uint64_t time_ms
#if ERA >= 412 /* [notes], [seen] in 5.0 */
                                            ,
                                            struct ndpi_flow_input_info* input
#elif ERA >= 406 /* [seen] in 4.8 */
                                            ,
                                            const struct ndpi_flow_input_info* input
#endif
);

ndpi_protocol ndpi_detection_giveup(struct ndpi_detection_module_struct* module, struct ndpi_flow_struct* flow
#if ERA < 410 /* [notes] */
                                    ,
                                    uint8_t enable_guess, uint8_t* guessed
#elif ERA < 500
                                    ,
                                    uint8_t* guessed
#endif
);

#if ERA >= 408 /* [notes], [seen] in 5.0 */
ndpi_protocol ndpi_guess_undetected_protocol(struct ndpi_detection_module_struct* module, struct ndpi_flow_struct* flow,
                                             uint8_t protocol);
ndpi_protocol ndpi_guess_undetected_protocol_v4(struct ndpi_detection_module_struct* module,
                                                struct ndpi_flow_struct* flow, uint8_t protocol, uint32_t source,
                                                uint16_t source_port, uint32_t destination, uint16_t destination_port);
#else
ndpi_protocol ndpi_guess_undetected_protocol(struct ndpi_detection_module_struct* module, struct ndpi_flow_struct* flow,
                                             uint8_t protocol, uint32_t source, uint16_t source_port,
                                             uint32_t destination, uint16_t destination_port);
#endif

#if ERA < 500 /* [notes] */
uint8_t ndpi_extra_dissection_possible(struct ndpi_detection_module_struct* module, struct ndpi_flow_struct* flow);
#endif

void ndpi_free_flow_data(struct ndpi_flow_struct* flow);

/* --- what things are called --- */

#if ERA >= 500 /* [seen] in 5.0; before it [assumed] */
unsigned int ndpi_get_num_protocols(struct ndpi_detection_module_struct* module);
bool ndpi_is_custom_protocol(struct ndpi_detection_module_struct* module, uint16_t protocol);
char* ndpi_get_proto_breed_name(ndpi_protocol_breed_t breed);
uint16_t ndpi_get_proto_by_name(const struct ndpi_detection_module_struct* module, const char* name);
#else
unsigned int ndpi_get_num_supported_protocols(struct ndpi_detection_module_struct* module);
unsigned int ndpi_get_ndpi_num_custom_protocols(struct ndpi_detection_module_struct* module);
char* ndpi_get_proto_breed_name(struct ndpi_detection_module_struct* module, ndpi_protocol_breed_t breed);
uint16_t ndpi_get_proto_by_name(struct ndpi_detection_module_struct* module, const char* name);
#endif

char* ndpi_get_proto_name(struct ndpi_detection_module_struct* module, uint16_t protocol);
ndpi_protocol_breed_t ndpi_get_proto_breed(struct ndpi_detection_module_struct* module, uint16_t protocol);
ndpi_protocol_category_t ndpi_get_proto_category(struct ndpi_detection_module_struct* module, ndpi_protocol protocol);
const char* ndpi_category_get_name(struct ndpi_detection_module_struct* module, ndpi_protocol_category_t category);
const char* ndpi_confidence_get_name(ndpi_confidence_t confidence);
const char* ndpi_risk2str(ndpi_risk_enum risk);
uint16_t ndpi_risk2score(ndpi_risk risk, uint16_t* client_score, uint16_t* server_score);

#ifdef __cplusplus
}
#endif

#endif
