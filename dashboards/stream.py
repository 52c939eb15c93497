"""The page of one stream: `/stream?id=…`. It only assembles; run it with `panel serve` or `vibeseater serve`."""

from vibeseater.views.pages import stream_page

stream_page().servable()
