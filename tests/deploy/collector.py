"""The Collector's configurations by the keys that its components document.

No package carries the Collector or its schemas, so the keys stand here: from the README and config.schema.yaml of each
component in open-telemetry/opentelemetry-collector and -contrib, as of v0.156. Only what we use is listed, so a new key is
looked up before it is used.
"""

import re

ANY = object()  # a value of any kind
DURATION, ENDPOINT, ENV = re.compile(r"\d+(ms|s|m)"), re.compile(r"(https?://)?[\w.-]+(:\d+)?"), re.compile(r"\$\{env:\w+\}")

GRPC = {"endpoint": ENDPOINT}
HTTP = {"endpoint": ENDPOINT}
QUEUE = {"enabled": bool, "num_consumers": int, "queue_size": int}
RETRY = {"enabled": bool, "initial_interval": DURATION, "max_interval": DURATION, "max_elapsed_time": DURATION}
POLICY = {
    "name": str,
    "type": {"status_code", "latency", "probabilistic", "always_sample", "and", "string_attribute", "rate_limiting"},
    # The spelling of OTLP's status codes is checked by the processor at its start.
    "status_code": {"status_codes": [{"ERROR", "OK", "UNSET"}]},
    "latency": {"threshold_ms": int, "upper_threshold_ms": int},
    "probabilistic": {"sampling_percentage": (int, float), "hash_salt": str},
}
COMPONENTS = {
    "extensions": {"health_check": {"endpoint": ENDPOINT, "path": str}},
    "receivers": {"otlp": {"protocols": {"grpc": GRPC, "http": HTTP}}},
    "processors": {
        "memory_limiter": {"check_interval": DURATION, "limit_mib": int, "spike_limit_mib": int},
        "batch": {"timeout": DURATION, "send_batch_size": int, "send_batch_max_size": int},
        "tail_sampling": {
            "decision_wait": DURATION,
            "num_traces": int,
            "expected_new_traces_per_sec": int,
            "policies": [POLICY],
        },
    },
    "exporters": {
        "otlp_http": {
            "endpoint": ENDPOINT,
            "headers": {ANY: str},
            "compression": {"gzip", "none", "zstd"},
            "sending_queue": QUEUE,
            "retry_on_failure": RETRY,
        },
        "awsxray": {"region": str, "index_all_attributes": bool, "indexed_attributes": [str]},
        "loadbalancing": {
            "routing_key": {"traceID", "service"},
            "protocol": {"otlp": {"tls": {"insecure": bool}, "timeout": DURATION}},
            "resolver": {"dns": {"hostname": str, "port": str, "interval": DURATION, "timeout": DURATION}},
        },
    },
}
SERVICE = {
    "extensions": [str],
    "telemetry": {"metrics": {"level": {"none", "basic", "normal", "detailed"}}},
    "pipelines": {ANY: {"receivers": [str], "processors": [str], "exporters": [str]}},
}


def validate(config: dict, name: str) -> None:
    for section, value in config.items():
        if section == "service":
            conforms(value, SERVICE, f"{name}: service")
            continue
        known = COMPONENTS.get(section)
        if known is None:
            raise AssertionError(f"{name}: there is no section {section}")
        for component, settings in value.items():
            kind = component.split("/")[0]
            if kind not in known:
                raise AssertionError(f"{name}: {section} has no {kind}")
            conforms(settings or {}, known[kind], f"{name}: {section}.{component}")
    for pipeline, parts in config["service"]["pipelines"].items():
        for section, names in parts.items():
            if isinstance(names, str):  # chosen where it runs
                continue
            for part in names:
                if part not in config[section]:
                    raise AssertionError(f"{name}: the pipeline {pipeline} names {section}.{part}, which is not set up")
        if parts["processors"][0] != "memory_limiter":
            raise AssertionError(f"{name}: memory_limiter does not come first")
    for extension in config["service"]["extensions"]:
        if extension not in config["extensions"]:
            raise AssertionError(f"{name}: the extension {extension} is not set up")


def conforms(value: object, shape: object, where: str) -> None:
    if isinstance(value, str) and ENV.fullmatch(value):
        return
    if isinstance(shape, dict):
        for key, inner in value.items():
            if key not in shape and ANY not in shape:
                raise AssertionError(f"{where} has no key {key}")
            conforms(inner, shape.get(key, shape.get(ANY)), f"{where}.{key}")
    elif isinstance(shape, list):
        for item in value:
            conforms(item, shape[0], where)
    elif isinstance(shape, set):
        if value not in shape:
            raise AssertionError(f"{where} is {value!r}, which is none of {sorted(shape)}")
    elif isinstance(shape, re.Pattern):
        if not shape.fullmatch(str(value)):
            raise AssertionError(f"{where} is {value!r}")
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        raise AssertionError(f"{where} is {value!r}")
