"""The page of all streams: `/streams`. It only assembles; run it with `panel serve` or `vibeseater serve`."""

from vibeseater.views.pages import streams_page

streams_page().servable()
