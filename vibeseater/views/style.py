"""What all components look like: one set of tokens that follows the page's or the notebook's light or dark."""

from __future__ import annotations

from vibeseater.views.palette import ACCENT

__all__ = ["TOKENS", "sheet"]

# Colours come from whatever surrounds the component (JupyterLab's variables, else Panel's), and all shades are mixed
# from these two: so a component is dark where its surroundings are, without being told.
TOKENS = f"""
:host {{
  --vs-fg: var(--jp-ui-font-color0, var(--panel-on-background-color, #1c2128));
  --vs-bg: var(--jp-layout-color0, var(--panel-surface-color, #ffffff));
  --vs-accent: color-mix(in srgb, {ACCENT} 82%, var(--vs-fg));
  --vs-muted: color-mix(in srgb, var(--vs-fg) 66%, var(--vs-bg));
  --vs-line: color-mix(in srgb, var(--vs-fg) 13%, var(--vs-bg));
  --vs-raised: color-mix(in srgb, var(--vs-fg) 4%, var(--vs-bg));
  --vs-hover: color-mix(in srgb, var(--vs-fg) 7%, var(--vs-bg));
  --vs-red: #d92d43;
  --vs-amber: #b45309;
  --vs-green: #15803d;
  --vs-held: color-mix(in srgb, #8a4207 60%, var(--vs-fg));
  color: var(--vs-fg);
  font-family: var(--jp-ui-font-family, Inter, Roboto, system-ui, -apple-system, "Segoe UI", sans-serif);
  font-size: 14px;
  line-height: 1.45;
  font-variant-numeric: tabular-nums;
}}
* {{ box-sizing: border-box; }}
button {{ font: inherit; color: inherit; cursor: pointer; }}
:focus-visible {{ outline: 2px solid var(--vs-accent); outline-offset: 2px; }}
.sr {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }}
@media (prefers-reduced-motion: reduce) {{
  *, *::before, *::after {{ animation: none !important; transition: none !important; }}
}}
"""


def sheet(css: str) -> list[str]:
    """A component's style sheets: the tokens, then its own rules."""
    return [TOKENS, css]
