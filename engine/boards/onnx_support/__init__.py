"""What a board can read of an ONNX file: operators, versions, restrictions."""
