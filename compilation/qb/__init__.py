"""NPU targets: each part compiled by the vendor's qbcompiler, in the interpreter that has it."""
