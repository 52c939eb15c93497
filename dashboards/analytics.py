"""A stream as a whole: `/analytics?id=…`. It only assembles; run it with `panel serve` or `vibeseater serve`."""

from vibeseater.views.pages import analytics_page

analytics_page().servable()
