"""What each command does once its options are read; `cli` beside it says what they take."""
