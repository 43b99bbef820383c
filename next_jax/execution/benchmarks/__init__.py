"""Problem and sample files of the public benchmarks."""
