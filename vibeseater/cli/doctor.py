"""`vibeseater doctor`: shows what `vibeseater.doctor` finds."""
