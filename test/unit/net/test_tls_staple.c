/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of OCSP responses that cannot be stapled; test/integration/test_staple.py has those that can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tls_kit.h"

#define STAPLE(text) "{certificate_chain: @server.cert, private_key: @server.key, ocsp_staple: {inline_string: " text "}}"

static void said(const char *what, const char *words)
{
    if (!strstr(what, words))
        fail_msg("%s", what);
}

static void what_is_said(void **state)
{
    said(kit_server_said("common_tls_context: {tls_certificates: [" STAPLE("x") "]}\n"),
         "cannot be stapled: certificate_chain lacks the issuer, by whom it is verified: append that (openssl ocsp -respout FILE asks for one)");
    said(kit_server_said("ocsp_staple_policy: MUST_STAPLE\n" KIT_SERVER),
         "there is nothing to staple, and there has to be, by ocsp_staple_policy or the certificate's TLS feature (set ocsp_staple)");
    said(kit_client_said("common_tls_context: {tls_certificates: [" STAPLE("x") "]}\n"), "ocsp_staple: is for certificates of listeners (take it out)");
    assert_string_equal(kit_server_said("ocsp_staple_policy: STRICT_STAPLING\n" KIT_SERVER), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_said)};
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
