"""500 random queries: the console's answers against DuckDB's over the same spans.

The SQL is written here from Honeycomb's specification and the choices of crates/query/README.md, not from the console's code.
SEED=n repeats a run, SPECS=n changes their number, SPANS=n that of spans: beyond 65,536 they lie in several segments.
"""

import json
import math
import tempfile

import duckdb

from specs import RANGE, SEED, SPANS, SPECS, START, alike, ask, make_spans, make_spec, send
from support import eventually, get


COLUMNS = {
    "time": "BIGINT", "duration_ms": "DOUBLE", "trace_id": "TEXT", "span_id": "TEXT", "parent_id": "TEXT", "service": "TEXT", "name": "TEXT",
    "kind": "TEXT", "route": "TEXT", "user_id": "TEXT", "city": "TEXT", "rows": "BIGINT", "ratio": "DOUBLE", "error": "BOOL", "cached": "BOOL",
}


def load(spans):
    """By a file, since an INSERT for each takes a millisecond."""
    hexed = lambda number, digits: None if number is None else f"{number:0{digits}x}"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        for s in spans:
            ids = {"trace_id": hexed(s["trace"], 32), "span_id": hexed(s["span"], 16), "parent_id": hexed(s["parent"], 16)}
            row = {**s, "duration_ms": s["duration"] / 1e6, **ids}
            file.write(json.dumps({name: row[name] for name in COLUMNS}) + "\n")
        file.flush()
        db = duckdb.connect()
        db.execute(f"CREATE TABLE spans AS SELECT * FROM read_json('{file.name}', format = 'newline_delimited', columns = {COLUMNS})")
    return db


def check(db, spec, sql):
    answer = ask(spec)
    step = answer["granularity"]
    assert answer["times"][0] == sql["start"] // step * step and answer["times"][-1] < sql["end"]
    db.execute("CREATE OR REPLACE TEMP TABLE f AS SELECT * FROM spans WHERE time >= ? AND time < ? AND (" + sql["where"] + ")", [sql["start"] * 10**9, sql["end"] * 10**9])
    plain = {"f": sql["formula"]} if sql["formula"] else {key: value for key, value in sql["columns"].items() if isinstance(value, str)}
    group = list(sql["group"].values())
    chosen = ", ".join([*group, *plain.values(), f"coalesce(max(duration_ms), 0)"])
    places = ", ".join(str(n + 1) for n in range(len(group)))
    by = f"GROUP BY {places}" if group else ""
    can_order = None not in sql["order"]
    assert answer["matched"] == db.execute("SELECT count(*) FROM f").fetchone()[0], "matched"
    if can_order:
        order = ", ".join(sql["order"])
        rows = db.execute(f"SELECT {chosen} FROM f {by} HAVING {sql['having']} {'ORDER BY ' + order if order else ''} LIMIT {spec['limit']}").fetchall()
        ours = [(*row["group"].values(), *[row["values"][key] for key in plain]) for row in answer["rows"]]
        theirs = [row[:-1] for row in rows]
        assert len(ours) == len(theirs), f"{len(ours)} rows, DuckDB {len(theirs)}"
        for place, (mine, other) in enumerate(zip(ours, theirs)):
            assert all(map(alike, mine, other)), f"row {place}: {mine}, DuckDB {other}"
        for row, other in zip(answer["rows"], rows):
            if row["exemplars"]:
                slowest = db.execute("SELECT max(duration_ms) FROM f WHERE trace_id = ?", [row["exemplars"][0]]).fetchone()[0]
                assert slowest >= other[-1], "the exemplar has the slowest span"
    # Totals, and every series of them.
    if plain:
        total = db.execute(f"SELECT {', '.join(plain.values())} FROM f").fetchone()
        mine = [answer["totals"]["values"][key] for key in plain]
        assert all(map(alike, mine, total)), f"totals {answer['totals']['values']}, DuckDB {total}"
        series = db.execute(f"SELECT time // {step * 10**9} * {step}, {', '.join(plain.values())} FROM f GROUP BY 1").fetchall()
        series = {row[0]: row[1:] for row in series}
        for place, key in enumerate(plain):
            empty = db.execute(f"SELECT {plain[key]} FROM f WHERE FALSE").fetchone()[0]
            for time, mine in zip(answer["times"], answer["totals"]["series"][key]):
                other = series[time][place] if time in series else empty
                assert alike(mine, other), f"series of {key} at {time}: {mine}, DuckDB {other}"
    # Series of the rows that are shown.
    if group and plain and can_order:
        found = db.execute(f"SELECT {', '.join(group)}, time // {step * 10**9} * {step}, {', '.join(plain.values())} FROM f GROUP BY {places}, {len(group) + 1}").fetchall()
        found = {row[: len(group) + 1]: row[len(group) + 1 :] for row in found}
        for row in answer["rows"][:20]:
            for time_place, time in enumerate(answer["times"]):
                other = found.get((*row["group"].values(), time))
                if other:
                    mine = [row["series"][key][time_place] for key in plain]
                    assert all(map(alike, mine, other)), f"series of {row['group']} at {time}: {mine}, DuckDB {other}"
    for key, special in sql["columns"].items():
        if not isinstance(special, str):
            check_special(db, answer, key, special, step)
    return bool(answer["matched"]), len(answer["rows"]) > 1


def check_special(db, answer, key, special, step):
    if sql_formula := answer["query"].get("formulas"):
        assert sql_formula
        return
    op, condition, *column = special
    series = answer["totals"]["series"].get(key)
    times = answer["times"]
    if op == "CONCURRENCY":
        spans = db.execute(f"SELECT time, time + CAST(round(duration_ms * 1000000) AS BIGINT) FROM f WHERE {condition}").fetchall()
        edges = sorted([(start, 1, 1) for start, _ in spans] + [(end, 0 if (end > start) else 2, -1) for start, end in spans])
        most, now, at = [], 0, 0
        for time in times:
            begin, end = time * 10**9, (time + step) * 10**9
            while at < len(edges) and (edges[at][0] < begin or edges[at][0] == begin and edges[at][1] == 0):
                now += edges[at][2]
                at += 1
            best = now
            while at < len(edges) and edges[at][0] < end:
                now += edges[at][2]
                best = max(best, now)
                at += 1
            most.append(best)
        # Spans without length at one instant: each order of them is as good.
        assert all(abs(mine - other) <= sum(start == end for start, end in spans) for mine, other in zip(series, most)), f"concurrency {series}, here {most}"
        if not any(start == end for start, end in spans):
            assert series == most, f"concurrency {series}, here {most}"
    elif op.startswith("RATE_"):
        inner = {"RATE_SUM": "sum", "RATE_MAX": "max"}[op]
        rows = db.execute(
            f"SELECT b, v - lag(v) OVER (ORDER BY b) FROM (SELECT time // {step * 10**9} * {step} b, {inner}({column[0]}) v FROM f WHERE {condition} GROUP BY 1) WHERE v IS NOT NULL"
        ).fetchall()
        rows = dict(rows)
        for time, mine in zip(times, series):
            other = rows.get(time)
            assert (mine is None) == (other is None) and (mine is None or math.isclose(mine, other, rel_tol=1e-6, abs_tol=1e-6)), f"{op} at {time}: {mine}, DuckDB {other}"
    else:
        values = db.execute(f"SELECT time // {step * 10**9} * {step}, {column[0]} FROM f WHERE ({condition}) AND ({column[0]}) IS NOT NULL").fetchall()
        heatmap = next(h for h in answer["heatmaps"] if f"HEATMAP({h['column']})" == key or len(answer["heatmaps"]) == 1 or "(" not in key)
        if sum(map(sum, heatmap["counts"])) != len(values) and len(answer["heatmaps"]) > 1:
            return  # two named ones of one column
        edges, counts = heatmap["edges"], {}
        for time, value in values:
            place = next((n for n in range(len(edges) - 1) if edges[n] <= value < edges[n + 1]), len(edges) - 2)
            counts[time, place] = counts.get((time, place), 0) + 1
        mine = {(time, place): count for time, row in zip(times, heatmap["counts"]) for place, count in enumerate(row) if count}
        assert mine == counts, f"heatmap {mine}, here {counts}"


def main():
    spans = make_spans()
    before = get("/api/stats")["spans"]
    send(spans)
    assert get("/api/stats")["spans"] == before + SPANS
    db = load(spans)
    everything = {"start_time": START, "time_range": RANGE}
    eventually("all spans in the columns", lambda: ask(everything)["matched"] == SPANS)
    filled = tables = 0
    for number in range(SPECS):
        spec, sql = make_spec(number)
        try:
            is_filled, is_table = check(db, spec, sql)
            filled += is_filled
            tables += is_table
        except Exception as error:
            raise AssertionError(f"SEED={SEED}, query {number}: {error}\n{json.dumps(spec, ensure_ascii=False)}\n{sql}") from error
    # Queries that find nothing prove nothing.
    assert filled > SPECS / 2 and tables > SPECS / 4, f"{filled} queries found spans, {tables} more than one group (SEED={SEED})"
    print(f"{filled} of {SPECS} queries found spans, {tables} more than one group")
    print(f"{SPECS} random queries over {SPANS} spans: the same answers as DuckDB {duckdb.__version__} (SEED={SEED})")


main()
