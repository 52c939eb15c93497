"""Streams side by side: `/wall?ids=…`. It only assembles; run it with `panel serve` or `vibeseater serve`."""

from vibeseater.views.pages import wall_page

wall_page().servable()
