/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operators that show a client's certificates themselves, or a hash of them: computed when a log asks. */
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/x509.h"
#include "net/tls_peer.h"
#include "stream/escape.h"
#include "stream/format_op.h"

enum what { PEM, SHA1, SHA256, SERIAL };
enum which { LEAF, CHAIN };

static void put(struct sp_writer *w, enum what what, struct sp_str der)
{
    uint8_t hash[32];
    struct sp_x509 cert;
    const char *why;
    struct sp_arena scratch;
    sp_arena_init(&scratch);
    if (what == PEM) {
        sp_writer_str(w, sp_pem_url(&scratch, der));
    } else if (what == SERIAL) {
        if (sp_x509_parse(der, &scratch, &cert, &why) == 0)
            sp_writer_escaped(w, sp_tls_serial_text(&scratch, cert.serial));
    } else {
        what == SHA1 ? sp_sha1(der, hash) : sp_sha256(der, hash);
        sp_writer_str(w, sp_hex(&scratch, hash, what == SHA1 ? 20 : 32));
    }
    sp_arena_done(&scratch);
}

static void write(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_writer *w, enum sp_fmt_place place)
{
    const struct sp_client_cert *c = sp_info_cert(in->info);
    enum what what = (enum what)op->arg;
    if (place == SP_FMT_ALONE)
        sp_writer_str(w, SP_STR("\""));
    put(w, what, c->der);
    for (unsigned i = 0; op->arg2 == CHAIN && i < c->n_others; i++) {
        sp_writer_str(w, SP_STR(","));
        put(w, what, c->others[i]);
    }
    if (place == SP_FMT_ALONE)
        sp_writer_str(w, SP_STR("\""));
}

static void get(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    sp_fmt_written(v, in->info->conn && sp_info_cert(in->info)->der.len, write);
}

#define NO SP_FMT_NO_PARAMS

const struct sp_fmt_desc sp_fmt_ops_cert[] = {
    {"DOWNSTREAM_PEER_CERT", get, PEM, LEAF, NULL, NO, false},
    {"DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1", get, SHA1, CHAIN, NULL, NO, false},
    {"DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", get, SHA256, CHAIN, NULL, NO, false},
    {"DOWNSTREAM_PEER_CHAIN_SERIALS", get, SERIAL, CHAIN, NULL, NO, false},
    {"DOWNSTREAM_PEER_FINGERPRINT_1", get, SHA1, LEAF, NULL, NO, false},
    {NULL, NULL, 0, 0, NULL, NO, false},
};
