"""What axe finds in a page, once nothing moves there any more, and the sizes that pages are looked at in."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.async_playwright import Axe

from tests.servers import eventually

DESKTOP = {"viewport": {"width": 1440, "height": 1000}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


async def faults(view: Any) -> list[str]:
    """What axe finds, one line each: the rule, and where."""
    await eventually(lambda: _settled(view))
    await view.page.evaluate("document.fonts.ready.then(() => true)")
    found = await Axe().run(view.page, options=RULES)
    return [
        f"{fault['id']}: {node['target']} {node['any'][:1] and node['any'][0]['message']}"
        for fault in found.response["violations"]
        for node in fault["nodes"]
    ]


async def _settled(view: Any) -> bool:
    """Whether no animation runs any more: a colour that fades is no contrast to judge."""
    return bool(
        await view.page.evaluate(
            """() => {
              const all = (root) => [...root.querySelectorAll("*")].flatMap((el) =>
                [el, ...(el.shadowRoot ? all(el.shadowRoot) : [])])
              const runs = (one) => one.playState === "running" && one.effect.getTiming().iterations !== Infinity
              return all(document).every((el) => !el.getAnimations().some(runs))
            }"""
        )
    )
