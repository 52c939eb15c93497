"""A page with the plain Bokeh table of one stream, `?id=`, holding no more than twenty rows."""

import panel as pn

from tests.browser.watching import watch
from vibeseater.views.bokeh_table import BokehTable
from vibeseater.views.state import StreamState

state = StreamState(cap=20)
# In the page from the beginning: Bokeh loads the scripts of tables only for a page that has one when it is opened.
pn.panel(BokehTable(state, height=600)).servable()
pn.state.onload(watch(state))
