/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Field rules: TLS and secrets. */
#include "config/rules_tables.h"

#define TLS "envoy.extensions.transport_sockets.tls.v3."

static const struct sp_rule rules[] = {
    {TLS "CertificateValidationContext", "verify_certificate_spki", SP_RULE_MIN_LEN, 44, 0},
    {TLS "CertificateValidationContext", "verify_certificate_spki", SP_RULE_MAX_LEN, 44, 0},
    {TLS "CertificateValidationContext", "verify_certificate_hash", SP_RULE_MIN_LEN, 64, 0},
    {TLS "CertificateValidationContext", "verify_certificate_hash", SP_RULE_MAX_LEN, 95, 0},
    {TLS "CertificateValidationContext", "max_verify_depth", SP_RULE_RANGE, 0, 100},
    {TLS "CommonTlsContext.CombinedCertificateValidationContext", "default_validation_context", SP_RULE_REQUIRED, 0, 0},
    {TLS "CommonTlsContext.CombinedCertificateValidationContext", "validation_context_sds_secret_config", SP_RULE_REQUIRED, 0, 0},
    {TLS "DownstreamTlsContext", "session_timeout", SP_RULE_MAX_MS, 4294967295999, 0},
    {TLS "GenericSecret", "secret", SP_RULE_REQUIRED, 0, 0},
    {TLS "SdsSecretConfig", "name", SP_RULE_MIN_LEN, 1, 0},
    {TLS "Secret", "name", SP_RULE_MIN_LEN, 1, 0},
    {TLS "Secret", "tls_certificate", SP_RULE_ONEOF, 0, 0},
    {TLS "SubjectAltNameMatcher", "san_type", SP_RULE_ENUM_SET, 0, 0},
    {TLS "SubjectAltNameMatcher", "san_type", SP_RULE_ENUM_IN, BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5), 0},
    {TLS "SubjectAltNameMatcher", "matcher", SP_RULE_REQUIRED, 0, 0},
    {TLS "TlsCertificate", "certificate_chain", SP_RULE_REQUIRED, 0, 0},
    {TLS "TlsCertificate", "private_key", SP_RULE_REQUIRED, 0, 0},
    {TLS "TlsParameters", "tls_minimum_protocol_version", SP_RULE_ENUM_IN, BIT(0) | BIT(3) | BIT(4), 0},
    {TLS "TlsParameters", "tls_maximum_protocol_version", SP_RULE_ENUM_IN, BIT(0) | BIT(3) | BIT(4), 0},
    {TLS "TlsSessionTicketKeys", "keys", SP_RULE_MIN_ITEMS, 1, 0},
    {TLS "UpstreamTlsContext", "sni", SP_RULE_MAX_LEN, 255, 0},
};

const struct sp_rule_table sp_rules_tls = {rules, SP_ARRAY_LEN(rules)};
