"""JSON as Go reads and prints it."""

import pytest

from omc_runbook.sandbox.ecs.gotext import GoJsonError, members, show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("half \ud800", "half \ufffd"),
        (None, "<nil>"),
        (True, "true"),
        (0, "0"),
        (-0.0, "-0"),
        (5432, "5432"),
        (999999, "999999"),
        (1000000, "1e+06"),
        (123456789, "1.23456789e+08"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (3.25, "3.25"),
        (-100000.5, "-100000.5"),
        ([1, "a", None], "[1 a <nil>]"),
        ({"b": 2, "a": {"c": False}}, "map[a:map[c:false] b:2]"),
    ],
)
def test_values_print_as_gos_default_format(value: object, text: str) -> None:
    """%v of what encoding/json decodes."""
    assert show(value) == text


def test_last_of_duplicate_keys_wins() -> None:
    """As in encoding/json."""
    assert members('{"A": 1, "A": 2}') == {"A": 2}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "unexpected end of JSON input"),
        ("nope", "invalid character 'n' looking for beginning of value"),
        ('{"A" "b"}', "invalid character '\"' after object key"),
        ('{"A": "b" "c"}', "invalid character '\"' after object key:value pair"),
        ('{"A": "b",}', "invalid character '}' looking for beginning of object key string"),
        ('{"A": [1,]}', "invalid character ']' looking for beginning of value"),
        ('{"A": "b', "unexpected end of JSON input"),
        ('{"A": "b\nc"}', "invalid character '\\n' in string literal"),
        ('{"A": "\\x"}', "invalid character 'x' in string escape code"),
        ('{"A": "b"} x', "invalid character 'x' after top-level value"),
        ('{"A": NaN}', "invalid character 'N' looking for beginning of value"),
        ('{"A": 1e309}', "json: cannot unmarshal number 1e309 into Go value of type float64"),
        (f'{{"A": {10**400}}}', f"json: cannot unmarshal number {10**400} into Go value of type float64"),
        ("[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ],
)
def test_complaints_are_gos(text: str, complaint: str) -> None:
    """Each way to be no JSON object has Go's own words."""
    with pytest.raises(GoJsonError) as error:
        members(text)
    assert str(error.value) == complaint
