"""Networks as ONNX files, in 8 bit too, and what such a file scores."""
