"""What all custom components share: their scripts and styles stand beside the modules, as files of their own."""

from __future__ import annotations

from pathlib import Path

from vibeseater.views.style import sheet

__all__ = ["script", "styles"]

_HERE = Path(__file__).parent


def script(*names: str) -> str:
    """The text of `<name>.js`; of several, one after another as one module."""
    return "\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in names)


def styles(name: str) -> list[str]:
    """The style sheets of the component whose rules stand in `<name>.css`."""
    return sheet((_HERE / f"{name}.css").read_text(encoding="utf-8"))
