"""Writes repair tasks as prompts, parses completions into rationale and fix, and declares SeqIO tasks over both."""
