"""From a detector's predictions to figures with intervals, calibration, comparison and a report."""
