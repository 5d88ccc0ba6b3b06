/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What jwt_authn's tests share: two issuers' keys, tokens, and a request that goes through one config.
 */
#ifndef TEST_UNIT_FILTERS_JWT_HELPER_H
#define TEST_UNIT_FILTERS_JWT_HELPER_H

#include "fake_chain.h"

#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "filters/registry.h"

/* The fake turn's wall clock, in seconds. */
enum { JWT_NOW = 1800000000 };

#define JWT_OPS &sp_jwt_authn_ops
#define JWT_NS "envoy.filters.http.jwt_authn"

extern struct fake_stream s;
extern struct fake_config *c;
extern struct sp_arena jwt_arena; /* for texts of a whole program */

/* For cmocka_run_group_tests, in place of fake_setup and fake_teardown. */
int jwt_setup(void **state);
int jwt_teardown(void **state);

/* printf into jwt_arena. */
const char *text(const char *fmt, ...) SP_PRINTF(1, 2);
/* A token of the key `kid` ("a" or "b"), with these members of a payload: "\"sub\":\"x\"". */
const char *token(const char *kid, const char *claims);
/* YAML: "local_jwks: {inline_string: '...'}" of one key. */
const char *local_jwks(const char *kid);

/* A config, and a stream that is asked next; ends the one before. */
void begin(const char *yaml);
/* One provider "p" with these fields in flow style, and a rule for all paths. */
void begin_provider(const char *fields);
/* A new request in the same config. */
void request(const char *path);
void bearer(const char *token);
void finish(void);

void passes(void);
/* 401 (403 for audiences), Envoy's sentence. */
void refused(const char *body);

#endif
