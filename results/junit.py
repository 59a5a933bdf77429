"""junit.xml: a test case for every cell, so that a CI server lists what ran, what could not and what failed."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from xml.etree import ElementTree

SKIPPED = ("unsupported", "absent")
XML_TEXT = {code: None for code in range(32) if chr(code) not in "\t\n\r"}  # characters that XML 1.0 cannot hold


def junit(records: list[dict[str, Any]]) -> str:
    """The records as JUnit XML: failed is an error, timeout a failure, unsupported and absent are skipped."""
    root = ElementTree.Element("testsuites", name="focalbench")
    by_suite = sorted(records, key=lambda record: record["cell"]["suite"])
    for suite, members in groupby(by_suite, key=lambda record: record["cell"]["suite"]):
        root.append(_suite(suite, list(members)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(name: str, records: list[dict[str, Any]]) -> ElementTree.Element:
    statuses = [record["status"] for record in records]
    element = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(records)),
        errors=str(statuses.count("failed")),
        failures=str(statuses.count("timeout")),
        skipped=str(sum(status in SKIPPED for status in statuses)),
        time=f"{sum(record['seconds'] for record in records):.3f}",
    )
    element.extend(_case(record) for record in records)
    return element


def _case(record: dict[str, Any]) -> ElementTree.Element:
    cell, reason = record["cell"], record["reason"].translate(XML_TEXT)
    name = "/".join(filter(None, (cell["adapter"], cell["device"], cell["dtype"], cell["workload"])))
    case = ElementTree.Element(
        "testcase", classname=f"{cell['suite']}.{cell['loss']}", name=name, time=f"{record['seconds']:.3f}"
    )
    if record["status"] in SKIPPED:
        ElementTree.SubElement(case, "skipped", message=f"{record['status']}: {reason}")
    elif record["status"] != "ok":
        outcome = "failure" if record["status"] == "timeout" else "error"
        ElementTree.SubElement(case, outcome, type=record["status"], message=reason).text = reason
    return case
