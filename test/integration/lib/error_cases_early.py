# SPDX-License-Identifier: GPL-2.0-or-later
"""What error_cases.py has, of early data."""
from error_build import *  # pylint: disable=wildcard-import,unused-wildcard-import

TRUST = {"trusted_ca": {"filename": ca()}}


def early_data(more=None, common=None, **fields):
    """A listener that takes early data, with what more there is in its context."""
    own = {"name": "e", "typed_config": {"@type": T + "sallyport.tls.v1.EarlyData", **fields}}
    tls = down({"custom_handshaker": own, **(common or {})})
    tls["typed_config"].update(more or {})
    return boot([lst(chains=[chain(tls=tls)])])


def up_early():
    tls = up(TRUST)
    tls["typed_config"]["common_tls_context"]["custom_handshaker"] = {"name": "e", "typed_config": {"@type": T + "sallyport.tls.v1.EarlyData"}}
    return tls


EARLY = [
    (["is no method that can come early (GET, HEAD and OPTIONS can, and what is as safe)"], early_data(methods=["CONNECT"])),
    (["would take requests before the client has shown the certificate that is asked for (take it or validation_context out)"],
     early_data(common={"validation_context": TRUST})),
    (["is of TLS 1.3, which tls_maximum_protocol_version leaves out (take one of them out)"],
     early_data(common={"tls_params": {"tls_maximum_protocol_version": "TLSv1_2"}})),
    (["would let early data be replayed to every door that has the session_ticket_keys (take one of them out)"],
     early_data({"session_ticket_keys": {"keys": [{"inline_string": "k" * 80}]}})),
    (["is of no use without session tickets, which early data comes with (take it out, or what turns them off)"],
     early_data({"disable_stateless_session_resumption": True})),
    (["no such handshaker (sallyport.tls.v1.EarlyData is the one that is run)"], boot([lst(chains=[chain(tls=down({"custom_handshaker": {
        "name": "x", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation"}}}))])])),
    (["is for listeners: origins are sent no early data (take it out)"], boot(clusters=[cluster("c", 1, tls=up_early())])),
]
