"""Random spans, and random queries with the SQL that answers them.

Each run draws others. SEED=n repeats a run, SPECS=n changes the number of queries, SPANS=n that of spans.
"""

import json
import math
import os
import random
import urllib.request

from support import CONSOLE

SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))
SPECS = int(os.environ.get("SPECS", 500))
SPANS = int(os.environ.get("SPANS", 3_000))
START = 1_600_000_000  # apart from what the other clients send; a script that has other spans sets another
TRACES = 7 << 100
RANGE = 1_200

rng = random.Random(SEED)
# What a span carries, and where it has it.
KEYS = {
    "http.route": "route", "app.user_id": "user_id", "städte.name": "city", "rows": "rows", "ratio": "ratio", "cached": "cached",
    "db.system.name": "system", "db.namespace": "namespace",
}
KINDS = {"server": 2, "client": 3, "internal": 1}
# Column of the query, column of the table, values to filter by.
TEXTS = {
    "service.name": ("service", ["gateway", "users", "activities", "nobody"]),
    "name": ("name", ["GET /", "GET /feed", "SELECT posts", "render", "GET"]),
    "span.kind": ("kind", list(KINDS)),
    "http.route": ("route", ["/", "/feed", "/search", "/f"]),
    "app.user_id": ("user_id", [f"user-{n}" for n in range(12)] + ["user"]),
    "städte.name": ("city", ["Köln", "köln", "Ö", ""]),
}
NUMBERS = {"duration_ms": ("duration_ms", [0, 1, 2.5, 10, 50]), "rows": ("rows", [0, 3, 7, 12, -4]), "ratio": ("ratio", [-0.5, 0, 0.25, 0.9])}
FLAGS = {"error": ("error", [True]), "cached": ("cached", [True, False])}
COLUMNS = {**TEXTS, **NUMBERS, **FLAGS}
# Calculated fields, by hand in both languages.
FIELDS = {
    "many": ('IF(GT($rows, 5), "many", EXISTS($rows), "few")', "CASE WHEN rows > 5 THEN 'many' WHEN rows IS NOT NULL THEN 'few' END"),
    "long": ("$duration_ms > 20", "duration_ms > 20"),
    "both": ('CONCAT($service.name, " ", $http.route)', "service || ' ' || coalesce(route, '')"),
    "scaled": ("MUL($ratio, 100)", "ratio * 100"),
    "left": ("$duration_ms - $rows", "duration_ms - rows"),
    "first": ('REG_VALUE($name, "^([A-Z]+) ")', "CASE WHEN regexp_matches(name, '^[A-Z]+ ') THEN regexp_extract(name, '^([A-Z]+) ', 1) END"),
    "percent": ("MUL(IF($error, 1, 0), 100)", "CASE WHEN error THEN 100 ELSE 0 END"),
}
FIELD_NUMBERS = ["scaled", "left", "percent"]
PERCENTILES = {"P001": 1, "P01": 10, "P05": 50, "P10": 100, "P20": 200, "P25": 250, "P50": 500, "P75": 750, "P80": 800, "P90": 900, "P95": 950, "P99": 990, "P999": 999}
COMPARE = ["=", "!=", ">", ">=", "<", "<="]


def maybe(chance, value):
    return value if rng.random() < chance else None


def make_spans():
    spans = []
    for number in range(SPANS):
        kind = rng.choice(list(KINDS))
        duration = int(rng.lognormvariate(15, 1.5)) if rng.random() < 0.9 else 0
        spans.append(
            {
                "time": START * 10**9 + rng.randrange(RANGE * 10**9),
                "duration": duration,
                "trace": rng.randrange(1, SPANS // 4) + TRACES,
                "span": number + 1,
                "parent": maybe(0.7, rng.randrange(1, SPANS)),
                "service": rng.choice(["gateway", "users", "activities"]),
                "name": rng.choice(["GET /", "GET /feed", "SELECT posts", "render"]),
                "kind": kind,
                "route": maybe(0.6, rng.choice(["/", "/feed", "/search"])),
                "user_id": maybe(0.5, f"user-{int(rng.expovariate(0.3)) % 12}"),
                "city": maybe(0.3, rng.choice(["Köln", "köln", "Örebro", ""])),
                "rows": maybe(0.4, rng.randrange(-5, 20)),
                "ratio": maybe(0.3, rng.randrange(-1000, 1000) / 1024),
                "error": maybe(0.1, True),
                "cached": maybe(0.5, rng.random() < 0.5),
                "system": maybe(0.5, "postgresql") if kind == "client" else None,
                "namespace": maybe(0.5, rng.choice(["users", "activities"])),
                "exception": maybe(0.1, rng.choice(["Timeout", "Refused"])),
            }
        )
    return spans


def attribute(key, value):
    kind = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}[type(value)]
    return {"key": key, "value": {kind: value}}


def send(spans):
    """In random order, so that spans come late."""
    rng.shuffle(spans)
    for at in range(0, len(spans), 500):
        by_service = {}
        for span in spans[at : at + 500]:
            by_service.setdefault(span["service"], []).append(
                {
                    "traceId": f"{span['trace']:032x}",
                    "spanId": f"{span['span']:016x}",
                    **({"parentSpanId": f"{span['parent']:016x}"} if span["parent"] else {}),
                    "name": span["name"],
                    "kind": KINDS[span["kind"]],
                    "startTimeUnixNano": str(span["time"]),
                    "endTimeUnixNano": str(span["time"] + span["duration"]),
                    "status": {"code": 2} if span["error"] else {},
                    "attributes": [attribute(key, span[name]) for key, name in KEYS.items() if span[name] is not None],
                    "events": [
                        {"name": "exception", "timeUnixNano": str(span["time"]), "attributes": [attribute("exception.type", span["exception"])]}
                    ] if span["exception"] else [],
                }
            )
        body = {
            "resourceSpans": [
                {"resource": {"attributes": [attribute("service.name", service)]}, "scopeSpans": [{"spans": spans}]}
                for service, spans in by_service.items()
            ]
        }
        request = urllib.request.Request(os.environ["OTLP_URL"] + "/v1/traces", json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            assert answer.read() == b"{}"


# -- the query and its SQL, side by side --


def literal(value):
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def make_filter():
    """A filter and the SQL condition; a missing cell passes what is negative."""
    special = rng.random()
    if special < 0.08:
        column, sql = rng.choice([("trace.parent_id", "parent_id"), ("trace.trace_id", "trace_id"), ("http.route", "route"), ("no.such", "NULL")])
        op = rng.choice(["exists", "does-not-exist"])
        return {"column": column, "op": op}, f"({sql} IS {'NOT ' if op == 'exists' else ''}NULL)"
    if special < 0.12:
        trace = f"{rng.randrange(1, SPANS // 4) + TRACES:032x}"
        return {"column": "trace.trace_id", "op": "=", "value": trace}, f"(trace_id = {literal(trace)})"
    if special < 0.15:
        # A number against texts: never equal, never ordered.
        op = rng.choice(["=", "!=", ">"])
        return {"column": "name", "op": op, "value": 5}, "TRUE" if op == "!=" else "FALSE"
    column = rng.choice(list(COLUMNS))
    sql, values = COLUMNS[column]
    negative = lambda condition: f"({sql} IS NULL OR NOT ({condition}))"
    positive = lambda condition: f"({sql} IS NOT NULL AND {condition})"
    kind = rng.random()
    if kind < 0.15:
        op = rng.choice(["exists", "does-not-exist"])
        return {"column": column, "op": op}, f"({sql} IS {'NOT ' if op == 'exists' else ''}NULL)"
    if kind < 0.35:
        op = rng.choice(["in", "not-in"])
        chosen = rng.sample(values, rng.randrange(1, len(values) + 1))
        condition = f"{sql} IN ({', '.join(map(literal, chosen))})"
        return {"column": column, "op": op, "value": chosen}, (positive if op == "in" else negative)(condition)
    value = rng.choice(values)
    if column in TEXTS and kind < 0.7:
        op, call = rng.choice([("starts-with", "starts_with"), ("ends-with", "ends_with"), ("contains", "contains")])
        part = value[: rng.randrange(len(value) + 1)]
        condition = f"{call}({sql}, {literal(part)})"
        if rng.random() < 0.5:
            return {"column": column, "op": op, "value": part}, positive(condition)
        op = {"starts-with": "does-not-start-with", "ends-with": "does-not-end-with", "contains": "does-not-contain"}[op]
        return {"column": column, "op": op, "value": part}, negative(condition)
    op = rng.choice(COMPARE)
    if op == "!=":
        return {"column": column, "op": op, "value": value}, negative(f"{sql} = {literal(value)}")
    return {"column": column, "op": op, "value": value}, positive(f"{sql} {op} {literal(value)}")


def make_filters(most):
    made = [make_filter() for _ in range(rng.randrange(most + 1))]
    combination = rng.choice(["AND", "OR"])
    spec = {"filters": [spec for spec, _ in made]}
    if combination == "OR":
        spec["filter_combination"] = "OR"
    return spec, f" {combination} ".join(sql for _, sql in made) or "TRUE"


def make_calculation(fields, own_filters):
    """The calculation, its SQL, and whether it is a number at all."""
    op = rng.choice(["COUNT", "COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", *rng.sample(list(PERCENTILES), 3), "HEATMAP", "RATE_SUM", "RATE_MAX", "CONCURRENCY"])
    spec = {"op": op}
    condition = "TRUE"
    if own_filters:
        filters, condition = make_filters(2)
        if filters["filters"]:
            spec.update(filters)
    if op == "COUNT" and rng.random() < 0.7:
        return spec, f"count(*) FILTER ({condition})"
    if op in ("COUNT", "COUNT_DISTINCT"):
        choice = rng.choice([*COLUMNS, *fields, "trace.trace_id"])
        sql = "trace_id" if choice == "trace.trace_id" else FIELDS[choice][1] if choice in fields else COLUMNS[choice][0]
        spec["column"] = choice
        distinct = "DISTINCT " if op == "COUNT_DISTINCT" else ""
        return spec, f"count({distinct}({sql})) FILTER ({condition})"
    if op == "CONCURRENCY":
        return spec, ("CONCURRENCY", condition)
    choice = rng.choice([*NUMBERS, "duration_ms", *[field for field in fields if field in FIELD_NUMBERS]])
    sql = FIELDS[choice][1] if choice in FIELD_NUMBERS else NUMBERS[choice][0]
    spec["column"] = choice
    if op == "HEATMAP" or op.startswith("RATE_"):
        return spec, (op, condition, sql)
    if op in PERCENTILES:
        taken = f"FILTER (({condition}) AND ({sql}) IS NOT NULL)"
        return spec, f"list_sort(list({sql}) {taken})[greatest(1, (count(*) {taken} * {PERCENTILES[op]} + 999) // 1000)]"
    return spec, f"{op.lower()}({sql}) FILTER ({condition})"


def make_spec(number):
    spec = {"limit": rng.choice([1, 3, 10, 100, 1000])}
    start = START + rng.randrange(0, RANGE // 2)
    end = start + rng.randrange(1, RANGE)
    spec.update(rng.choice([{"start_time": start, "end_time": end}, {"start_time": start, "time_range": end - start}, {"end_time": end, "time_range": end - start}]))
    if rng.random() < 0.5:
        length = end - start
        spec["granularity"] = rng.randrange(max(1, math.ceil(length / 40)), length + 1)
    fields = rng.sample(list(FIELDS), rng.choice([0, 0, 1, 2]))
    if fields:
        spec["calculated_fields"] = [{"name": name, "expression": FIELDS[name][0]} for name in fields]
    filters, where = make_filters(3)
    spec.update({key: value for key, value in filters.items() if value})
    groupable = [*COLUMNS, *[field for field in fields if field not in FIELD_NUMBERS]]
    breakdowns = rng.sample(groupable, rng.choice([0, 1, 1, 2, 3]))
    if rng.random() < 0.05:
        breakdowns.append("trace.trace_id")
    if breakdowns:
        spec["breakdowns"] = breakdowns
    group = {name: "trace_id" if name == "trace.trace_id" else FIELDS[name][1] if name in FIELDS else COLUMNS[name][0] for name in breakdowns}

    has_formula = rng.random() < 0.15
    calculations, columns = [], {}
    for place in range(rng.randrange(1, 4)):
        calculation, sql = make_calculation(fields, own_filters=rng.random() < 0.25)
        if has_formula and calculation["op"] == "HEATMAP":
            continue
        if has_formula or "filters" in calculation:
            calculation["name"] = f"n{place}"
        key = calculation.get("name") or (f"{calculation['op']}({calculation['column']})" if "column" in calculation else calculation["op"])
        if key not in columns:
            calculations.append(calculation)
            columns[key] = sql
    if not calculations:
        calculations, columns = [{"op": "COUNT", "name": "n"}], {"n": "count(*)"}
    spec["calculations"] = calculations
    plain = {key: sql for key, sql in columns.items() if isinstance(sql, str)}
    formula = None
    if has_formula and len(plain) == len(columns):
        left, right = rng.choice(list(plain)), rng.choice(list(plain))
        expression, sql = rng.choice(
            [(f"DIV(${left}, ${right})", "CASE WHEN {1} != 0 THEN {0} / {1} END"), (f"${left} - ${right} * 2", "{0} - {1} * 2"),
             (f"IF(GT(${left}, ${right}), 1, 0)", "CASE WHEN {0} > {1} THEN 1 ELSE 0 END")]
        )
        formula = sql.format(f"({plain[left]})", f"({plain[right]})")
        spec["formulas"] = [{"name": "f", "expression": expression}]

    orders, order_sql = [], []
    choices = [("calculation", key) for key in plain] + [("breakdown", name) for name in breakdowns] + ([("formula", "f")] if formula else [])
    for kind, key in rng.sample(choices, min(len(choices), rng.choice([0, 1, 1, 2]))):
        descending = rng.random() < 0.6
        if kind == "calculation":
            found = next(c for c in calculations if (c.get("name") or (f"{c['op']}({c['column']})" if "column" in c else c["op"])) == key)
            order = {"column": key} if "name" in found else {"op": found["op"], **({"column": found["column"]} if "column" in found else {})}
            sql = plain[key]
        else:
            order, sql = {"column": key}, formula if kind == "formula" else group[key]
        orders.append({**order, **({"order": "descending"} if descending else {})})
        order_sql.append(f"{sql} {'DESC' if descending else 'ASC'} NULLS LAST")
    if orders:
        spec["orders"] = orders
    else:
        first = next((columns[key] for key, c in zip(columns, calculations) if c["op"] != "HEATMAP"), None)
        order_sql.append(first if isinstance(first, str) else None if first is None else False)
        order_sql = [None] if order_sql[0] is False else [f"{sql} DESC NULLS LAST" for sql in order_sql if sql]
    order_sql += [f"{sql} ASC NULLS FIRST" for sql in group.values()]

    having = "TRUE"
    unnamed = [(c, columns[key]) for key, c in zip(columns, calculations) if isinstance(columns[key], str)]
    if unnamed and breakdowns and rng.random() < 0.3:
        calculation, sql = rng.choice(unnamed)
        same = [(c, s) for c, s in zip(calculations, columns.values()) if c["op"] == calculation["op"] and c.get("column") == calculation.get("column")]
        op, value = rng.choice([">", ">=", "<", "!="]), rng.choice([0, 1, 5, 20])
        # Of several that the having may mean, the one without a name, else the first.
        same = [s for c, s in sorted(same, key=lambda one: "name" in one[0])]
        if isinstance(same[0], str):
            having = f"({same[0]} IS NOT NULL AND {same[0]} {op} {value})"
            spec["havings"] = [{"calculate_op": calculation["op"], "op": op, "value": value, **({"column": calculation["column"]} if "column" in calculation else {})}]
    return spec, {"start": start, "end": end, "where": where, "group": group, "columns": columns, "formula": formula, "order": order_sql, "having": having}


def make_box(spec):
    """Somewhere in the heatmap of a numeric column of a query."""
    values = {name: values for name, (_, values) in NUMBERS.items()}
    values.update({field["name"]: [-50, 0, 10, 100] for field in spec.get("calculated_fields", []) if field["name"] in FIELD_NUMBERS})
    column = rng.choice(list(values))
    low, high = sorted(rng.choices(values[column], k=2))
    start, end = sorted(START + rng.random() * RANGE for _ in range(2))
    return {"column": column, "min": low, "max": high, "start": start, "end": end}


# -- asking and comparing --


def alike(ours, theirs):
    if ours is None or theirs is None or isinstance(ours, str) or isinstance(theirs, str):
        return ours == theirs
    return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)


def ask(spec, console=CONSOLE, path="/api/query"):
    request = urllib.request.Request(console + path, json.dumps(spec).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.code} {error.read().decode()}") from None
