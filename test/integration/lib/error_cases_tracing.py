# SPDX-License-Identifier: GPL-2.0-or-later
"""What error_cases.py has, of tracing."""
from error_build import *  # pylint: disable=wildcard-import,unused-wildcard-import

OTEL = "envoy.config.trace.v3.OpenTelemetryConfig"
SERVICE = {"http_uri": {"uri": "http://c.test/v1/traces", "cluster": "c", "timeout": "1s"}}
EXTENSIONS = T + "envoy.extensions.tracers.opentelemetry."


def traced(kind=OTEL, tracing=None, **fields):
    """A connection manager whose spans go to the cluster."""
    provider = {"name": "o", "typed_config": {"@type": T + kind, **(fields or {"http_service": SERVICE})}}
    return hcm(tracing={"provider": provider, **(tracing or {})})


def sent(key, value):
    return traced(http_service={**SERVICE, "request_headers_to_add": [{"header": {"key": key, "value": value}}]})


def extension(name, **fields):
    return {"name": "x", "typed_config": {"@type": EXTENSIONS + name, **fields}}


TRACING = [
    (["cannot stand beside grpc_service (spans go to one place)"], traced(http_service=SERVICE, grpc_service={"envoy_grpc": {"cluster_name": "c"}})),
    (["neither grpc_service nor http_service: traces are passed on, and no span is sent (name a collector)"], traced(service_name="s")),
    (["no header can have this value (printable bytes, no space at an end)"], sent("x-a", "a\u0001")),
    (["the only operator here is %ENVIRONMENT(NAME)%"], sent("x-a", "%REQ(x)%")),
    (["this cannot be sent to a collector (take an ordinary header)"], sent("transfer-encoding", "chunked")),
    (["no such detector (EnvironmentResourceDetectorConfig, StaticConfigResourceDetectorConfig)"],
     traced(http_service=SERVICE, resource_detectors=[extension("samplers.v3.AlwaysOnSamplerConfig")])),
    (["no such sampler (AlwaysOnSamplerConfig, TraceIdRatioBasedSamplerConfig, or one of them in ParentBasedSamplerConfig)"],
     traced(http_service=SERVICE, sampler=extension("resource_detectors.v3.EnvironmentResourceDetectorConfig"))),
    (["OTEL_RESOURCE_ATTRIBUTES is not set: nothing is taken from it (set it, or take the detector out)"],
     traced(http_service=SERVICE, resource_detectors=[extension("resource_detectors.v3.EnvironmentResourceDetectorConfig")])),
    (["no such tracer (envoy.config.trace.v3.OpenTelemetryConfig, sallyport.tracing.v1.OpenTelemetry)"],
     hcm(tracing={"provider": {"name": "o", "typed_config": ROUTER["typed_config"]}})),
    (["stands above already (each once)"], traced("sallyport.tracing.v1.OpenTelemetry", config={"http_service": SERVICE}, propagators=["B3", "B3"])),
    (["one of these is required: literal, environment, request_header, metadata, value"], traced(tracing={"custom_tags": [{"tag": "t"}]})),
]
