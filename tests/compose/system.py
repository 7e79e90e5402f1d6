"""The system in containers, and people who use it lightly."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE = 120
# What a developer's shell may hold and compose would hand on: these tests send nothing to anybody's account.
FOREIGN = ("AWS_", "OTEL_", "HONEYCOMB_", "ROLLBAR_", "CLOUDWATCH_", "CONSOLE_", "COLLECTOR_", "POSTGRES_", "COMPOSE_")
HOME = {"frontend-proxy", "gateway", "activities", "users"}
# Spans that a process has not sent when it is killed are lost, and nobody is left to count them: those of this long
# before. They leave every 200 ms, and a busy machine is late.
UNSENT = 2.0


class Failure(Exception):
    pass


def say(line: str) -> None:
    print(f"compose: {line}", flush=True)


class System:
    project = "throughline-test"
    web = "http://localhost:3000"
    console = "http://localhost:4380"

    def __init__(self, root: Path, docker: str, folder: Path) -> None:
        self.root, self.docker = root, docker
        empty = folder / "empty.env"
        empty.write_text("")
        env = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        # The client that was found to work, before others in PATH.
        env["PATH"] = f"{Path(docker).parent}:{env['PATH']}"
        self.env = env
        plugin = subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0
        if not plugin and not shutil.which("docker-compose"):
            raise Failure("neither `docker compose` nor docker-compose is installed")
        command = [docker, "compose"] if plugin else ["docker-compose"]
        self.command = [*command, "--project-name", self.project, "--env-file", str(empty)]

    def compose(self, *arguments: str, check: bool = True, **env: str) -> str:
        done = subprocess.run(
            [*self.command, *arguments], cwd=self.root, env=self.env | env, capture_output=True, text=True
        )
        if check and done.returncode != 0:
            raise Failure(f"compose {' '.join(arguments)}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def build(self) -> None:
        """BuildKit where this client can ask for it (before 23 by itself, since then with a plugin), else the classic."""
        version = self.ask("version", "--format", "{{.Client.Version}}").strip()
        plugin = subprocess.run([self.docker, "buildx", "version"], capture_output=True).returncode == 0
        buildkit = plugin or int(version.split(".")[0]) < 23
        kind = {"DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1"} if buildkit else {"DOCKER_BUILDKIT": "0"}
        since = time.monotonic()
        # One service: the image is the same for all.
        self.compose("build", "gateway", **kind)
        size = int(self.ask("image", "inspect", "--format", "{{.Size}}", "throughline:latest"))
        say(f"built in {time.monotonic() - since:.0f} s, {size / 1e6:.0f} MB")

    def services(self) -> list[str]:
        """Those that keep running."""
        return [s for s in self.compose("config", "--services").split() if s != "migrate" and self.container(s)]

    def container(self, service: str) -> str:
        ids = self.ask(
            "ps", "--all", "--quiet",
            "--filter", f"label=com.docker.compose.project={self.project}",
            "--filter", f"label=com.docker.compose.service={service}",
        )  # fmt: skip
        return ids.strip()

    def inspect(self, service: str) -> dict:
        return json.loads(self.ask("inspect", self.container(service)))[0]

    def processes(self, service: str) -> list[int]:
        """The user of every process of the container."""
        lines = self.ask("top", self.container(service), "-eo", "pid,uid").splitlines()[1:]
        return [int(line.split()[1]) for line in lines]

    def healthy(self) -> None:
        """Waits until every container is; one whose process was killed is started again by the engine."""
        until = time.monotonic() + PATIENCE
        while True:
            states = {s: self.inspect(s)["State"] for s in self.services()}
            bad = {
                s: state["Status"]
                for s, state in states.items()
                if state["Status"] != "running" or state.get("Health", {}).get("Status") != "healthy"
            }
            if not bad and len(states) == 6:
                return
            if time.monotonic() > until:
                raise Failure(f"not healthy after {PATIENCE} s: {bad or list(states)}")
            time.sleep(0.5)

    def kill(self, service: str) -> None:
        """As the kernel does it when memory runs out. `docker kill` counts as somebody's wish: no restart follows."""
        before = self.inspect(service)["State"]["StartedAt"]
        os.kill(self.inspect(service)["State"]["Pid"], signal.SIGKILL)
        until = time.monotonic() + PATIENCE
        while self.inspect(service)["State"]["StartedAt"] == before:
            if time.monotonic() > until:
                raise Failure(f"{service} was killed and is not started again")
            time.sleep(0.1)

    def memory_peak(self, service: str) -> int:
        """Bytes of the process at its most, without what the page cache holds."""
        if service != "postgres":
            status = Path(f"/proc/{self.inspect(service)['State']['Pid']}/status").read_text()
            return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        # Its processes share most of what each of them is said to hold: what they hold now, as the engine counts it.
        usage = self.ask("stats", "--no-stream", "--format", "{{.MemUsage}}", self.container(service)).split("/")[0]
        number = float("".join(c for c in usage if c.isdigit() or c == "."))
        return int(number * {"K": 2**10, "M": 2**20, "G": 2**30}[usage.strip("0123456789. ")[0]])

    def request(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict, str]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.web}{path}", data=data, method=method)
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()

    def trace(self, trace_id: str) -> list[dict]:
        try:
            with urllib.request.urlopen(f"{self.console}/api/traces/{trace_id}", timeout=30) as answer:
                return json.load(answer)["spans"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise

    def whole(self, trace_id: str, services: set[str], patience: float = 30) -> None:
        until = time.monotonic() + patience
        while not is_whole(self.trace(trace_id), services):
            if time.monotonic() > until:
                raise Failure(f"the trace {trace_id} is not whole")
            time.sleep(0.2)

    def tell(self) -> None:
        """For whoever reads a failure."""
        print(self.compose("ps", check=False), flush=True)
        print(self.compose("logs", "--no-color", "--tail", "40", check=False), flush=True)

    def ask(self, *arguments: str) -> str:
        done = subprocess.run([self.docker, *arguments], env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


class Load:
    """A few people who read the home feed, again and again."""

    def __init__(self, system: System, workers: int = 2, pause: float = 0.05) -> None:
        self.system, self.workers, self.pause = system, workers, pause
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.completed: list[tuple[float, str]] = []
        self.refused: dict[str, int] = {}
        self.unclear: list[str] = []

    def __enter__(self) -> "Load":
        self.threads = [threading.Thread(target=self.read) for _ in range(self.workers)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def read(self) -> None:
        while not self.stop.is_set():
            try:
                status, headers, body = self.system.request("GET", "/api/activities/home?limit=5")
            except OSError:  # nobody listens, or the connection was cut
                self.count("no connection")
                time.sleep(0.1)
                continue
            headers = {name.lower(): value for name, value in headers.items()}
            if status == 200:
                with self.lock:
                    self.completed.append((time.time(), headers["traceresponse"].split("-")[1]))
                time.sleep(self.pause)
                continue
            self.count(str(status))
            # A clear error: a problem, with a trace to look at.
            if status not in (502, 503, 504) or "trace_id" not in body or "problem+json" not in headers["content-type"]:
                self.unclear.append(f"{status} {body[:300]}")
            time.sleep(0.05)

    def count(self, what: str) -> None:
        with self.lock:
            self.refused[what] = self.refused.get(what, 0) + 1

    def until_completed(self, more: int, patience: float = PATIENCE) -> None:
        goal, until = len(self.completed) + more, time.monotonic() + patience
        while len(self.completed) < goal:
            if time.monotonic() > until:
                raise Failure(f"not {more} requests within {patience} s; refused: {self.refused} {self.unclear[:3]}")
            time.sleep(0.1)

    def report(self, service: str, how: str, at: float) -> str:
        """Every completed request has its whole trace; after a kill, but for what the killed process had not sent."""
        if self.unclear:
            raise Failure(f"{service} {how}: unclear errors: {self.unclear[:3]}")
        broken = dict.fromkeys(trace for _, trace in self.completed)
        until = time.monotonic() + 60
        while broken and time.monotonic() < until:
            broken = {t: None for t in broken if not is_whole(self.system.trace(t), HOME)}
            if broken:
                time.sleep(0.5)
        when = dict((trace, time) for time, trace in self.completed)
        excused = how == "killed" and service in HOME
        lost = [trace for trace in broken if not (excused and at - UNSENT < when[trace] < at + UNSENT)]
        if lost:
            raise Failure(f"{service} {how}: {len(lost)} traces of completed requests are not whole, such as {lost[0]}")
        words = f"{len(self.completed)} requests completed, meanwhile {self.refused or 'no errors'}"
        return words + (f"; {len(broken)} traces lack what the killed process had not sent" if excused else "; no span lost")


def is_whole(spans: list[dict], services: set[str]) -> bool:
    ids = {span["span_id"] for span in spans}
    roots = [span for span in spans if span["parent_span_id"] is None]
    orphans = [span for span in spans if span["parent_span_id"] and span["parent_span_id"] not in ids]
    return len(roots) == 1 and not orphans and services <= {span["service"] for span in spans}
