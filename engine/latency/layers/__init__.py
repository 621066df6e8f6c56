"""What each layer of a network takes on this host, by ONNX Runtime's profiler, and why that is not less."""
