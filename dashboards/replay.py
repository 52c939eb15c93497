"""The page of a replay: `/replay?id=…&start=…&end=…&speed=…`. It only assembles; run it as the other pages."""

from vibeseater.views.pages import replay_page

replay_page().servable()
