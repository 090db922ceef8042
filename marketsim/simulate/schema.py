"""The JSON Schema of a scenario file, the workload in it included."""

import msgspec

from marketsim.saga.events import JSONObject
from marketsim.scenario.model import scenario_schema
from marketsim.simulate.model import ARRIVALS, Workload

__all__ = ["file_schema"]


def file_schema() -> JSONObject:
    """The JSON Schema (2020-12) of a scenario file with purchases, or with a workload in their place."""
    schema = scenario_schema()
    (workload,), parts = msgspec.json.schema_components((Workload,), ref_template="#/$defs/{name}")
    _say_what_excludes(parts)
    simulate = schema["properties"]["simulate"]
    schema["properties"]["simulate"] = {"description": simulate["description"], **workload}
    schema["$defs"] = dict(sorted((schema["$defs"] | parts).items()))
    # Only from a trace come products and customers of its own.
    traced = {"properties": {"simulate": {"properties": {"arrivals": {"required": ["trace"]}}}}}
    schema["dependentSchemas"]["simulate"]["anyOf"] = [{"required": ["catalog"]}, traced]
    return schema


def _say_what_excludes(parts: JSONObject) -> None:
    """Add to the schema what the types cannot say: which keys exclude each other, and which need another."""
    parts["Arrivals"]["oneOf"] = [{"required": [key]} for key in ARRIVALS]
    parts["Restock"]["anyOf"] = [{"required": ["at"]}, {"required": ["every"]}]
    parts["Limit"]["anyOf"] = [{"required": ["rate"]}, {"required": ["breaker"]}]
    parts["Limit"]["dependentRequired"] = {"burst": ["rate"]}
    parts["Latency"]["oneOf"] = [{"required": [key]} for key in ("median", "mean", "csv")]
    parts["Latency"]["dependentRequired"] = {
        "p99": ["median"],
        "sigma": ["median"],
        "column": ["csv"],
        "unit": ["csv"],
    }
    spread = [{"required": ["p99"]}, {"required": ["sigma"]}]
    parts["Latency"]["dependentSchemas"] = {"median": {"oneOf": spread}}
