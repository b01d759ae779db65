"""Read where an SVG of the report has its words and its lines."""

import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np

STEP = 0.5  # points between two samples of a line
SLACK = 0.6  # points by which boxes are drawn in: a hair's breadth is no overlap


class Words(NamedTuple):
    text: str
    low: np.ndarray  # left and upper edge, points
    high: np.ndarray


def _matrix(transform):
    total = np.eye(3)
    for kind, arguments in re.findall(r"(\w+)\(([^)]*)\)", transform or ""):
        v = [float(n) for n in re.split(r"[ ,]+", arguments.strip())]
        m = np.eye(3)
        if kind == "translate":
            m[:2, 2] = (*v, 0.0)[:2]
        elif kind == "scale":
            m[0, 0], m[1, 1] = v[0], v[-1]
        else:
            assert kind == "rotate"
            turn = np.deg2rad(v[0])
            m[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        total = total @ m
    return total


def _apply(matrix, points):
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def _numbers(d):
    return np.array([float(n) for n in re.findall(r"-?\d+(?:\.\d*)?(?:e-?\d+)?", d)])


def words(svg):
    """Every text of a drawing with its box."""
    glyphs = {
        path.get("id"): _apply(
            _matrix(path.get("transform")), _numbers(path.get("d")).reshape(-1, 2)
        )
        for path in svg.xpath(".//g[contains(@id, '-text_')]//defs/path")
        if path.get("d")
    }
    elements = []
    for group in svg.xpath(".//g[contains(@id, '-text_')]"):
        points = [
            _apply(
                _matrix(part.get("transform")) @ _matrix(use.get("transform")),
                glyphs[use.get("href")[1:]],
            )
            for part in group.xpath("./g")
            for use in part.xpath(".//use")
            if use.get("href")[1:] in glyphs
        ]
        if points:
            corners = np.concatenate(points)
            text = " ".join(c.text.strip() for c in group.xpath("./comment()"))
            box = corners.min(0) + SLACK, corners.max(0) - SLACK
            elements.append(Words(text, *box))
    return elements


def _lines(svg):
    """Lines and markers of the data: not of axes, grids or legends."""
    outside_axes = (
        "not(ancestor::g[contains(@id, 'axis_') or contains(@id, 'legend_')])"
    )
    kinds = "contains(@id, '-line2d_') or contains(@id, '-LineCollection_')"
    return svg.xpath(f".//g[({kinds}) and {outside_axes}]")


def strokes(svg):
    """Points along every line of data, and its markers, inside the axes, (point, 2)."""
    clips = {
        clip.get("id"): [float(clip[0].get(n)) for n in ("x", "y", "width", "height")]
        for clip in svg.xpath(
            ".//*[local-name()='clippath' or local-name()='clipPath']"
        )
    }
    drawn = []
    for group in _lines(svg):
        for use in group.xpath(".//use[@x]"):
            drawn.append(np.array([[float(use.get("x")), float(use.get("y"))]]))
        for path in group.xpath(".//path[not(ancestor::defs)]"):
            inside = re.search(r"#([^)]+)", path.get("clip-path") or "")
            for piece in (path.get("d") or "").split("M")[1:]:
                points = _sampled(_numbers(piece).reshape(-1, 2))
                if inside:
                    x, y, width, height = clips[inside[1]]
                    low, high = np.array([x, y]), np.array([x + width, y + height])
                    points = points[((points >= low) & (points <= high)).all(1)]
                drawn.append(points)
    return np.concatenate(drawn) if drawn else np.empty((0, 2))


def _sampled(vertices):
    parts = [vertices[:1]]
    for start, end in pairwise(vertices):
        n = max(int(np.hypot(*(end - start)) / STEP), 1)
        parts.append(start + np.linspace(0, 1, n + 1)[1:, None] * (end - start))
    return np.concatenate(parts)


def clashes(svg):
    """Name the texts of a drawing that lie on each other, or across a line of data."""
    texts, points = words(svg), strokes(svg)
    pairs = [
        f"{a.text!r} on {b.text!r}"
        for i, a in enumerate(texts)
        for b in texts[:i]
        if (a.low < b.high).all() and (b.low < a.high).all()
    ]
    crossed = [
        f"{text.text!r} across a line"
        for text in texts
        if ((points > text.low) & (points < text.high)).all(1).any()
    ]
    return pairs + crossed
