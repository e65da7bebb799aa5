"""The paper's experiments, its open questions and the checks it asks for, each one command."""
