"""How everything fares: `/operations`. It only assembles; run it with `panel serve` or `vibeseater serve`."""

from vibeseater.views.pages import operations_page

operations_page().servable()
