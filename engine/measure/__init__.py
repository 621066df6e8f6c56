"""Measuring: multiply–accumulates, ONNX files and latency on this host."""
