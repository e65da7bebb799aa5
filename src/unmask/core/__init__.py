"""What every room may use: errors, defaults, and the frozen values that cross rooms."""
