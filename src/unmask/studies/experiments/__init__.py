"""The experiments, each a study: what it measures, and what it concludes."""
