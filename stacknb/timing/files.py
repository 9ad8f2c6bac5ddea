"""What there is of a run as files; its frames as CSV, JSON, Parquet."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from stacknb.exceptions import BadInput

__all__ = ["json_document", "write", "write_csv", "write_parquet"]


def write(path: str | os.PathLike[str], data: str | bytes) -> Path:
    """Write a file and return its path."""
    file = Path(path)
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return file


def write_csv(frames: Mapping[str, pd.DataFrame], folder: str | os.PathLike[str]) -> list[Path]:
    """Write each frame as ``NAME.csv`` (instants as ISO 8601, UTC) and return the paths."""
    paths = _paths(frames, folder, "csv")
    for frame, path in zip(frames.values(), paths, strict=True):
        frame.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
    return paths


def write_parquet(frames: Mapping[str, pd.DataFrame], folder: str | os.PathLike[str]) -> list[Path]:
    """Write each frame as ``NAME.parquet`` and return the paths.

    Raises
    ------
    BadInput
        If neither pyarrow nor fastparquet is installed, which pandas needs for it.
    """
    if not any(importlib.util.find_spec(name) for name in ("pyarrow", "fastparquet")):
        raise BadInput(
            "Parquet files need 'pyarrow', which is not installed: pip install 'stacknb[parquet]'"
        )
    paths = _paths(frames, folder, "parquet")
    for frame, path in zip(frames.values(), paths, strict=True):
        frame.to_parquet(path, index=False)
    return paths


def json_document(
    frames: Mapping[str, pd.DataFrame], summary: pd.Series, source: str
) -> dict[str, Any]:
    """Return frames and summary as one JSON object; instants ISO 8601 UTC, unknown values null."""
    document: dict[str, Any] = {"source": source}
    document["summary"] = {key: None if pd.isna(value) else value for key, value in summary.items()}
    for name, frame in frames.items():
        text = frame.to_json(orient="records", date_format="iso", date_unit="us")
        document[name] = json.loads(text)
    return document


def _paths(names: Iterable[str], folder: str | os.PathLike[str], ending: str) -> list[Path]:
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    return [where / f"{name}.{ending}" for name in names]
