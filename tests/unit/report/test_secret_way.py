"""The picture of a secret's way: well-formed, described, and with nothing but what a code host shows."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from omc_runbook.report.display import drawing
from omc_runbook.report.secret_way import ALT, SecretWay

SVG = "{http://www.w3.org/2000/svg}"


def test_it_is_drawn_and_told() -> None:
    """The SVG has its description, every word of the text's steps, and both renderings come with alternative text."""
    bundle, metadata = SecretWay()._repr_mimebundle_()
    root = ElementTree.fromstring(bundle["image/svg+xml"])
    assert root.findtext(f"{SVG}title") == ALT == metadata["image/svg+xml"]["alt"]
    drawn = " ".join(each.text or "" for each in root.iter(f"{SVG}text"))
    for step in ("Secrets Manager", "ECS", "environment variables", "Settings", ".env"):
        assert step in drawn and step in bundle["text/plain"]


def test_at_a_screen_it_comes_with_its_alternative_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab shows that of HTML alone; what is wider than the page can be scrolled by the keyboard."""
    monkeypatch.setattr(drawing, "is_in_ipython", lambda: True)
    monkeypatch.setattr("omc_runbook.masking.kernel.allows_input", lambda: True)
    bundle, _ = SecretWay()._repr_mimebundle_()
    box = ElementTree.fromstring(bundle["text/html"].replace('">', '"/>').replace('"0"/>', '"0">'))
    assert (box.get("tabindex"), box[0].get("alt")) == ("0", ALT)
    assert unquote(str(box[0].get("src"))) == f"data:image/svg+xml,{SecretWay().to_svg()}"


def test_every_box_and_word_lies_within_the_picture() -> None:
    """Nothing is cut, and no two boxes overlap."""
    root = ElementTree.fromstring(SecretWay().to_svg())
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    boxes = [each for each in root.iter(f"{SVG}rect") if each.get("class") == "box"]
    corners = [
        (x, y, x + int(box.attrib["width"]), y + int(box.attrib["height"]))
        for box in boxes
        for x, y in [(int(box.attrib["x"]), int(box.attrib["y"]))]
    ]
    assert len(corners) == 6
    assert all(x > 0 and y > 0 and right < width and bottom < height for x, y, right, bottom in corners)
    for number, (left, top, right, bottom) in enumerate(corners):
        for x, y, far, low in corners[number + 1 :]:
            assert far <= left or right <= x or low <= top or bottom <= y


def test_a_dark_page_gets_other_colours() -> None:
    """The style sheet has a colour for each kind of element, and each has one without the style sheet."""
    svg = SecretWay().to_svg()
    root = ElementTree.fromstring(svg)
    kinds = {each.get("class") for each in root.iter() if each.get("class")}
    assert "prefers-color-scheme: dark" in svg
    assert all(f".{kind}" in svg for kind in kinds)
    assert all("fill" in each.attrib for each in root.iter() if each.get("class"))
