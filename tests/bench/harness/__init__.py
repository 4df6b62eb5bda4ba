"""The benchmark's harness: starts subjects, loads them in turn, compares what they cost."""
