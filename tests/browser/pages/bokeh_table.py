"""A page with the plain Bokeh table of one stream, `?id=`, holding no more than twenty rows."""

import panel as pn

from tests.browser.watching import watch

body = pn.Column(sizing_mode="stretch_width")
pn.state.onload(watch(body))
body.servable()
