# SPDX-License-Identifier: GPL-2.0-or-later
"""Sinks of stats that are refused, and why: for error_cases.py."""
from error_build import T, address, boot


OTEL = "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig"


def sink(kind="StatsdSink", **fields):
    return boot(stats_sinks=[{"name": "s", "typed_config": {"@type": T + "envoy.config.metrics.v3." + kind, **fields}}])


SINKS = [
    (["StatsD is not sent over TCP here (write address, of a StatsD server that takes UDP)"], sink(tcp_cluster_name="c")),
    (["a sink needs a port (8125 is the usual one)"], sink(address=address(0))),
    (["this is no IP address (names are not looked up for sinks, as in Envoy)"], sink("DogStatsdSink", address=address(8125, "agent.example.com"))),
    (["a socket's path has 1 to 107 bytes"], sink(address={"pipe": {"path": "/x" * 60}})),
    (["a StatsdSink, a DogStatsdSink or an open_telemetry SinkConfig is needed here"], boot(stats_sinks=[{"name": "s", "typed_config": {"@type": T + "envoy.extensions.filters.http.router.v3.Router"}}])),
    (['there is no cluster "nowhere"'], boot(stats_sinks=[{"name": "o", "typed_config": {"@type": T + OTEL, "grpc_service": {"envoy_grpc": {"cluster_name": "nowhere"}}}}])),
]
