"""Every failure there is, within a bound: the search, its reduction, and the smallest counterexample."""
