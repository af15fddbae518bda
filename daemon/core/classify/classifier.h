/* SPDX-License-Identifier: Apache-2.0 */
/* The ABI between the core and a classification engine: a table of C functions in a shared object of its own.
 *
 * The core knows no engine, an engine's shim knows nothing of the core; each is built alone. A shim exports one
 * symbol, `spanflow_classifier`, of type `const struct spanflow_classifier`. A changed table gets a new number.
 *
 * Threads: open() and close() are called by one thread at a time, in the whole process. All else by one thread at a
 * time for each engine; different engines at once.
 */
#ifndef SPANFLOW_CLASSIFIER_H
#define SPANFLOW_CLASSIFIER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPANFLOW_CLASSIFIER_ABI 1
#define SPANFLOW_CLASSIFIER_SYMBOL "spanflow_classifier"

/* How a verdict came about. */
enum spanflow_confidence {
  SPANFLOW_CONFIDENCE_NONE = 0,    /* no verdict */
  SPANFLOW_CONFIDENCE_PORT = 1,    /* by the port, or by the IP protocol alone */
  SPANFLOW_CONFIDENCE_ADDRESS = 2, /* by an address */
  SPANFLOW_CONFIDENCE_CACHE = 3,   /* by other flows of the same hosts */
  SPANFLOW_CONFIDENCE_PARTIAL = 4, /* by a part of the payload that inspection wanted */
  SPANFLOW_CONFIDENCE_PAYLOAD = 5, /* by the payload */
  SPANFLOW_CONFIDENCE_RULE = 6     /* by a rule of the user's own (a custom protocol, or one of the core) */
};

/* Names that an engine may find in the packets of a flow: octets from the network, to be trusted in nothing. */
enum spanflow_detail {
  SPANFLOW_DETAIL_SERVER_NAME, /* of TLS and QUIC (SNI), HTTP (Host), DNS (the name asked for) */
  SPANFLOW_DETAIL_JA3_CLIENT,
  SPANFLOW_DETAIL_JA3_SERVER,
  SPANFLOW_DETAIL_JA4_CLIENT,
  SPANFLOW_DETAIL_ALPN,
  SPANFLOW_DETAIL_HTTP_USER_AGENT,
  SPANFLOW_DETAIL_HTTP_URL,
  SPANFLOW_DETAIL_DNS_ANSWER, /* the first address of an answer, as text */
  SPANFLOW_DETAILS
};

/* What is known of a flow so far. Protocol numbers are the engine's own; 0 is "unknown". */
struct spanflow_verdict {
  uint64_t risk;              /* bits as the engine numbers them */
  uint16_t master_protocol;   /* what carries the application, such as TLS; 0: none, or the application itself */
  uint16_t protocol;          /* the application, or what is known instead of it */
  uint16_t category;
  uint16_t risk_score;        /* 0: none */
  uint16_t tls_version;       /* as on the wire, 0x0303 is TLS 1.2; 0: none */
  uint16_t dns_query_type;    /* 0: none */
  uint8_t dns_response_code;  /* 255: no answer was seen */
  uint8_t confidence;         /* enum spanflow_confidence */
  uint8_t done;               /* more packets will not change the verdict */
};

/* A flow as its two ends see it; addresses in network order, of IPv4 the first 4 octets; client is who opened it. */
struct spanflow_ends {
  uint8_t client_address[16];
  uint8_t server_address[16];
  uint16_t client_port;
  uint16_t server_port;
  uint8_t ip_version;
  uint8_t protocol; /* of IP */
};

/* One packet of a flow: from the IP header on, whole or cut, its header lengths never beyond `octets`. */
struct spanflow_packet {
  const uint8_t* network;
  uint32_t octets;
  uint64_t time_ms;
  uint8_t from_server; /* 0: client to server */
  uint8_t seen_beginning; /* of TCP: the handshake was seen */
};

struct spanflow_engine;

struct spanflow_engine_options {
  const char* protocols_file; /* protocols of the user's own, in the engine's format; NULL: none */
};

struct spanflow_classifier {
  uint32_t abi; /* SPANFLOW_CLASSIFIER_ABI */
  const char* engine; /* "nDPI" */

  /* NULL and a one-line reason in `error` when the library at hand is not the one that the shim was built for, or when
   * the options cannot be taken. */
  struct spanflow_engine* (*open)(const struct spanflow_engine_options* options, char* error, size_t error_octets);
  void (*close)(struct spanflow_engine* engine);
  const char* (*version)(const struct spanflow_engine* engine); /* "4.2.0" */

  /* The memory of one flow, given by the core: so much, aligned to 16. */
  size_t (*flow_octets)(const struct spanflow_engine* engine);
  void (*begin_flow)(struct spanflow_engine* engine, void* flow);
  void (*end_flow)(struct spanflow_engine* engine, void* flow);

  void (*inspect)(struct spanflow_engine* engine, void* flow, const struct spanflow_packet* packet,
                  struct spanflow_verdict* verdict);
  /* The last word on a flow that was not decided, a guess if need be. */
  void (*give_up)(struct spanflow_engine* engine, void* flow, struct spanflow_verdict* verdict);
  /* A guess by protocol, ports and addresses alone, of a flow without a state. */
  void (*guess)(struct spanflow_engine* engine, const struct spanflow_ends* ends, struct spanflow_verdict* verdict);
  /* Copies a detail of a flow, not longer than `octets`, without a final NUL. Returns its length, 0: there is none. */
  size_t (*detail)(const struct spanflow_engine* engine, const void* flow, enum spanflow_detail kind, char* text,
                   size_t octets);

  /* What the engine allocated in the calling thread and has not freed, in octets; flows begun elsewhere may make it
   * negative. */
  int64_t (*allocated)(void);

  /* Protocols have the numbers 0 .. count - 1; those from `built_in` on are of the protocols file. A name is NULL where
   * a number is not used. */
  uint32_t (*protocols)(const struct spanflow_engine* engine, uint32_t* built_in);
  const char* (*protocol_name)(const struct spanflow_engine* engine, uint16_t protocol);
  uint16_t (*protocol_category)(const struct spanflow_engine* engine, uint16_t protocol);
  const char* (*protocol_breed)(const struct spanflow_engine* engine, uint16_t protocol); /* "Safe", "Unsafe", ... */
  uint32_t (*categories)(const struct spanflow_engine* engine);
  const char* (*category_name)(const struct spanflow_engine* engine, uint16_t category);
  const char* (*risk_name)(uint32_t bit); /* NULL: no such bit */
};

#ifdef __cplusplus
}
#endif

#endif
