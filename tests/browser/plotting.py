"""What the tests of the plot ask a browser: what its Bokeh models hold, and where a moment lies on the screen."""

from __future__ import annotations

from typing import Any

_MODELS = "Bokeh.documents.flatMap((doc) => [...doc._all_models.values()])"


async def counts(page: Any) -> list[int]:
    """Events in each of the plot's buckets, all sources together, as the browser holds them."""
    made: list[int] = await page.evaluate(
        f"""() => {{
          for (const model of {_MODELS}) {{
            if (model.type != "ColumnDataSource" || !("c0" in model.data)) continue
            const names = Object.keys(model.data).filter((name) => /^c\\d+$/.test(name))
            return Array.from(model.data.x).map((_, at) => names.reduce((sum, name) => sum + model.data[name][at], 0))
          }}
          return []
        }}"""
    )
    return made


async def column(page: Any, name: str) -> list[Any]:
    """A column of the data source that has it."""
    made: list[Any] = await page.evaluate(
        f"""(name) => {{
          for (const model of {_MODELS})
            if (model.type == "ColumnDataSource" && name in model.data) return Array.from(model.data[name])
          return []
        }}""",
        name,
    )
    return made


async def seen(page: Any) -> tuple[float, float]:
    """What the plot shows: from when to when, seconds since 1970."""
    start, end = await page.evaluate(
        f"""() => {{
          const figure = {_MODELS}.find((model) => model.type == "Figure")
          return [figure.x_range.start / 1000, figure.x_range.end / 1000]
        }}"""
    )
    return start, end


async def place(page: Any, t: float, y: float = 0.4) -> tuple[float, float]:
    """Where on the screen a moment lies, at a height within the plot's frame (0 is its top)."""
    x, top = await page.evaluate(
        """([t, y]) => {
          const find = (view) => view.model.type == "Figure" ? view
            : (view.child_views ?? []).map(find).find((found) => found)
          const view = Bokeh.index.roots.map(find).find((found) => found)
          const box = view.canvas_view.el.getBoundingClientRect(), frame = view.frame.bbox
          return [box.left + view.frame.x_scale.compute(t * 1000), box.top + frame.top + frame.height * y]
        }""",
        [t, y],
    )
    return x, top
