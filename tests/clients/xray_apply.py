"""`throughline xray apply`: creates, changes only what differs, and says beforehand what it would do; boto3 looks."""

import json
import os
import subprocess
import tempfile

import boto3

from support import CONSOLE

xray = boto3.client("xray", endpoint_url=CONSOLE)


def apply(*arguments):
    command = [os.environ["THROUGHLINE_BIN"], "xray", "apply", "--endpoint-url", CONSOLE, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def lines(*arguments):
    done = apply(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def rules():
    return {record["SamplingRule"]["RuleName"]: record["SamplingRule"] for record in xray.get_sampling_rules()["SamplingRuleRecords"]}


assert lines("--dry-run") == [
    "group Cruddur: create",
    "sampling rule Cruddur: create",
    f"{CONSOLE}: 2 to create, 0 to update, 0 unchanged",
]
assert "Cruddur" not in rules(), "a dry run does nothing"
assert lines()[-1] == f"{CONSOLE}: 2 created, 0 updated, 0 unchanged"
rule = rules()["Cruddur"]
assert (rule["Priority"], rule["ReservoirSize"], rule["FixedRate"]) == (9000, 5, 0.1), rule
assert lines()[-1] == f"{CONSOLE}: 0 created, 0 updated, 2 unchanged"

xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": "Cruddur", "FixedRate": 0.5})
assert lines()[1] == "sampling rule Cruddur: update FixedRate 0.5 -> 0.1"
assert rules()["Cruddur"]["FixedRate"] == 0.1

with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    json.dump({"groups": [{"GroupName": "Cruddur", "FilterExpression": "falt"}]}, file)
    file.flush()
    bad = apply(file.name)
assert bad.returncode == 1 and "at character 0: `falt` is no keyword" in bad.stderr, bad.stderr
xray.delete_sampling_rule(RuleName="Cruddur")
xray.delete_group(GroupName="Cruddur")
